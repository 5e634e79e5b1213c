"""Finished run folders: opening one."""

from __future__ import annotations

import functools
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.data.splits import Split, read_split
from genrefusion.metrics.predictions import read_predictions
from genrefusion.pipelines.base import Context, Predictor
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.reports.terminal_tables import with_interval
from genrefusion.runs.trained_on import TrainedOn, read_trained_on


def to_resume(command: object, directory: Path) -> str:
    """Command that goes on with a run that was begun by ``train command``, to be pasted into a shell."""
    return " ".join(filter(None, ["train", str(command), shlex.join(["resume=true", f"hydra.run.dir={directory}"])]))


def model_folder(directory: Path, split: Split, number: int) -> Path:
    """Where the trained pipeline of a fold lies in a run folder."""
    return directory / "model" / (f"fold{number}" if len(split.folds) > 1 else "")


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run, which can be named where its folder can.

    Attributes
    ----------
    directory : Path
        The run folder.
    record : dict
        What ``run.json`` holds.
    split : Split
        As it was trained with.
    """

    directory: Path
    record: dict[str, Any]
    split: Split

    def __fspath__(self) -> str:
        return str(self.directory)

    def __repr__(self) -> str:
        record = self.record
        corpus = f"{record['corpus']}{' (synthetic)' if record['synthetic'] else ''}"
        try:
            test = self.metrics["test"]
            figures = f"accuracy {with_interval(test, 'accuracy')}, n = {test['n']}"
        except (UserError, KeyError):  # a run can be looked at all the same
            figures = "no figures"
        return f"<Run {record['name']} on {corpus}, {record['protocol']}, seed {record['seed']}: {figures}>"

    @functools.cached_property
    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` holds: figures of ``test`` and ``val``, with 95 % intervals."""
        path = self.directory / "metrics.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path}: missing or damaged.") from error

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.directory / "report.html"

    @functools.cached_property
    def trained_on(self) -> TrainedOn:
        """Songs and artists that it has learnt from."""
        return read_trained_on(self.directory, self.record)

    def predictions(self, part: str = "test") -> pd.DataFrame:
        """Probabilities of the tracks of a part: see `genrefusion.metrics.predictions`."""
        return read_predictions(self.directory / "predictions" / f"{part}.csv")

    def pipelines(self, context: Context, *, features_path: str | None = None) -> list[Predictor]:
        """Trained pipeline of each fold; with `features_path` it reads its ready features from that file."""
        numbers = range(len(self.split.folds))
        pipelines = [read_pipeline(model_folder(self.directory, self.split, number), context) for number in numbers]
        if features_path is not None:
            for pipeline in pipelines:
                pipeline.read_features_from(features_path)
        return pipelines


def open_run(directory: str | os.PathLike[str]) -> Run:
    """Open a finished run folder.

    Raises
    ------
    UserError
        There is no run, or it is not finished.
    """
    directory = Path(directory)
    path = directory / "run.json"
    if not path.is_file():
        raise UserError(
            f"run={directory}: no run there (no run.json). The last line that train prints names its folder."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}).") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: damaged (not what a run writes there).")
    if record.get("status") == "trial":
        raise UserError(
            f"run={directory}: a trial of a sweep, which leaves no model and no test predictions. Train it again:\n"
            "the last line of the sweep says how, for its best trial."
        )
    if record.get("status") != "finished":
        raise UserError(
            f"run={directory}: not finished. Go on with:\n" + to_resume(record.get("command", ""), directory)
        )
    try:
        table = pd.read_csv(directory / "splits.csv", dtype={"track_id": str}, keep_default_na=False)
        return Run(directory, record, read_split(table, record["protocol"]))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"run={directory}: damaged (run.json or splits.csv: {error}).") from error
