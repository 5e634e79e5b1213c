"""Where a run is shown beside its folder."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import registered

_PROJECT = "genrefusion"


@dataclass
class TrackingSettings(Settings):
    """What all trackers share."""

    packages: ClassVar[tuple[str, ...]] = ()

    name: str = MISSING

    def __post_init__(self) -> None:
        """Refuse a tracker that is not installed: before anything is trained, in all runs of a sweep at once."""
        super().__post_init__()
        if not all(map(_is_installed, self.packages)):
            raise UserError(f"tracking={self.name} needs an extra: pip install 'genrefusion[{self.name}]'")


@registered("tracking", "tensorboard", "genrefusion.runs.trackers:TensorBoard")
@dataclass
class TensorBoardSettings(TrackingSettings):
    """TensorBoard's event files, in the folder ``tensorboard`` of each run."""

    packages = ("tensorboard",)

    name: str = "tensorboard"


@registered("tracking", "mlflow", "genrefusion.runs.trackers:Mlflow")
@dataclass
class MlflowSettings(TrackingSettings):
    """MLflow; the runs of one sweep are children of one run."""

    packages = ("mlflow", "alembic", "sqlalchemy")

    name: str = "mlflow"
    project: str = setting(_PROJECT, help="MLflow's experiment, which is made where it is not there")
    uri: str | None = setting(
        None, help="of the store, such as http://HOST:5000; null: MLFLOW_TRACKING_URI, or OUTPUT/mlflow.db"
    )

    def __post_init__(self) -> None:
        """Refuse a password: a run keeps its settings, and its page is sent to others."""
        super().__post_init__()
        if self.uri is not None and re.search("//[^/@]*:[^/@]*@", self.uri):
            raise UserError(
                "tracking.uri holds a password, which would stand in the run's page: leave it out, and put the whole "
                "into MLFLOW_TRACKING_URI in the environment."
            )


@registered("tracking", "wandb", "genrefusion.runs.trackers:Wandb")
@dataclass
class WandbSettings(TrackingSettings):
    """Weights & Biases, offline in OUTPUT/wandb unless WANDB_MODE=online; the runs of one sweep are a group."""

    packages = ("wandb",)

    name: str = "wandb"
    project: str = setting(_PROJECT, help="in which runs stand there")


def _is_installed(package: str) -> bool:
    """Whether it can be imported: a folder of that name, as trackers leave them, is no package."""
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None
