"""Composing experiments, and finding the runs that were made of them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from hydra import compose

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.splits import Split
from genrefusion.data.tracks import Tracks
from genrefusion.runs.record import ensemble_signature, signature
from genrefusion.runs.store import to_resume
from genrefusion.runs.training import prepare
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.composing import to_settings

_SHARED = re.compile(r"\+*(data|split|trainer|workers|cache|output)\b")


def shared_overrides(typed: Sequence[str]) -> list[str]:
    """Keep of the typed overrides what holds for several experiments: corpus, split, machine, folders."""
    return [override for override in typed if _SHARED.match(override)]


class Experiments:
    """Composes experiments on one corpus and split, and finds their runs by the signature.

    Parameters
    ----------
    output : str
        Folder of the runs.
    overrides : sequence of str
        Settings that all experiments get, as they were typed.
    terminal : Terminal
        Where what is found is said.
    features, weights : sequence of str, str or None
        Overrides for the experiments that read audio, and published weights for those that have convolutions.
    """

    def __init__(
        self,
        output: str,
        overrides: Sequence[str],
        terminal: Terminal,
        *,
        features: Sequence[str] = (),
        weights: str | None = None,
    ) -> None:
        self.output = output
        self.overrides = list(overrides)
        self.terminal = terminal
        self.features = list(features)
        self.weights = weights
        self._composed: dict[tuple[str, ...], TrainConfig] = {}
        self._prepared: dict[str, tuple[Tracks, Split]] = {}

    def compose(self, experiment: str, *own: str, seed: int) -> TrainConfig:
        """Settings of an experiment; `own` comes last and wins, but that the given weights stand for ``msd`` there."""
        if self.weights is not None:
            given = f"pipeline.weights={self.weights}"
            own = tuple(given if override == "pipeline.weights=msd" else override for override in own)
        return self._compose(experiment, [*self._extra(experiment, own, seed), *own], seed)

    def command(self, experiment: str, *own: str, seed: int) -> str:
        """What to type after ``train`` for the same run."""
        extra = self._extra(experiment, own, seed)
        return shlex.join([f"experiment={experiment}", *self.overrides, *extra, *own, f"seed={seed}"])

    def _extra(self, experiment: str, own: Sequence[str], seed: int) -> list[str]:
        """Features and weights that are given for all experiments, as far as this one takes them."""
        config = self._compose(experiment, own, seed)
        extra = list(self.features) if config.features.of_audio else []
        if self.weights is not None and config.pipeline.has_convolutions and not self.features:
            extra.append(f"pipeline.weights={self.weights}")
        return extra

    def _compose(self, experiment: str, own: Sequence[str], seed: int) -> TrainConfig:
        named = [f"experiment={experiment}", f"name={experiment}", f"seed={seed}"]
        words = (*named, *self.overrides, f"output={self.output}", *own)
        if words not in self._composed:  # a quarter of a second each
            self._composed[words] = cast(TrainConfig, to_settings(compose("train", list(words))))
        return self._composed[words]

    def prepared(self, settings: TrainConfig) -> tuple[Tracks, Split]:
        """Corpus and split of an experiment; experiments that read the same sides share them."""
        from genrefusion.pipelines.base import make_pipeline
        from genrefusion.runs.training import train_context

        uses = make_pipeline(settings.pipeline, settings.features, train_context(settings, self.terminal)).uses
        ready = settings.features.ready_file
        key = repr([asdict(settings.data), asdict(settings.split), settings.seed, sorted(uses), ready])
        if key not in self._prepared:
            self._prepared[key] = prepare(settings, self.terminal)
        return self._prepared[key]

    def find(self, settings: TrainConfig) -> tuple[Path | None, bool]:
        """Folder of the newest run with the same signature, finished ones first, and whether it is finished."""
        return self._newest(settings, signature(settings, *self.prepared(settings)))

    def find_ensemble(self, settings: TrainConfig, members: Sequence[Path]) -> tuple[Path | None, bool]:
        """Folder of the newest run that joins the members, as they are now, in the same way; and as `find`."""
        return self._newest(settings, ensemble_signature(settings, members))

    def member(self, experiment: str, seed: int) -> Path:
        """Folder of the finished run of an experiment.

        Raises
        ------
        UserError
            There is none; names the command that makes it.
        """
        settings = self.compose(experiment, seed=seed)
        folder, finished = self.find(settings)
        if folder is None or not finished:
            command = self.command(experiment, seed=seed)
            command = to_resume(command, folder) if folder else f"train {command}"
            state = "is not finished" if folder else "does not exist"
            raise UserError(
                f"The run of '{experiment}' on this corpus, split and seed {state} in {self.output}/. Make it:\n"
                f"{command}\nOr name runs with other settings by their folders: pipeline.runs=[DIR,DIR]"
            )
        return folder

    def _newest(self, settings: TrainConfig, sign: str) -> tuple[Path | None, bool]:
        found: dict[bool, Path] = {}
        for path in sorted((Path(self.output) / settings.name).glob("**/run.json")):
            record = _read(path)
            if record.get("signature") == sign and record["status"] != "trial":
                found[record["status"] == "finished"] = path.parent
        return (found[True], True) if True in found else (found.get(False), False)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # a run that is damaged, or being written, is none
        return {}
