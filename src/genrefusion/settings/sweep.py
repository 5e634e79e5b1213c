"""Settings of a search for settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.settings.checks import check_choice, check_range


@dataclass
class SweepSettings:
    """A search for settings; the validation log loss decides."""

    trials: int = 30
    seed: int = 0  # of the sampler, Optuna's TPE
    pruner: str = "median"  # median (end trials that are worse than the median at the same epoch) | none
    startup: int = 5  # trials that run through before one is ended
    warmup: int = 2  # epochs that every trial has
    space: dict[str, Any] = field(default_factory=dict)  # settings, each [choice, …] or {low, high, log, step}
    trial: int | None = None  # number of one trial; the sweep sets it

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("sweep.pruner", self.pruner, ("median", "none"))
        check_range("sweep.trials", self.trials, 1, 1_000_000)
        check_range("sweep.seed", self.seed, 0, 1_000_000)
        check_range("sweep.startup", self.startup, 1, 1_000_000)
        check_range("sweep.warmup", self.warmup, 0, 100_000)
        if not self.space:
            raise UserError("sweep.space is empty: name a setting, such as ++sweep.space.pipeline.dropout=[0.1,0.3].")
