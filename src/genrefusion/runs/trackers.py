"""What shows runs: TensorBoard, MLflow, Weights & Biases, each imported when it is asked for.

Nothing leaves the machine unless the user names a server: ``tracking.uri`` or ``MLFLOW_TRACKING_URI``, ``WANDB_MODE``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genrefusion.core.files import locked, write_json
from genrefusion.runs.tracking import Subject
from genrefusion.settings.tracking import MlflowSettings, TensorBoardSettings, WandbSettings

_NOTED = "tracking.json"
"""In a run folder: as what trackers know the run."""

_FILES = ("config.yaml", "metrics.json", "report.html", "figures", "model")
_MOST_PARAMETERS = 100
"""That MLflow takes at once."""


class TensorBoard:
    """Event files in the run folder; those of a run that is resumed are written anew."""

    def __init__(self, settings: TensorBoardSettings, run: Subject) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.directory / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)
        self._run = run
        self._writer: Any = SummaryWriter(str(folder))
        self._writer.add_text("run", run.about)
        self._writer.add_text("settings", "\n".join(f"    {n}: {_typed(v)}" for n, v in run.settings.items()))
        self._writer.flush()
        among_others = run.output.absolute() in run.directory.absolute().parents
        self.place = shlex.join(["tensorboard", "--logdir", str(run.output if among_others else run.directory)])

    def epoch(self, network: str, row: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in _points(network, row).items():
            self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def finish(self) -> None:
        """Add the figures, also as what came of the settings, the pictures, and where page and model lie."""
        from matplotlib.image import imread
        from torch.utils.tensorboard.summary import hparams

        for name, value in self._run.figures.items():
            self._writer.add_scalar(name, value)
        typed = {n: v if isinstance(v, int | float) else _typed(v) for n, v in self._run.settings.items()}
        for summary in hparams(typed, self._run.figures):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)
        for name, picture in self._run.pictures.items():
            self._writer.add_image(name, imread(picture), dataformats="HWC")
        self._writer.add_text("notes", self._run.notes)
        for name in ("report.html", "model"):
            if (self._run.directory / name).exists():
                self._writer.add_text(name, str((self._run.directory / name).absolute()))
        self._writer.close()

    def broken_off(self, reason: str) -> None:
        """Add why."""
        self._writer.add_text("ended", reason)
        self._writer.close()


class Mlflow:
    """A run in a store of MLflow: ``OUTPUT/mlflow.db``, or that of a server."""

    def __init__(self, settings: MlflowSettings, run: Subject) -> None:
        # It would report how it is used, and ask a server that is gone for minutes.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # tries again without a word
        own = (run.output / "mlflow.db").absolute()
        self._run = run
        self._uri = settings.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{own}"
        self._client = MlflowClient(tracking_uri=self._uri)
        self._uri = re.sub("//[^/@]+@", "//", self._uri)  # from here on it is noted and said, which a password is not
        on_server = not self._uri.startswith("sqlite")
        with locked(run.output / ".mlflow.lock"):  # two that begin a store at once would spoil it
            self._experiment = self._find(settings.project, None if on_server else own.with_suffix("").as_uri())
        self._shown: dict[str, set[int]] = {}  # epochs by network, of a run that is resumed
        noted = _noted(run.directory, "mlflow")
        self._resumed = noted.get("uri") == self._uri
        self._id = noted["id"] if self._resumed else self._begin()
        self._client.update_run(self._id, "RUNNING")
        self.place = self._uri if on_server else shlex.join(["mlflow", "ui", "--backend-store-uri", self._uri])

    def epoch(self, network: str, row: Mapping[str, float]) -> None:
        """Add a point to each curve, unless it is there."""
        if self._resumed and network not in self._shown:
            points = self._client.get_metric_history(self._id, f"{network}/loss")
            self._shown[network] = {point.step for point in points}
        if int(row["epoch"]) not in self._shown.get(network, ()):
            self._log(_points(network, row), int(row["epoch"]))

    def finish(self) -> None:
        """Add the figures and the files."""
        self._log(self._run.figures, 0)
        self._client.set_tag(self._id, "notes", self._run.notes)
        for path in (self._run.directory / name for name in _FILES):
            if path.is_dir():
                self._client.log_artifacts(self._id, str(path), path.name)
            elif path.is_file():
                self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id)

    def broken_off(self, reason: str) -> None:
        """End it as failed; a tag says why."""
        self._client.set_tag(self._id, "ended", reason)
        self._client.set_terminated(self._id, "FAILED")

    def _find(self, project: str, files: str | None) -> str:
        found = self._client.get_experiment_by_name(project)
        return str(found.experiment_id if found else self._client.create_experiment(project, artifact_location=files))

    def _begin(self) -> str:
        """Make the run, below that of its group."""
        from mlflow.entities import Param

        facts = ("name", "corpus", "corpus_digest", "protocol", "synthetic", "signature", "git_commit")
        tags = {name: str(self._run.record[name]) for name in facts} | {"mlflow.note.content": self._run.about}
        if self._run.group is not None:
            tags["mlflow.parentRunId"] = self._parent(self._run.group)
        made = self._make(self._run.directory, tags)
        settings = [Param(name, _typed(value)) for name, value in self._run.settings.items()]
        for first in range(0, len(settings), _MOST_PARAMETERS):
            self._client.log_batch(made, params=settings[first : first + _MOST_PARAMETERS])
        return made

    def _parent(self, group: Path) -> str:
        """The run that those of a group are children of: the first of them makes it, and it holds nothing itself."""
        with locked(group / ".tracking.lock"):
            noted = _noted(group, "mlflow")
            if noted.get("uri") == self._uri:
                return noted["id"]
            made = self._make(group, {})
            self._client.set_terminated(made)
            return made

    def _make(self, folder: Path, tags: dict[str, str]) -> str:
        made = self._client.create_run(self._experiment, tags=tags, run_name=folder.name)
        _note(folder, "mlflow", {"id": made.info.run_id, "uri": self._uri})
        return str(made.info.run_id)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, step) for name, value in values.items()])


class Wandb:
    """A run of Weights & Biases, offline unless the environment says otherwise; one that is resumed is written anew."""

    def __init__(self, settings: WandbSettings, run: Subject) -> None:
        folder = Path(os.environ.get("WANDB_DIR", run.output)).absolute()
        (folder / "wandb").mkdir(parents=True, exist_ok=True)  # else it takes the folder of temporary files
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_DATA_DIR", str(folder / "wandb"))
        import wandb

        self._run, self._epochs, self._networks = run, 0, set[str]()
        self._id = _noted(run.directory, "wandb").get("id") or uuid.uuid4().hex[:12]
        _note(run.directory, "wandb", {"id": self._id})
        for begun in (folder / "wandb").glob(f"offline-run-*-{self._id}"):
            if not any(begun.glob("*.synced")):
                shutil.rmtree(begun, ignore_errors=True)
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._shown: Any = wandb.init(
            id=self._id,
            project=settings.project,
            name=run.directory.name,
            group=run.group.name if run.group else None,
            notes=run.about,
            config=run.settings,
            dir=str(folder),
            mode=mode,
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", disable_git=True, x_disable_stats=True),
        )
        self.place = self._shown.url or shlex.join(["wandb", "sync", str(Path(self._shown.dir).parent)])

    def epoch(self, network: str, row: Mapping[str, float]) -> None:
        """Add a point to each curve, unless the server has it."""
        if network not in self._networks:
            self._shown.define_metric(f"{network}/*", step_metric=f"{network}/epoch")
            self._networks.add(network)
        self._epochs += 1
        if self._epochs > self._shown.starting_step:  # so many it had before
            self._shown.log(_points(network, row) | {f"{network}/epoch": int(row["epoch"])})

    def finish(self) -> None:
        """Add the figures, the pictures, the page and the model."""
        import wandb

        self._shown.summary.update(self._run.figures | {"notes": self._run.notes})
        shown: dict[str, Any] = {name: wandb.Image(str(path)) for name, path in self._run.pictures.items()}
        if (page := self._run.directory / "report.html").is_file():
            shown["report"] = wandb.Html(str(page), inject=False)
        self._shown.log(shown)
        if (model := self._run.directory / "model").is_dir():
            artifact = wandb.Artifact(f"model-{self._id}", type="model")
            artifact.add_dir(str(model))
            self._shown.log_artifact(artifact)
        self._shown.finish()

    def broken_off(self, reason: str) -> None:
        """End it as failed; its summary says why."""
        self._shown.summary["ended"] = reason
        self._shown.finish(exit_code=1)


def _points(network: str, row: Mapping[str, float]) -> dict[str, float]:
    return {f"{network}/{name}": value for name, value in row.items() if name != "epoch"}


def _typed(value: Any) -> str:
    """A setting as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value)


def _noted(folder: Path, tracker: str) -> dict[str, str]:
    """As what a tracker knows a folder; empty if it does not."""
    path = folder / _NOTED
    return dict(json.loads(path.read_text(encoding="utf-8")).get(tracker, {})) if path.is_file() else {}


def _note(folder: Path, tracker: str, facts: dict[str, str]) -> None:
    path = folder / _NOTED
    others = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(others | {tracker: facts}, path)
