"""Rows of tables of results: what the predictions of several runs, one for each seed, say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.metrics.clusters import Groups, too_few
from genrefusion.metrics.comparisons import gains_interval, holm
from genrefusion.metrics.intervals import seeds_interval
from genrefusion.metrics.predictions import Array, arrays, genre_columns
from genrefusion.metrics.seeds import together


def measure(runs: Sequence[pd.DataFrame], *, groups: Groups | None = None) -> dict[str, Any]:
    """Accuracy and macro F1 over the seeds, each with its 95 % interval.

    Parameters
    ----------
    runs : sequence of DataFrame
        Predictions for the test tracks (see `genrefusion.metrics.predictions`), one table for each seed.
    groups : Groups, optional
        Which tracks are drawn together, as those of one artist; each alone where there are none.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1`` (means over the seeds), ``accuracy_low``, ``accuracy_high`` …, ``n`` (different
        tracks), ``seeds``, ``drawn`` (what the intervals draw, in words), and ``too_few``, a sentence where tracks are
        too few to compare systems by, else empty.
    """
    groups = groups or Groups()
    row: dict[str, Any] = {}
    for name in ("accuracy", "macro_f1"):
        row[name], (row[f"{name}_low"], row[f"{name}_high"]) = seeds_interval(runs, name, groups=groups)
    tracks = sorted(set().union(*(run["track_id"] for run in runs)))
    row |= {"n": len(tracks), "seeds": len(runs), "drawn": groups.drawn}
    return row | {"too_few": too_few(groups.labels(tracks), groups)}


def difference(
    runs: Sequence[pd.DataFrame], others: Sequence[pd.DataFrame], *, groups: Groups | None = None
) -> dict[str, float]:
    """Accuracy less that of another system on the same tracks, with its paired 95 % interval.

    The mean over the seeds; each seed's two runs are compared track by track.

    Parameters
    ----------
    runs, others : sequence of DataFrame
        Predictions of the two systems, one table for each seed, in the same order of the seeds.
    groups : Groups, optional
        As for `measure`.

    Returns
    -------
    dict
        ``difference``, its ``difference_low`` and ``difference_high``, and ``p``, which is below .05 where the interval
        leaves out 0 (see `genrefusion.metrics.comparisons.gains_interval`; McNemar's test would take the songs of one
        artist for independent); empty where the two were not tested on the same tracks.

    Raises
    ------
    UserError
        Two tables have other genres.
    """
    gains = []
    for run, other in zip(runs, others, strict=True):
        if len(other) != len(run) or set(other["track_id"]) != set(run["track_id"]):
            return {}
        genres = genre_columns(run)
        gains.append(hits(run, genres) - hits(aligned(other, run["track_id"]), genres))
    found = gains_interval(gains, together(runs, groups))
    return {
        "difference": found.value,
        "difference_low": found.ends[0],
        "difference_high": found.ends[1],
        "p": found.p,
    }


def aligned(predictions: pd.DataFrame, tracks: Iterable[str]) -> pd.DataFrame:
    """Rows of some tracks in the order that is asked for; two rows about one track are refused."""
    again = predictions["track_id"].duplicated()
    if again.any():
        twice = bullet_list(sorted(predictions["track_id"][again].unique()))
        raise UserError(f"Predictions have more than one row for a track:\n{twice}")
    return predictions.set_index("track_id").loc[list(tracks)].reset_index()


def hits(predictions: pd.DataFrame, genres: Sequence[str]) -> Array:
    """1 for each track whose genre is the most probable one, else 0; see `arrays`."""
    truth, probabilities = arrays(predictions, genres=genres)
    return np.asarray(probabilities.argmax(axis=1) == truth, dtype=np.float64)


def adjust(rows: list[dict[str, Any]]) -> None:
    """Adjust the p-values of a table's rows for their number (Holm 1979), as ``p_holm``."""
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
