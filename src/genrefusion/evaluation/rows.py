"""Rows of tables of results: what the predictions of several runs, one for each seed, say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.evaluation.metrics import accuracy, macro_f1
from genrefusion.evaluation.predictions import Array, Labels, arrays
from genrefusion.evaluation.statistics import bootstrap_intervals, holm, mcnemar, seeds_interval


def measure(runs: Sequence[pd.DataFrame], *, songs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Accuracy and macro F1 over the seeds, each with its 95 % interval.

    Parameters
    ----------
    runs : sequence of DataFrame
        Predictions for the test tracks (see `genrefusion.evaluation.predictions`), one table for each seed.
    songs : mapping of str to str, optional
        Song of each track where tracks are pieces of songs: the bootstrap draws whole songs.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1`` (means over the seeds), ``accuracy_low``, ``accuracy_high`` …, ``n`` (different
        tracks), ``seeds``.
    """
    row: dict[str, Any] = {}
    for name, figure in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        row[name], (row[f"{name}_low"], row[f"{name}_high"]) = seeds_interval(runs, figure, songs=songs)
    return row | {"n": len(set().union(*(run["track_id"] for run in runs))), "seeds": len(runs)}


def difference(
    runs: Sequence[pd.DataFrame], others: Sequence[pd.DataFrame], *, songs: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Accuracy less that of another system on the same tracks, with its paired 95 % interval.

    For each track the share of seeds in which the one is right, less that of the other; the bootstrap draws tracks,
    stratified by genre.

    Parameters
    ----------
    runs, others : sequence of DataFrame
        Predictions of the two systems, one table for each seed.
    songs : mapping of str to str, optional
        As for `measure`.

    Returns
    -------
    dict
        ``difference``, its ``difference_low`` and ``difference_high``, and with one seed ``p`` of McNemar's exact test,
        unless tracks are pieces of songs, which are not independent; empty where the two were not tested on the same
        tracks.
    """
    hits = [_hits(tables) for tables in (runs, others)]
    if set(hits[0].index) != set(hits[1].index):
        return {}
    first, second = hits[0], hits[1].loc[hits[0].index]
    names = first.index if songs is None else first.index.map(songs)
    gain = (first["hit"] - second["hit"]).groupby(names, sort=False).agg(["sum", "size"])
    genres = first["genre"].set_axis(names)
    truth = np.unique(genres[~genres.index.duplicated()], return_inverse=True)[1].astype(np.int64)
    ends = bootstrap_intervals(truth, gain.to_numpy(np.float64), {"mean": _mean_gain})["mean"]
    row = {"difference": _mean_gain(truth, gain.to_numpy(np.float64)), "difference_low": ends[0]}
    row["difference_high"] = ends[1]
    if len(runs) == len(others) == 1 and songs is None:
        tables = [table.set_index("track_id").loc[first.index].reset_index() for table in (runs[0], others[0])]
        (classes, one), (_, other) = map(arrays, tables)
        row["p"] = mcnemar(classes, one, other).p
    return row


def adjust(rows: list[dict[str, Any]]) -> None:
    """Adjust the p-values of a table's rows for their number (Holm 1979), as ``p_holm``."""
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p


def _mean_gain(_: Labels, drawn: Array) -> float:
    """Mean over tracks, of which each drawn row has a sum and a number."""
    return float(drawn[:, 0].sum() / drawn[:, 1].sum())


def _hits(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Genre of each track, and the share of its tests in which it was right."""
    rows = pd.concat([t.assign(hit=(t["genre"] == t["predicted"]).astype(float)) for t in tables])
    return rows.groupby("track_id").agg(genre=("genre", "first"), hit=("hit", "mean"))
