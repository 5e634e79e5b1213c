"""Figures as text: what a run prints at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

_BOTH = "both sides"


def metric_rows(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name what a run's metrics are about, in the order in which they are shown.

    Parameters
    ----------
    metrics : dict
        What ``metrics.json`` holds.

    Returns
    -------
    dict of str to dict
        Test songs, their frames, their views (that of both sides first, unless all songs have both, whose figures stand
        above) and val songs, where there are any.
    """
    test = metrics.get("test", {})
    rows = {"test, songs": test} if test else {}
    if "frames" in test:
        rows["test, frames"] = test["frames"]
    views = {name: view for name, view in test.get("views", {}).items() if name != _BOTH or view["n"] < test["n"]}
    rows |= {f"test, {view}": views[view] for view in sorted(views, key=lambda view: (view != _BOTH, view))}
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
    said = "\n".join(notes(rows.items()))
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


def notes(rows: Iterable[tuple[str, Mapping[str, Any]]], *, few: bool = True) -> list[str]:
    """What has to be said beside some rows: what intervals draw, which have too few songs, how features were learnt.

    Parameters
    ----------
    rows : iterable of (str, mapping)
        Title of each row, and its figures.
    few : bool
        Whether too few songs are to be said here.
    """
    rows = list(rows)
    drawn = list(dict.fromkeys(row["drawn"] for _, row in rows if row.get("drawn")))
    cautions = dict.fromkeys(row["caution"] for _, row in rows if row.get("caution"))
    said = [f"95 % intervals draw {', or '.join(drawn)}"] if drawn else []
    return [*said, *(few_songs(rows) if few else []), *cautions]


def few_songs(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Say which rows have too few songs, in one sentence; where the same holds for all of them, they are not named."""
    found = [(title, row["too_few"]) if row.get("too_few") else None for title, row in rows]
    few = [each for each in found if each]
    if not few:
        return []
    sentences = list(dict.fromkeys(sentence for _, sentence in few))
    if len(few) == len(found) and len(sentences) == 1:
        return sentences
    ends: dict[str, list[str]] = {}
    for sentence in sentences:
        counted, _, end = sentence.rpartition(": ")
        titles = " and ".join(title for title, its in few if its == sentence)
        ends.setdefault(end, []).append(f"{titles} ({counted})")
    return [f"{' and '.join(those)}: {end}" for end, those in ends.items()]


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
