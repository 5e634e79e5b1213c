"""Runs shown in TensorBoard, MLflow or Weights & Biases, beside their folders.

The run folder stays the truth. A tracker (`genrefusion.runs.trackers`) is told the settings when a run begins, each
epoch as it ends, and at the end what the folder holds. One that fails costs a line on the terminal and not the run.

A run that is resumed tells all its epochs again, from its checkpoints; what a tracker has already is not doubled.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from genrefusion.core.terminal import Terminal
from genrefusion.reports.terminal_tables import metric_rows, notes
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.registry import behind
from genrefusion.training import Tell

_OF_THE_COMMAND = ("resume", "tracking", "sweep", "parallel", "debug")


@dataclass(frozen=True)
class Subject:
    """A run, as a tracker is told of it.

    Attributes
    ----------
    directory, output : Path
        Its folder, and that of all runs.
    group : Path, optional
        Folder of the sweep, or of the several runs of one command, that it is one of.
    record : dict
        What ``run.json`` holds.
    """

    directory: Path
    output: Path
    group: Path | None
    record: dict[str, Any]

    @property
    def about(self) -> str:
        """What is trained on what, and how; the command; the folder."""
        record = self.record
        corpus = f"{record['corpus']}{' (synthetic)' if record['synthetic'] else ''}"
        facts = [f"{record['name']} on {corpus}, {record['protocol']}, seed {record['seed']}"]
        facts += [f"train {record['command']}"] if record["command"] else []
        return "\n\n".join([*facts, str(self.directory.absolute())])

    @property
    def settings(self) -> dict[str, Any]:
        """Settings by their dotted names, without those that say nothing of the run."""
        return _dotted({name: value for name, value in self.record["config"].items() if name not in _OF_THE_COMMAND})

    @property
    def figures(self) -> dict[str, float]:
        """Metrics of the finished run: see `figures`."""
        return figures(self._metrics)

    @property
    def notes(self) -> str:
        """What has to be said beside the figures: what intervals draw, and where there are too few songs."""
        return "; ".join(notes(metric_rows(self._metrics).items()))

    @property
    def pictures(self) -> dict[str, Path]:
        """Pictures of the finished run by name."""
        return {f"figures/{path.stem}": path for path in sorted((self.directory / "figures").glob("*.png"))}

    @property
    def _metrics(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "metrics.json").read_text(encoding="utf-8")))


class Tracker(Protocol):
    """What shows a run: made with its settings and a `Subject` when the run begins. All of it may fail.

    Attributes
    ----------
    place : str
        How to look at the run.
    """

    place: str

    def epoch(self, network: str, row: Mapping[str, float]) -> None:
        """Show an epoch of a network; of a run that is resumed it may have been shown before."""

    def finish(self) -> None:
        """Show what the folder of the finished run holds, and end."""

    def broken_off(self, reason: str) -> None:
        """End; the run may be resumed."""


@contextmanager
def tracked(config: TrainConfig, directory: Path, record: dict[str, Any], terminal: Terminal) -> Iterator[Tell | None]:
    """Show what the block does in the tracker of the settings.

    Parameters
    ----------
    config : TrainConfig
        With ``tracking``; without it nothing is done.
    directory : Path
        The run folder, which is whole when the block ends well.
    record : dict
        What ``run.json`` holds.
    terminal : Terminal
        Where it is said how to look at the run.

    Yields
    ------
    Tell or None
        To be called after each epoch.
    """
    if config.tracking is None:
        yield None
        return
    told = _Told(config.tracking, Subject(directory, Path(config.output), _group(), record), terminal)

    def tell(path: Path, row: Mapping[str, float]) -> None:
        network = path.relative_to(directory / "checkpoints").with_suffix("").as_posix()
        told.careful(lambda tracker: tracker.epoch(network, row))

    if config.resume:
        from genrefusion.training.checkpoints import known_epochs  # with PyTorch, which not all pipelines need

        for path, row in known_epochs(directory / "checkpoints"):
            tell(path, row)
    try:
        yield tell
    except BaseException as error:
        reason = _on_one_line(error)
        told.careful(lambda tracker: tracker.broken_off(reason))
        raise
    told.careful(lambda tracker: tracker.finish())


class _Told:
    """A tracker of which no mistake leaves: after the first one, which is said, it is told nothing more."""

    def __init__(self, settings: Any, subject: Subject, terminal: Terminal) -> None:
        self._name, self._log = settings.name, terminal.log
        self._tracker: Tracker | None = None
        try:
            self._tracker = behind(settings)(settings, subject)
            terminal.say("tracking", self._tracker.place)
        except Exception as error:
            self._give_up(error)

    def careful(self, tell: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            tell(self._tracker)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._tracker = None
        said = f"{self._name} is told nothing more of this run: {_on_one_line(error)}. The run folder has everything."
        Terminal(log=self._log).say("warning", said)  # of a sweep's trials too, which are quiet otherwise


def figures(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Metrics and the ends of their intervals by name; those of single genres are left to the page.

    Examples
    --------
    >>> figures({"test": {"n": 4, "accuracy": 0.5, "accuracy_ci95": [0.15, 0.85], "drawn": "artists"}})
    {'test/n': 4, 'test/accuracy': 0.5, 'test/accuracy_ci95_low': 0.15, 'test/accuracy_ci95_high': 0.85}
    """
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if name == "folds":
            for fold in value:
                found |= figures(fold, f"folds/{fold['fold']}/")
        elif name.endswith("_ci95"):
            found |= {f"{prefix}{name}_low": value[0], f"{prefix}{name}_high": value[1]}
        elif isinstance(value, Mapping):
            found |= {} if name == "genres" else figures(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found[f"{prefix}{name}"] = value
    return found


def _group() -> Path | None:
    """Folder of the sweep, or of the several runs of this command; of one run there is none."""
    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().job, "num"):
        return None
    return Path(HydraConfig.get().sweep.dir)


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _dotted(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _on_one_line(error: BaseException) -> str:
    return textwrap.shorten(f"{type(error).__name__}: {error}".rstrip(": "), 200)
