"""Folders of runs and searches: taken by the time, found again, removed where nothing was begun; the cache."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from genrefusion.core.disks import Place, disks_in_words
from genrefusion.core.errors import UserError
from genrefusion.core.faults import why_not_writable
from genrefusion.core.files import locked

KEPT_CORPUS = "corpus"
"""Folder in that of a run for the table of a corpus that was made in memory; it is written before the run begins."""


def cache_folder(chosen: str | None) -> Path:
    """Folder of features, fetched weights and the demo corpus.

    The setting `cache`, or else the environment's `GENREFUSION_CACHE`, or else the user's cache folder.
    """
    import platformdirs

    chosen = chosen or os.environ.get("GENREFUSION_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("genrefusion"))


def places_of(chosen: Mapping[str, Any]) -> list[Place]:
    """Folders that a command with these settings, by name, writes to; last that of temporary files."""
    places = []
    if isinstance(chosen.get("run"), str):
        places.append(Place(Path(chosen["run"]), "run", "run=FOLDER (a copy of the run will do)"))
    if chosen.get("out"):
        places.append(Place(Path(chosen["out"]).absolute().parent, "out", "out=FOLDER"))
    if chosen.get("output"):
        places.append(_output_place(chosen["output"]))
    if "cache" in chosen:
        places.append(cache_place(cache_folder(chosen["cache"])))
    with contextlib.suppress(OSError):  # there is none, which is said where one is asked for
        places.append(Place(Path(tempfile.gettempdir()), "temporary files", "TMPDIR=FOLDER in the environment"))
    return places


def typed_places() -> list[Place]:
    """Folders of runs that were named as such."""
    typed = [word.partition("=") for word in sys.argv[1:] if word.startswith(("hydra.run.dir=", "hydra.sweep.dir="))]
    return [Place(Path(folder), "folder", f"{setting}=FOLDER") for setting, _, folder in typed]


def cache_place(folder: Path) -> Place:
    """The cache, as a folder that is written to."""
    return Place(folder, "cache", "cache=FOLDER, or GENREFUSION_CACHE=FOLDER in the environment")


def _output_place(output: str) -> Place:
    return Place(Path(output).expanduser(), "output", "output=FOLDER")


def give_numba_a_folder() -> None:
    """Name a folder for what numba compiles where the user's own cannot be written, without one it does not import."""
    import platformdirs

    usual = Path(platformdirs.user_cache_dir("numba"))
    if "NUMBA_CACHE_DIR" not in os.environ and why_not_writable(usual) is not None:
        os.environ["NUMBA_CACHE_DIR"] = folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _runs_of(output: str, name: str, corpus: str) -> Path:
    """Folder of the runs of an experiment on a corpus."""
    return Path(output).expanduser() / name / corpus


def run_folder(output: str, name: str, corpus: str, resume: bool) -> str:
    """Take a folder for a run: a new one by the time, or with `resume` the last one that is not finished.

    Raises
    ------
    UserError
        There is nothing to resume.
    """
    return resumed_run(output, name, corpus) if resume else _taken(_runs_of(output, name, corpus) / _now(), output)


def sweep_folder(output: str, name: str, corpus: str, resume: bool) -> str:
    """Take a folder for several runs: a new one by the time, or with `resume` that of the last search.

    Raises
    ------
    UserError
        There is nothing to resume.
    """
    return resumed_sweep(output, name, corpus) if resume else _taken(_sweep_place(output, name, corpus), output)


def resumed_run(output: str, name: str, corpus: str) -> str:
    """Folder of the last run that is not finished."""
    parent = _runs_of(output, name, corpus)
    begun = [path.parent for path in parent.glob("*/run.json") if _is_unfinished(path)]
    return _last(begun, f"no unfinished run in {parent}", "hydra.run.dir")


def unfinished_beside(directory: Path) -> list[Path]:
    """Folders of runs beside that of a run, and itself, that were broken off; the newest first."""
    begun = [path.parent for path in directory.parent.glob("*/run.json") if _is_unfinished(path)]
    return sorted(begun, key=age, reverse=True)


def resumed_sweep(output: str, name: str, corpus: str) -> str:
    """Folder of the last search."""
    parent = _runs_of(output, name, corpus)
    return _last([path.parent for path in parent.glob("*/study.db")], f"no sweep in {parent}", "hydra.sweep.dir")


def _is_unfinished(record: Path) -> bool:
    """Whether a run was broken off; older versions wrote its page when they had called it finished."""
    try:
        status = json.loads(record.read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError):  # damaged
        return False
    return status == "running" or (status == "finished" and not (record.parent / "report.html").is_file())


def _sweep_place(output: str, name: str, corpus: str) -> Path:
    return _runs_of(output, name, corpus) / f"{_now()}_sweep"


def _taken(folder: Path, output: str) -> str:
    """Make the folder, or one with a number where it is there: two runs of one experiment may begin at once."""
    with disks_in_words([_output_place(output)]):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.iterdir():
            _forget_killed(other)
        for number in itertools.count(2):
            try:
                folder.mkdir()
            except FileExistsError:
                folder = folder.with_name(f"{folder.name.partition('+')[0]}+{number}")
            else:
                break
    return str(folder)


def _forget_killed(folder: Path) -> None:
    """Remove the folder of a run that was killed before anything was begun there."""
    lock = folder / ".lock"
    with contextlib.suppress(OSError):  # it is about to begin, another process has removed it, or it is another user's
        if lock.is_file() and {path.name for path in folder.iterdir()} <= {".lock", "run.log", KEPT_CORPUS}:
            with locked(lock, wait=False) as dead:
                if dead:
                    shutil.rmtree(folder / KEPT_CORPUS, ignore_errors=True)
                    (folder / "run.log").unlink(missing_ok=True)
                    lock.unlink()
                    folder.rmdir()


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _last(begun: list[Path], none: str, setting: str) -> str:
    """The newest of the folders, which are called by the time."""
    if not begun:
        raise UserError(f"resume=true: {none}. Leave out resume=true, or name a folder: {setting}=…")
    return str(max(begun, key=age))


def age(folder: Path) -> tuple[str, int]:
    """Time and number in the name of a folder: the 10th of a second comes after the 9th."""
    time_of, _, number = folder.name.partition("+")
    return time_of, int(number) if number.isdecimal() else 0


def named_run(output: str, name: str, corpus: str, resume: bool) -> str:
    """Name the folder that `run_folder` would take."""
    return resumed_run(output, name, corpus) if resume else str(_runs_of(output, name, corpus) / _now())


def named_sweep(output: str, name: str, corpus: str, resume: bool) -> str:
    """Name the folder that `sweep_folder` would take."""
    return resumed_sweep(output, name, corpus) if resume else str(_sweep_place(output, name, corpus))


@contextlib.contextmanager
def forgotten_unless_begun(directory: Path) -> Iterator[None]:
    """Remove a run folder again if the block breaks off before anything is begun there."""
    had_log = (directory / "run.log").exists()
    try:
        yield
    except BaseException:
        if not (directory / "run.json").exists() and not (directory / ".lock").exists():  # of another process
            if not had_log:
                (directory / "run.log").unlink(missing_ok=True)
            forget_empty(directory)
        raise


def forget_empty(directory: Path) -> None:
    """Remove a folder in which there is nothing."""
    if directory.is_dir() and not directory.samefile(Path.cwd()):
        with contextlib.suppress(OSError):
            directory.rmdir()
