"""Folders of evaluations in that of a run: written beside, and put in their place whole.

What an earlier evaluation left there is replaced. A file that no evaluation wrote, such as someone's notes, is kept.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from genrefusion.core.errors import UserError
from genrefusion.core.files import hidden_beside, hidden_name, locked

_FIGURES = ("confusion", "roc", "reliability", "frames")

WRITTEN = (
    "evaluation.json",
    *("predictions/test.csv", "frames/test.csv", "views/*/test.csv", "tracks.csv", "corpus.json", "metrics.json"),
    *("report.html", "calibration.json"),
    *(f"figures/{name}.{kind}" for name in _FIGURES for kind in ("png", "svg")),
    *(f"explanations/{name}.{kind}" for name in ("words", "deletion") for kind in ("csv", "png", "svg")),
    *("explanations/deletion.json", "explanations/songs.json"),
    *("sides/matrix.json", "sides/matrix.csv", "sides/matrix.png", "sides/matrix.svg"),
)
"""What an evaluation leaves, by its path in the folder; beside it pictures of songs, which have their names."""


@contextlib.contextmanager
def replacing(*targets: Path, keep: Sequence[str] = ()) -> Iterator[list[Path]]:
    """Give a new folder beside each of the targets; those that got files take the targets' places at the end.

    A target of which nothing new was made loses what an evaluation had left there. If the block breaks off, all stay as
    they were; of several processes one goes after the other.

    Parameters
    ----------
    *targets : Path
        Folders that lie directly in the same ``evaluations/`` folder.
    keep : sequence of str
        Folders in the targets that stay although an evaluation wrote them.

    Raises
    ------
    UserError
        One does not lie there.
    """
    for target in targets:
        _require_place(target)
    beside = [hidden_name(target) for target in targets]
    with locked(targets[0].parent / ".lock"):
        for target in targets:
            _take_up(target)
        try:
            for folder in beside:
                folder.mkdir(parents=True)
            yield beside
            for target, folder in zip(targets, beside, strict=True):
                _put_in_place(folder, target, keep)
        finally:
            for folder in beside:
                shutil.rmtree(folder, ignore_errors=True)


def _take_up(target: Path) -> None:
    """Bring back what a killed evaluation had moved aside, and remove what it had begun."""
    for old in hidden_beside(target, "old"):
        if not target.exists():
            old.rename(target)
            continue
        for path in _kept(old, ()):
            if not (place := target / path.relative_to(old)).exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    for begun in hidden_beside(target, "part"):
        shutil.rmtree(begun, ignore_errors=True)


def _require_place(target: Path) -> None:
    """Refuse a folder that is not what its path says: a link, ``..``, or the folder of all evaluations itself."""
    home = target.parent
    if home.name != "evaluations" or target.name in ("", ".", "..") or target.resolve() != home.resolve() / target.name:
        raise UserError(f"{target}: not a folder of its own below {home}. Results are not written there.")
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: a file, where the results would go. Move it away.")


def _put_in_place(folder: Path, target: Path, keep: Sequence[str]) -> None:
    if target.is_dir():
        for path in _kept(target, keep):
            copy = folder / path.relative_to(target)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy, follow_symlinks=False)
    if not any(folder.iterdir()):
        shutil.rmtree(target, ignore_errors=True)  # it held what an evaluation had left, and nothing else
        return
    old = folder.with_suffix(".old")
    if target.is_dir():
        target.rename(old)
    folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _kept(target: Path, keep: Sequence[str]) -> Iterator[Path]:
    """Files that no evaluation wrote, and those in folders to keep."""
    names = [glob.escape(name) for name in _pictures(target)]
    written = [*WRITTEN, *(f"explanations/{place}{name}" for name in names for place in ("", "audio/"))]
    written += [f"explanations/audio/{name.removesuffix('.png')}.svg" for name in names]
    for folder, inner, files in os.walk(target):
        links = [name for name in inner if (Path(folder) / name).is_symlink()]
        for path in (Path(folder) / name for name in (*files, *links)):
            within = path.relative_to(target).as_posix()
            ours = any(fnmatch.fnmatchcase(within, pattern) for pattern in written)
            if path.is_symlink() or not ours or within.split("/")[0] in keep:
                yield path


def _pictures(target: Path) -> list[str]:
    """Names that pictures of the songs of an evaluation have."""
    if not (target / "explanations").is_dir():
        return []
    from genrefusion.metrics.predictions import read_predictions
    from genrefusion.runs.explain.explain import file_name

    try:
        return [file_name(track) for track in read_predictions(target / "predictions" / "test.csv")["track_id"]]
    except (OSError, ValueError, KeyError):  # they stay where nothing tells whose they are
        return []
