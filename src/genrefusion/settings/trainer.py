"""Where a network runs."""

from __future__ import annotations

from dataclasses import dataclass

from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import registered


@registered("trainer", "trainer")
@dataclass
class TrainerSettings(Settings):
    """Where a network runs; nothing here changes what is computed beyond rounding."""

    device: str = setting("auto", choices={"auto": "a GPU if there is one", "cpu": "", "cuda": "", "mps": ""})
    mixed_precision: str = setting(
        "no",
        choices={"no": "single precision", "fp16": "on a GPU", "bf16": "frozen encoders too"},
        help="of products in training; networks predict in single precision",
    )
    threads: int | None = setting(None, low=1, high=10_000, help="null: as many as there are cores")
