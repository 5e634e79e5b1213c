"""Settings of a table of results, and what it can show."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from genrefusion.settings.checks import check_choice


@dataclass
class TableRow:
    """One row of a table: an experiment and what was claimed for it."""

    title: str = MISSING
    experiment: str = MISSING
    claimed: float | None = None  # accuracy in percent
    evidence: str = ""  # what is known of how the claimed figure came about
    group: str = ""  # rows are compared with the first row of their group
    overrides: list[str] = field(default_factory=list)


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


@dataclass
class TableSettings:
    """A table to reproduce."""

    name: str = MISSING
    title: str = MISSING
    source: str = ""
    columns: list[str] = field(default_factory=lambda: ["accuracy", "difference", "macro_f1", "n", "seeds"])
    figure: str = "bars"  # bars (accuracy) | cost (accuracy against time and size)
    overrides: list[str] = field(default_factory=list)  # of every row; what is typed comes after them
    rows: list[TableRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse columns and figures that do not exist."""
        check_choice("table.figure", self.figure, ("bars", "cost"))
        for column in self.columns:
            check_choice("table.columns", column, TABLE_COLUMNS)
