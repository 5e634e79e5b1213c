"""Settings of a table of results, and what it can show."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import registered


@dataclass
class TableRow(Settings):
    """One row of a table: an experiment and what was claimed for it."""

    settings_group = "table.rows"

    title: str = setting(MISSING, help="what the row is called")
    experiment: str = setting(MISSING, help="that is measured")
    claimed: float | None = setting(None, low=0, high=100, help="accuracy in percent")
    evidence: str = setting("", help="what is known of how the claimed figure came about")
    group: str = setting("", help="rows are compared with the first row of their group")
    overrides: list[str] = setting(factory=list, help="of this row")


TABLE_COLUMNS = (
    "claimed",
    "accuracy",
    "difference",
    "macro_f1",
    "n",
    "seeds",
    "parameters",
    "file_bytes",
    "macs",
    "train_seconds",
    "ms_per_song",
    "peak_memory_mb",
    "evidence",
)
"""What a table can show beside the title, corpus and protocol of each row."""


@registered("table", "table")
@dataclass
class TableSettings(Settings):
    """A table to reproduce."""

    name: str = MISSING
    title: str = setting(MISSING, help="what stands above it")
    source: str = setting("", help="of the claims")
    columns: list[str] = setting(
        factory=lambda: ["accuracy", "difference", "macro_f1", "n", "seeds"],
        choices=TABLE_COLUMNS,
        help="what it shows",
    )
    figure: str = setting("bars", choices={"bars": "accuracy", "cost": "accuracy against time and size"})
    overrides: list[str] = setting(factory=list, help="of every row; what is typed comes after them")
    rows: list[TableRow] = setting(factory=list, help="experiments, each with what was claimed for it")
