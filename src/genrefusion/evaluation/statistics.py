"""How far a figure, or the difference of two, can be trusted: intervals and tests.

`scipy.stats` takes most of a second to import; it is imported where it is called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.evaluation.predictions import Array, Labels, arrays

Figure = Callable[[Labels, Array], float]

DRAWS = 2000


class McNemar(NamedTuple):
    """On how many tracks one system alone is right, and the p-value of the two numbers."""

    only_first: int
    only_second: int
    p: float


def mcnemar(truth: Labels, first: Array, second: Array) -> McNemar:
    """Exact McNemar test of whether two systems name the true genre equally often.

    Among the tracks on which one alone is right, either should be so in half of the cases: a two-sided binomial test
    (McNemar 1947; Dietterich 1998 recommends it for one training of each system).

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    first, second : Array, shape (n, classes)
        Probabilities of the two systems for the same tracks in the same order.

    Returns
    -------
    McNemar
        ``only_first``, ``only_second`` and ``p``, which is 1 where no track tells the systems apart.
    """
    from scipy.stats import binomtest

    right, other = (probabilities.argmax(axis=1) == truth for probabilities in (first, second))
    only_first, only_second = int((right & ~other).sum()), int((other & ~right).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests for each other (Holm 1979).

    Refusing what lies under 0.05 then errs in any of the tests with a probability of 0.05 at most, however they depend
    on each other.

    Parameters
    ----------
    p_values : sequence of float
        One for each test.

    Returns
    -------
    list of float
        In the same order, 1 at most.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return [float(value) for value in adjusted]


def folds_interval(values: Sequence[float], *, test_share: float) -> tuple[float, tuple[float, float]]:
    """Mean of a figure over folds, with its 95 % t interval corrected for training tracks that folds share.

    The variance of the mean is ``(1 / k + test_share / (1 - test_share)) s**2`` in place of ``s**2 / k`` (Nadeau and
    Bengio, "Inference for the generalization error", Machine Learning 2003): the models of two folds are much alike,
    so that k folds say less than k independent trainings.

    Parameters
    ----------
    values : sequence of float
        The figure on the test tracks of each fold.
    test_share : float
        Share of a fold's tracks that are tested, 1 / k in a k-fold split. Those that validate count as training tracks.

    Returns
    -------
    (float, (float, float))
        Mean, and the ends of its interval.

    Raises
    ------
    ValueError
        There are fewer than two folds.
    """
    from scipy.stats import t

    k = len(values)
    if k < 2:
        raise ValueError("an interval over folds needs two of them at least")
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) * (1 / k + test_share / (1 - test_share)) ** 0.5
    half = float(t.ppf(0.975, k - 1)) * error
    return mean, (mean - half, mean + half)


def seeds_interval(
    runs: Sequence[pd.DataFrame],
    figure: Figure,
    *,
    songs: Mapping[str, str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """Mean of a figure over runs with several seeds, with its 95 % interval over tracks and seeds.

    A crossed bootstrap (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007): each draw takes as many
    seeds, and as many tracks of each genre, as there are, with replacement, and a track as often in every seed. One
    seed gives the interval of `bootstrap_intervals`. It is a little too wide where seeds differ little, and too narrow
    where few differ much: k seeds show (k - 1) / k of their variance (simulated coverage with three: 0.97 and 0.90).

    Parameters
    ----------
    runs : sequence of DataFrame
        Predictions of one system, one table for each seed; see `genrefusion.evaluation.predictions`. The tracks may be
        the same (k-fold) or in part others (a holdout that the seed draws).
    figure : callable
        Takes truth and probabilities.
    songs : mapping of str to str, optional
        Song of each track where tracks are pieces of songs: songs are drawn, each with all its pieces.
    draws, seed
        As for `bootstrap_intervals`.

    Returns
    -------
    (float, (float, float))
        Mean over the seeds of the figure, and the ends of its interval.
    """
    drawn = [run["track_id"] if songs is None else run["track_id"].map(songs) for run in runs]
    known = pd.concat([run["genre"].set_axis(names) for run, names in zip(runs, drawn, strict=True)])
    genres = known[~known.index.duplicated()]
    places = [genres.index.get_indexer(names) for names in drawn]
    tables = [arrays(run) for run in runs]
    means = []
    for chosen, times in zip(*_seeds_and_tracks(tuple(genres), len(runs), draws, seed), strict=True):
        values = []
        for run in chosen:
            truth, probabilities = tables[run]
            rows = np.repeat(np.arange(len(truth)), times[places[run]])
            if len(rows):  # of a very small test set no track may be drawn
                values.append(figure(truth[rows], probabilities[rows]))
        if values:
            means.append(np.mean(values))
    low, high = np.percentile(means, (2.5, 97.5))
    return float(np.mean([figure(*table) for table in tables])), (float(low), float(high))


def paired_difference(
    truth: Labels,
    first: Array,
    second: Array,
    figure: Figure,
    *,
    songs: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """Difference of a figure between two systems on the same tracks, with its 95 % paired bootstrap interval.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    first, second : Array, shape (n, classes)
        Probabilities of the two systems for the same tracks in the same order.
    figure : callable
        Takes truth and probabilities.
    songs, draws, seed
        As for `bootstrap_intervals`; each draw takes the same tracks for both.

    Returns
    -------
    (float, (float, float))
        ``figure(first) - figure(second)`` and the ends of its interval.
    """
    n_classes = first.shape[1]

    def difference(drawn: Labels, both: Array) -> float:
        return figure(drawn, both[:, :n_classes]) - figure(drawn, both[:, n_classes:])

    both = np.hstack([first, second])
    ends = bootstrap_intervals(truth, both, {"difference": difference}, songs=songs, draws=draws, seed=seed)
    return difference(truth, both), ends["difference"]


def bootstrap_intervals(
    truth: Labels,
    probabilities: Array,
    figures: dict[str, Figure],
    *,
    songs: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap interval of figures over tracks, stratified by true genre.

    Each draw takes as many tracks of each genre as there are, with replacement (Efron and Tibshirani 1993, chapter 13);
    the same draws serve all figures.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    probabilities : Array, shape (n, classes)
        Predicted probabilities.
    figures : dict of str to callable
        Each takes truth and probabilities of a draw.
    songs : sequence of str, optional
        Song of each row where rows are pieces or frames of songs: songs are drawn, each with all its rows.
    draws : int
        Number of resamples.
    seed : int
        Of the resampling.

    Returns
    -------
    dict of str to (float, float)
        Lower and upper end by name.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(truth))
    _, first, places = np.unique(rows if songs is None else songs, return_index=True, return_inverse=True)
    strata = _strata(truth[first])
    values: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(draws):
        times = np.bincount(_draw(strata, rng), minlength=len(first))
        chosen = np.repeat(rows, times[places])
        for name, figure in figures.items():
            values[name].append(figure(truth[chosen], probabilities[chosen]))
    ends = {name: np.percentile(drawn, (2.5, 97.5)) for name, drawn in values.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _strata(genres: npt.NDArray[Any]) -> list[Labels]:
    """Rows of each genre."""
    return [np.flatnonzero(genres == genre) for genre in np.unique(genres)]


@functools.lru_cache(maxsize=1)  # all figures of all rows of a table take the same draws
def _seeds_and_tracks(
    genres: tuple[str, ...], runs: int, draws: int, seed: int
) -> tuple[Labels, npt.NDArray[np.uint16]]:
    """Numbers of the runs in each draw, shape (draws, runs), and how often it takes each track, (draws, tracks)."""
    rng = np.random.default_rng(seed)
    strata = _strata(np.array(genres))
    # Short numbers: of a hundred thousand tracks these are 400 MB.
    chosen, times = np.empty((draws, runs), np.int64), np.empty((draws, len(genres)), np.uint16)
    for number in range(draws):
        times[number] = np.bincount(_draw(strata, rng), minlength=len(genres))
        chosen[number] = rng.integers(runs, size=runs)
    return chosen, times


def _draw(strata: list[Labels], rng: np.random.Generator) -> Labels:
    """Draw as many rows of each genre as there are, with replacement."""
    return np.concatenate([rows[rng.integers(len(rows), size=len(rows))] for rows in strata])
