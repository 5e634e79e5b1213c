"""Figures as text: what a run prints at its end."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.table import Table
from rich.text import Text


def metric_rows(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name what a run's metrics are about, in the order in which they are shown.

    Parameters
    ----------
    metrics : dict
        What ``metrics.json`` holds.

    Returns
    -------
    dict of str to dict
        Test songs, their frames, their views (the one with both sides first) and val songs, where there are any.
    """
    test = metrics.get("test", {})
    rows = {"test, songs": test} if test else {}
    if "frames" in test:
        rows["test, frames"] = test["frames"]
    views = test.get("views", {})
    rows |= {f"test, {view}": views[view] for view in sorted(views, key=lambda view: (view != "both sides", view))}
    if "val" in metrics:
        rows["val, songs"] = metrics["val"]
    return rows


def metrics_table(rows: dict[str, dict[str, Any]]) -> Table:
    """Lay out metrics with their 95 % intervals.

    Parameters
    ----------
    rows : dict of str to dict
        Title of each row, and what `genrefusion.metrics.scores.score` gave. What its intervals draw is said below,
        and where there are too few songs, that too.
    """
    said = "\n".join(notes(rows.values()))
    table = Table(box=None, pad_edge=False, caption=Text(said) if said else None, caption_justify="left")
    table.add_column("")
    for heading in ("n", "accuracy [95 % interval]", "macro F1", "log loss"):
        table.add_column(heading, justify="right")
    for title, metrics in rows.items():
        table.add_row(
            Text(title),
            str(metrics["n"]),
            with_interval(metrics, "accuracy"),
            f"{metrics['macro_f1']:.3f}",
            f"{metrics['log_loss']:.2f}" if "log_loss" in metrics else "",
        )
    return table


def notes(rows: Collection[dict[str, Any]]) -> list[str]:
    """What has to be said beside some rows: what intervals draw, which have too few songs, how features were learnt."""
    drawn = list(dict.fromkeys(row["drawn"] for row in rows if row.get("drawn")))
    others = [row[name] for name in ("too_few", "caution") for row in rows if row.get(name)]
    return ([f"95 % intervals draw {', or '.join(drawn)}"] if drawn else []) + list(dict.fromkeys(others))


def with_interval(metrics: dict[str, Any], name: str) -> str:
    """Format as ``0.850 [0.750, 0.933]``."""
    low, high = metrics[f"{name}_ci95"]
    return f"{metrics[name]:.3f} [{low:.3f}, {high:.3f}]"


def weakest_genres(metrics: dict[str, Any], *, most: int = 3) -> str:
    """Name the genres with the lowest recall, and what they are taken for."""
    recalls = {genre: row for genre, row in metrics["genres"].items() if row["recall"] is not None}
    worst = sorted(recalls, key=lambda genre: recalls[genre]["recall"])[:most]
    return ", ".join(
        f"{genre} {recalls[genre]['recall']:.2f} (taken for {recalls[genre]['taken_for']})"
        for genre in worst
        if recalls[genre]["taken_for"]
    )
