"""Settings of a search for settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import registered


@registered("sweep", "sweep")
@dataclass
class SweepSettings(Settings):
    """A search for settings; the validation log loss decides."""

    trials: int = setting(30, low=1, high=1_000_000, help="settings that are tried")
    seed: int = setting(0, low=0, high=1_000_000, help="of the sampler, Optuna's TPE")
    pruner: str = setting(
        "median", choices={"median": "end trials that are worse than the median at the same epoch", "none": ""}
    )
    startup: int = setting(5, low=1, high=1_000_000, help="trials that run through before one is ended")
    warmup: int = setting(2, low=0, high=100_000, help="epochs that every trial has")
    space: dict[str, Any] = setting(factory=dict, help="settings, each [choice, …] or {low, high, log, step}")
    trial: int | None = setting(None, low=0, high=2**63, help="number of one trial; the sweep sets it")

    def __post_init__(self) -> None:
        """Refuse to search nothing."""
        super().__post_init__()
        if not self.space:
            raise UserError("sweep.space is empty: name a setting, such as ++sweep.space.pipeline.dropout=[0.1,0.3].")
