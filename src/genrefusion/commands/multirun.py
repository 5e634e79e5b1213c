"""Several runs of one command, ``train -m experiment=NAME pipeline.lr=1e-3,3e-4``: every combination of the values.

A mistake in one of them does not keep the others from being made. At the end the error output lists which runs are
there, and which are not and why; of runs with several seeds a table says what they have in common.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf, read_write

from genrefusion.core.errors import UserError
from genrefusion.core.folders import forget_empty
from genrefusion.core.paths import absolute
from genrefusion.core.terminal import Terminal, shown, shown_lines
from genrefusion.settings.composing import corpus_name, literal, quoted, to_settings
from genrefusion.settings.mistakes import require_launcher, require_no_interrupt, why


@dataclass
class Combination:
    """One of the runs.

    Attributes
    ----------
    number : int
        Its place, and the name of its folder.
    overrides : list of str
        With which it is composed.
    named : str
        What tells it from the others.
    beside_seed : str
        The same, without the seed.
    folder : Path, optional
        Where it is made, as far as that is known.
    problem : str, optional
        Why it was not.
    """

    number: int
    overrides: list[str]
    named: str
    beside_seed: str
    folder: Path | None = None
    problem: str | None = None


def run_combinations(
    config: DictConfig,
    jobs: Sequence[list[str]],
    varied: set[str],
    launcher: Launcher,
    loader: ConfigLoader,
    *,
    at_once: int | None = None,
) -> bool:
    """Make a run of each combination.

    Parameters
    ----------
    config : DictConfig
        What was composed without the values that vary, with ``hydra``.
    jobs : sequence of list of str
        Overrides of each run.
    varied : set of str
        Settings that have several values.
    launcher : Launcher
        Starts the runs.
    loader : ConfigLoader
        Composes them.
    at_once : int, optional
        So many are given to the launcher together; by default all, and one after the other to Hydra's own, which runs
        them so.

    Returns
    -------
    bool
        Whether all went well. The list is on the error output.

    Raises
    ------
    UserError
        Not one of them has settings that are possible.
    """
    require_launcher(config.hydra)
    _require_different(jobs)
    combinations = [_combination(number, job, varied) for number, job in enumerate(jobs)]
    folders = _places(_composed(combinations, config, loader))
    with read_write(config.hydra):  # launchers make it, and keep files of their own there
        config.hydra.sweep.dir = literal(next(iter(folders)))
    possible = [combination for combination in combinations if combination.problem is None]
    one_by_one = config.hydra.runtime.choices["hydra/launcher"] == "basic"
    size = 1 if one_by_one else at_once or len(possible)
    try:
        for first in range(0, len(possible), size):
            _launch(launcher, possible[first : first + size])
    except KeyboardInterrupt:
        for combination in possible:
            if not _is_finished(combination):
                combination.problem = combination.problem or "interrupted"
        _tell(combinations)
        raise
    finally:
        for folder in (*(c.folder for c in possible), *folders):
            if folder is not None:
                forget_empty(folder)
    _tell(combinations)
    if any(_setting(word) == "seed" for word in varied):
        _show_seeds(combinations)
    return all(combination.problem is None for combination in combinations)


def _require_different(jobs: Sequence[list[str]]) -> None:
    """Refuse one run twice, of which a mean over seeds would say that it is of two."""
    for number, job in enumerate(jobs):
        if job in jobs[:number]:
            raise UserError(f"train -m {shlex.join(job)}: this run twice. Give each value once.")


def _combination(number: int, job: list[str], varied: set[str]) -> Combination:
    words = [word for word in job if not varied or word.partition("=")[0] in varied]
    return Combination(number, job, shlex.join(words), shlex.join(word for word in words if _setting(word) != "seed"))


def _setting(word: str) -> str:
    """Name of the setting that an override is about."""
    return word.partition("=")[0].lstrip("+")


def _composed(
    combinations: Sequence[Combination], config: DictConfig, loader: ConfigLoader
) -> list[tuple[Combination, DictConfig]]:
    """Those whose settings are possible, with what is composed of them; of the others it is noted why they are not."""
    possible = []
    for combination in combinations:
        try:
            own = loader.load_sweep_config(config, combination.overrides)
            with _current(own):
                to_settings(own)
            possible.append((combination, own))
        except Exception as error:
            combination.problem = why(error)
    _require_one(combinations)
    return possible


def _places(possible: Sequence[tuple[Combination, DictConfig]]) -> list[Path]:
    """Give each run its folder; returns those in which they lie, one for each experiment and corpus."""
    folders: dict[str, Path] = {}
    for combination, own in possible:
        with _current(own):
            _choose_folder(combination, own, folders)
    return list(folders.values())


def _show_seeds(combinations: Sequence[Combination]) -> None:
    """Say what the finished runs have in common that differ in the seed alone."""
    from genrefusion.commands.seeds import show_seeds  # with pandas and matplotlib, which a start does without

    runs: dict[str, list[Path]] = {}
    for combination in combinations:
        if combination.folder is not None and _is_finished(combination):
            runs.setdefault(combination.beside_seed, []).append(combination.folder)
    if runs:
        show_seeds(runs, Terminal(), failed=len(combinations) - sum(map(len, runs.values())))


def _require_one(combinations: Sequence[Combination]) -> None:
    """Refuse the whole where not one run can begin; what is wrong with all of them is said once."""
    problems = [combination.problem for combination in combinations if combination.problem is not None]
    if len(problems) < len(combinations):
        return
    if len(set(problems)) == 1:
        raise UserError(problems[0])
    raise UserError("\n".join(f"{c.named}:\n{_indented(str(c.problem))}" for c in combinations))


def _choose_folder(combination: Combination, own: DictConfig, folders: dict[str, Path]) -> None:
    """Take a folder for the runs of an experiment and corpus, and give each run its place there."""
    raw = OmegaConf.to_container(own.hydra.sweep, resolve=False)
    assert isinstance(raw, dict)
    place = (
        [own.output, own.hydra.runtime.choices.experiment, corpus_name(own.data)]
        if "${" in raw["dir"]
        else [raw["dir"]]
    )
    key = json.dumps([raw["dir"], *map(str, place)])
    if key not in folders:
        folders[key] = Path(own.hydra.sweep.dir)
        folders[key].mkdir(parents=True, exist_ok=True)
    combination.overrides = [*combination.overrides, f"hydra.sweep.dir={quoted(literal(folders[key]))}"]
    if raw["subdir"] == "${hydra.job.num}":  # otherwise a name that was typed, and is known when the run is made
        combination.overrides.append(f"hydra.sweep.subdir={combination.number}")
        combination.folder = folders[key] / str(combination.number)


def _launch(launcher: Launcher, batch: Sequence[Combination]) -> None:
    """Start runs, and note how each ended."""
    try:
        returned = launcher.launch([c.overrides for c in batch], initial_job_idx=batch[0].number)
    except Exception as error:  # a process that died, or a launcher that could not start: the files tell what is there
        require_no_interrupt(error)
        for combination in batch:
            if not _is_finished(combination):
                combination.problem = why(error)
        return
    for combination, job in zip(batch, returned, strict=True):
        combination.problem = _problem(job)
        if combination.folder is None and job.hydra_cfg is not None:
            combination.folder = Path(job.hydra_cfg.hydra.runtime.output_dir)


def _problem(job: JobReturn) -> str | None:
    """Why a run was not made; `JobReturn.return_value` would print a line of its own."""
    if job.status == JobStatus.COMPLETED:
        return None
    if isinstance(job._return_value, Exception):
        require_no_interrupt(job._return_value)
    return why(job._return_value) if isinstance(job._return_value, Exception) else "its process ended before it did"


def _is_finished(combination: Combination) -> bool:
    if combination.folder is None:
        return False
    try:
        record = json.loads((combination.folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record["status"] == "finished")


def _tell(combinations: Sequence[Combination]) -> None:
    """List on the error output which runs are there, and which are not and why."""
    made = [c for c in combinations if c.problem is None]
    failed = [c for c in combinations if c.problem is not None]
    lines = [f"{len(made)} of {len(combinations)} runs are finished{':' if made else '.'}"]
    lines += [f"  {c.number}   {shown(c.named)}   {shown(absolute(Path(str(c.folder))))}" for c in made]
    if failed:
        lines.append(f"{len(failed)} failed:")
    for combination in failed:
        lines += [f"  {combination.number}   {shown(combination.named)}", _indented(str(combination.problem))]
    print("\n".join(lines), file=sys.stderr)  # noqa: T201 (beside the tables of the runs)


def _indented(message: str) -> str:
    return "\n".join(f"      {line}" for line in shown_lines(message).split("\n"))


@contextmanager
def _current(config: DictConfig) -> Iterator[None]:
    """Let ``${hydra:…}`` mean what it does in these settings."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
