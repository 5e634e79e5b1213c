"""Rows of tables of results: what the predictions of several runs, one for each seed, say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from genrefusion.evaluation.metrics import accuracy, macro_f1
from genrefusion.evaluation.predictions import Array, Labels, arrays
from genrefusion.evaluation.statistics import holm, mcnemar, seeds_interval


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

    The mean over the seeds; each seed's two runs are compared track by track, and the bootstrap draws seeds and tracks
    as `seeds_interval` does.

    Parameters
    ----------
    runs, others : sequence of DataFrame
        Predictions of the two systems, one table for each seed, in the same order of the seeds.
    songs : mapping of str to str, optional
        As for `measure`.

    Returns
    -------
    dict
        ``difference``, its ``difference_low`` and ``difference_high``, and with one seed ``p`` of McNemar's exact test,
        unless tracks are pieces of songs, which are not independent; empty where the two were not tested on the same
        tracks.
    """
    gains = []
    for run, other in zip(runs, others, strict=True):
        theirs = other.set_index("track_id").reindex(run["track_id"])
        if len(other) != len(run) or theirs["genre"].isna().any():
            return {}
        hits = [(t["genre"] == t["predicted"]).to_numpy(float) for t in (run, theirs)]
        gains.append(run[["track_id", "genre"]].assign(gain=hits[0] - hits[1]))
    mean, (low, high) = seeds_interval(gains, _mean_gain, songs=songs)
    row = {"difference": mean, "difference_low": low, "difference_high": high}
    if len(runs) == 1 and songs is None:
        table = others[0].set_index("track_id").loc[runs[0]["track_id"]].reset_index()
        (truth, one), (_, other_p) = arrays(runs[0]), arrays(table)
        row["p"] = mcnemar(truth, one, other_p).p
    return row


def adjust(rows: list[dict[str, Any]]) -> None:
    """Adjust the p-values of a table's rows for their number (Holm 1979), as ``p_holm``."""
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p


def _mean_gain(_: Labels, gains: Array) -> float:
    return float(gains.mean())
