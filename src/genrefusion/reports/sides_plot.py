"""The matrix of sides as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from genrefusion.reports.drawing import WIDTH, drawing, in_lines, put_title, save_for_page, subplots
from genrefusion.reports.palette import INK, QUIET


def plot_sides(matrix: dict[str, Any], path: Path, *, title: str) -> None:
    """Draw the accuracy of each row, and beside it the paired difference to the row of both sides.

    Parameters
    ----------
    matrix : dict
        As `genrefusion.runs.sides.matrix.compare_sides` gives it.
    path : Path
        PNG file to write; a drawing (SVG) comes beside it.
    title : str
        Says corpus, protocol and n.
    """
    rows = [row for row in matrix["rows"] if "accuracy" in row]
    n = rows[0]["n"]
    names = [row["title"] if row["n"] == n else f"{row['title']} (n = {row['n']})" for row in rows]
    with drawing():
        figure, (accuracies, differences) = subplots(
            1, 2, figsize=(WIDTH, 1.4 + 0.3 * len(rows)), width_ratios=(3, 2), sharey=True
        )
        _draw(accuracies, rows, "accuracy")
        accuracies.axvline(rows[0]["accuracy"], color=INK, ls="--", lw=1)
        accuracies.set_yticks(range(len(rows)), [in_lines(name, 34) for name in names])
        accuracies.invert_yaxis()
        accuracies.set(xlabel="accuracy (dashed: both sides)")
        _draw(differences, rows, "difference")
        differences.axvline(0, color=INK, ls="--", lw=1)
        differences.set(xlabel="difference to both sides")
        put_title(figure, f"{title}; bars are 95 % intervals")
        save_for_page(figure, path)


def _draw(axes: Any, rows: list[dict[str, Any]], name: str) -> None:
    """Points with their intervals; a row that lacks the figure stays empty."""
    known = [(place, row) for place, row in enumerate(rows) if name in row]
    middle, low, high = np.array([[row[name], row[f"{name}_low"], row[f"{name}_high"]] for _, row in known]).T
    ends = np.maximum([middle - low, high - middle], 0)
    axes.errorbar(middle, [place for place, _ in known], xerr=ends, fmt="o", color="C0", ecolor=QUIET, capsize=3, ms=5)
