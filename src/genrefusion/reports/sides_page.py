"""The matrix of sides on the page of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genrefusion.reports.pages import Cell, Column, read_picture
from genrefusion.reports.sides_table import sides_notes

_ALT = "Accuracy with both sides, and with one of them taken away, exchanged or damaged, beside the difference to both."


def sides_section(folder: Path) -> dict[str, Any]:
    """Columns and rows, picture, sentences and notes of what a folder of `genrefusion.runs.sides` holds.

    Empty where it holds none.
    """
    path = folder / "matrix.json"
    if not path.is_file():
        return {}
    matrix = json.loads(path.read_text(encoding="utf-8"))
    rows = matrix["rows"]
    columns = [Column("", number=False), Column("n"), Column("accuracy"), Column("against both sides")]
    return {
        "columns": columns,
        "rows": [[Cell(row["title"]), *_figures(row)] for row in rows],
        "picture": read_picture(folder / "matrix.png", "Each row of the table, with its 95 % interval.", _ALT),
        "findings": matrix["findings"],
        "notes": sides_notes(rows),
        "draws": max(row["draws"] for row in rows),
        "starred": any(row.get("p_holm", 1) < 0.05 for row in rows),
    }


def _figures(row: dict[str, Any]) -> list[Cell]:
    if "problem" in row:
        return [Cell("0"), Cell("–", row["problem"]), Cell("")]
    accuracy = Cell(f"{row['accuracy']:.3f}", f"[{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}]")
    if "difference" not in row:
        return [Cell(str(row["n"])), accuracy, Cell("")]
    star = "*" if row.get("p_holm", 1) < 0.05 else ""
    ends = f"[{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
    return [Cell(str(row["n"])), accuracy, Cell(f"{row['difference']:+.3f}{star}", ends)]
