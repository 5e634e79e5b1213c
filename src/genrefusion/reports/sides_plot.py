"""The matrix of sides as a picture."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np

from genrefusion.reports.plots import STYLE, save_figure, subplots


def plot_sides(matrix: dict[str, Any], path: Path, *, title: str) -> None:
    """Draw the accuracy of each row, and beside it the paired difference to the row of both sides.

    Parameters
    ----------
    matrix : dict
        As `genrefusion.runs.sides.matrix.compare_sides` gives it.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    rows = [row for row in matrix["rows"] if "accuracy" in row]
    n = rows[0]["n"]
    names = [row["title"] if row["n"] == n else f"{row['title']} (n = {row['n']})" for row in rows]
    with matplotlib.style.context(STYLE):
        figure, (accuracies, differences) = subplots(
            1, 2, figsize=(10, 1.4 + 0.27 * len(rows)), width_ratios=(3, 2), sharey=True
        )
        _draw(accuracies, rows, "accuracy")
        accuracies.axvline(rows[0]["accuracy"], color="k", ls="--", lw=1)
        accuracies.set_yticks(range(len(rows)), names)
        accuracies.invert_yaxis()
        accuracies.set(xlabel="accuracy (dashed: both sides)")
        _draw(differences, rows, "difference")
        differences.axvline(0, color="k", ls="--", lw=1)
        differences.set(xlabel="difference to both sides")
        figure.suptitle(textwrap.fill(f"{title}; bars are 95 % intervals", 110), x=0.01, ha="left", fontsize=10)
        save_figure(figure, path)


def _draw(axes: Any, rows: list[dict[str, Any]], name: str) -> None:
    """Points with their intervals; a row that lacks the figure stays empty."""
    known = [(place, row) for place, row in enumerate(rows) if name in row]
    middle, low, high = np.array([[row[name], row[f"{name}_low"], row[f"{name}_high"]] for _, row in known]).T
    ends = np.maximum([middle - low, high - middle], 0)
    axes.errorbar(middle, [place for place, _ in known], xerr=ends, fmt="o", color="C0", ecolor="0.3", capsize=3, ms=5)
