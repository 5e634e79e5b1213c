"""Where a network runs."""

from __future__ import annotations

from dataclasses import dataclass

from genrefusion.settings.checks import check_choice, check_range


@dataclass
class TrainerSettings:
    """Where a network runs; nothing here changes what is computed beyond rounding."""

    device: str = "auto"  # auto | cpu | cuda | mps
    mixed_precision: str = "no"  # no | fp16 | bf16
    threads: int | None = None  # null: as many as there are cores

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("trainer.device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_choice("trainer.mixed_precision", self.mixed_precision, ("no", "fp16", "bf16"))
        if self.threads is not None:
            check_range("trainer.threads", self.threads, 1, 10_000)
