"""Figures of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from genrefusion.reports.drawing import WIDTH, drawing, put_title, save_figure, subplots
from genrefusion.reports.palette import INK


def plot_history(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw the log loss of each trial and the best one so far; trials without one are marked below.

    Parameters
    ----------
    table : DataFrame
        See `genrefusion.commands.sweep_results.sweep_table`.
    path : Path
        PNG file to write.
    title : str
        Says experiment and number of trials.
    """
    finished = table[table["state"] == "finished"]
    with drawing():
        figure, axes = subplots(figsize=(WIDTH, 3.4))
        axes.plot(finished["trial"], finished["val_log_loss"], "o", color="C0", label="trial")
        axes.step(finished["trial"], finished["val_log_loss"].cummin(), where="post", color="C1", label="best so far")
        for state, marker in (("pruned", "|"), ("failed", "x"), ("interrupted", "1")):
            trials = table.loc[table["state"] == state, "trial"]
            if len(trials):
                place = axes.get_xaxis_transform()
                axes.plot(trials, np.full(len(trials), 0.03), marker, color=INK, transform=place, label=state)
        axes.set(xlabel="trial", ylabel="validation log loss (nats)")
        put_title(figure, title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left")
        save_figure(figure, path)


def plot_setting_importance(importance: Mapping[str, float], path: Path, *, title: str) -> None:
    """Draw the share of the log loss's variance that each setting explains (functional ANOVA, Hutter et al. 2014).

    Parameters
    ----------
    importance : mapping of str to float
        By setting; sums to 1.
    path : Path
        PNG file to write.
    title : str
        Says experiment and number of trials.
    """
    shares = pd.Series(dict(importance), dtype=float).sort_values()
    places = np.arange(len(shares))
    with drawing():
        figure, axes = subplots(figsize=(WIDTH, 1.2 + 0.32 * len(shares)))
        axes.barh(places, shares, color="C0")
        for place, share in enumerate(shares):
            axes.text(share, place, f" {share:.2f}", va="center")
        axes.set_yticks(places, [str(name) for name in shares.index])
        axes.set(xlabel="share of the variance of the log loss", xlim=(0, 1.1 * max(shares.max(), 0.1)))
        put_title(figure, title)
        save_figure(figure, path)
