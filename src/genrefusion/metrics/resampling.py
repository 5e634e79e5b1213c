"""Bootstrap of metrics from counts: a draw of groups is a row of weights, and all draws are one matrix product.

Each group of tracks (see `genrefusion.metrics.clusters`) is summed up once: its hits, true and predicted tracks of
each genre, tracks that are among the three most probable, and losses. Figures are computed from such sums alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from genrefusion.metrics.predictions import Array, Labels

DRAWS = 2000

_CHUNK = 2**22
"""Weights that are held at a time: 32 MiB, whatever the number of tracks."""


class Counts(NamedTuple):
    """Sums over tracks, of each group or each draw.

    Attributes
    ----------
    n, top3, loss : Array, shape (...)
        Tracks, those whose genre is among the three most probable, and sum of the losses in nats.
    hits, actual, predicted : Array, shape (..., genres)
        Tracks of each genre that are right, that there are, and that are predicted.
    """

    n: Array
    top3: Array
    loss: Array
    hits: Array
    actual: Array
    predicted: Array


def count(truth: Labels, probabilities: Array, clusters: Labels | None = None, *, groups: int | None = None) -> Counts:
    """Sum up each group of tracks, or all of them where no groups are given.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    probabilities : Array, shape (n, genres)
        Predicted probabilities.
    clusters : Labels, shape (n,), optional
        Number of each track's group, see `genrefusion.metrics.clusters.Groups.labels`.
    groups : int, optional
        How many there are, where the last ones may have no track.
    """
    rows = np.arange(len(truth))
    places = np.zeros(len(truth), np.int64) if clusters is None else clusters
    n_groups, n_genres = groups or int(places.max()) + 1, probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    true = probabilities[rows, truth]
    # Of genres that are equally probable the first ones count.
    above = (probabilities > true[:, None]).sum(axis=1)
    above += ((probabilities == true[:, None]) & (np.arange(n_genres) < truth[:, None])).sum(axis=1)
    loss = -np.log(np.maximum(true, np.finfo(np.float64).eps))

    def by_group(values: Array | None = None) -> Array:
        return np.bincount(places, weights=values, minlength=n_groups).astype(np.float64)

    def by_genre(genres: Labels, which: Labels) -> Array:
        cells = places[which] * n_genres + genres[which]
        return np.bincount(cells, minlength=n_groups * n_genres).reshape(n_groups, n_genres).astype(np.float64)

    found = Counts(
        by_group(),
        by_group((above < 3).astype(np.float64)),
        # A perfect prediction has 0, not -0.
        np.abs(by_group(loss)),
        by_genre(truth, np.flatnonzero(predicted == truth)),
        by_genre(truth, rows),
        by_genre(predicted, rows),
    )
    return found if clusters is not None else Counts(*(values[0] for values in found))


def _balanced_accuracy(counts: Counts) -> Array:
    """Mean recall of the genres that occur."""
    recall = counts.hits / np.maximum(counts.actual, 1)
    return np.asarray(recall.sum(axis=-1) / (counts.actual > 0).sum(axis=-1))


def _macro_f1(counts: Counts) -> Array:
    """Mean F1 of the genres that occur or are predicted."""
    both = counts.actual + counts.predicted
    return np.asarray((2 * counts.hits / np.maximum(both, 1)).sum(axis=-1) / (both > 0).sum(axis=-1))


REDUCED: dict[str, Callable[[Counts], Array]] = {
    "accuracy": lambda counts: np.asarray(counts.hits.sum(axis=-1) / counts.n),
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "top3": lambda counts: counts.top3 / counts.n,
    "log_loss": lambda counts: counts.loss / counts.n,
}
"""Figures that sums over tracks tell, by name."""


def resample(groups: Counts, names: list[str], weights: Iterator[Array]) -> dict[str, Array]:
    """Figures of each draw.

    Parameters
    ----------
    groups : Counts
        Of each group.
    names : list of str
        Names in `REDUCED`.
    weights : iterator of Array, each of shape (some draws, groups)
        How often a draw takes each group, see `draw_groups`.

    Returns
    -------
    dict of str to Array, shape (draws,)
        nan where a draw takes no track, as it may of a small test set that is one of several.
    """
    n_genres = groups.hits.shape[1]
    table = np.column_stack([*groups[:3], *groups[3:]])
    values: dict[str, list[Array]] = {name: [] for name in names}
    for some in weights:
        sums = some @ table
        drawn = Counts(*sums[:, :3].T, *(sums[:, 3 + k * n_genres : 3 + (k + 1) * n_genres] for k in range(3)))
        with np.errstate(invalid="ignore"):
            for name in names:
                values[name].append(REDUCED[name](drawn))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def draw_groups(groups: int, *, draws: int = DRAWS, seed: int = 0) -> Iterator[Array]:
    """How often each draw takes each group, shape (some draws, groups): as many as there are, with replacement."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // groups)
    for begin in range(0, draws, at_once):
        some = min(at_once, draws - begin)
        chosen = rng.integers(groups, size=(some, groups), dtype=np.int32) + groups * np.arange(some)[:, None]
        yield np.bincount(chosen.ravel(), minlength=some * groups).reshape(some, groups).astype(np.float64)


def variance_correction(groups: int) -> float:
    """Factor of the variance of draws, which is too small by ``(G - 1) / G`` with G groups."""
    return groups / max(groups - 1, 1)
