"""Whether one system is better than another on the same tracks: paired differences and tests.

Differences draw what is alike together, as intervals do (`genrefusion.metrics.intervals`). `scipy.stats` takes most of
a second to import; it is imported where it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genrefusion.metrics.clusters import (
    bonett_price,
    effective_groups,
    effective_n_of_values,
    group_sizes,
    quantile,
    sums_by_group,
)
from genrefusion.metrics.intervals import Ends
from genrefusion.metrics.predictions import Array, Labels
from genrefusion.metrics.resampling import DRAWS, REDUCED, count, draw_groups, resample, variance_correction
from genrefusion.metrics.seeds import effective_n_over_seeds, numbered


class Difference(NamedTuple):
    """Difference of two systems, the ends of its 95 % interval, and the p-value of there being none.

    The p-value is below .05 where the interval leaves out 0.
    """

    value: float
    ends: Ends
    p: float


class McNemar(NamedTuple):
    """On how many tracks one system alone is right, and the p-value of the two numbers."""

    only_first: int
    only_second: int
    p: float


def paired_difference(
    truth: Labels,
    first: Array,
    second: Array,
    metric: str = "accuracy",
    *,
    clusters: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Difference of a metric between two systems on the same tracks, with its paired 95 % interval.

    Of accuracy it is Bonett and Price's, with the effective n of the gains (1, 0 or -1 on each track) and a t quantile.
    Of other metrics groups are drawn, the same for both systems, as `bootstrap_intervals` says.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    first, second : Array, shape (n, genres)
        Probabilities of the two systems for the same tracks in the same order.
    metric : str
        Name in `genrefusion.metrics.resampling.REDUCED`.
    clusters, draws, seed
        As for `bootstrap_intervals`.

    Returns
    -------
    Difference
        ``metric(first) - metric(second)``, ends and p-value.
    """
    (places,) = numbered([np.arange(len(truth)) if clusters is None else clusters])
    if metric == "accuracy":
        right, other = ((p.argmax(axis=1) == truth).astype(np.float64) for p in (first, second))
        return gains_interval([right - other], [places])
    groups = int(places.max()) + 1
    both = [
        resample(count(truth, p, places), [metric], draw_groups(groups, draws=draws, seed=seed))[metric]
        for p in (first, second)
    ]
    value = float(REDUCED[metric](count(truth, first)) - REDUCED[metric](count(truth, second)))
    # As if there were one more song that a system loses by ln(genres), or two on each of which another alone is right.
    extra = np.log(first.shape[1]) / (groups + 1) if metric == "log_loss" else 2**0.5 / (groups + 2)
    error = float((variance_correction(groups) * np.var(both[0] - both[1]) + extra**2) ** 0.5)
    most = np.inf if metric == "log_loss" else 1.0
    return _difference(value, value, error, effective_groups(group_sizes(places)) - 1, most=most)


def gains_interval(gains: Sequence[Array], clusters: Sequence[Labels]) -> Difference:
    """Mean over runs with several seeds of the gain in accuracy over another system, see `paired_difference`.

    Parameters
    ----------
    gains : sequence of Array, each of shape (tracks,)
        For each seed 1 where one system alone is right, -1 where the other alone is, else 0.
    clusters : sequence of Labels, each of shape (tracks,)
        Groups of these tracks, with one number for a group in all seeds.
    """
    in_each = numbered(clusters)
    groups = max(int(places.max()) for places in in_each) + 1
    sizes = np.array([group_sizes(places, groups) for places in in_each])
    sums = np.array([sums_by_group(values, places, groups) for values, places in zip(gains, in_each, strict=True)])
    each = [
        effective_n_of_values(total[of > 0], np.asarray((values**2).sum()), of[of > 0])
        for total, of, values in zip(sums, sizes, gains, strict=True)
    ]
    won, lost = (float(np.mean([(sign * values > 0).mean() for values in gains])) for sign in (1, -1))
    n, freedom = effective_n_over_seeds(sums, sizes, np.array(each, dtype=np.float64), won + lost - (won - lost) ** 2)
    middle, error = bonett_price(won, lost, n)
    return _difference(won - lost, float(middle), float(error), freedom)


def _difference(value: float, middle: float, error: float, freedom: float, *, most: float = 1.0) -> Difference:
    """Interval around the middle that has the value in it and stays within [-most, most]."""
    from scipy.special import stdtr

    half = float(quantile(freedom)) * error
    ends = max(min(middle - half, value), -most), min(max(middle + half, value), most)
    return Difference(value, ends, float(2 * stdtr(max(freedom, 1.0), -abs(middle) / error)))


def mcnemar(truth: Labels, first: Array, second: Array) -> McNemar:
    """Exact McNemar test of whether two systems name the true genre equally often.

    Among the tracks on which one alone is right, either should be so in half of the cases: a two-sided binomial test
    (McNemar 1947; Dietterich 1998 recommends it for one training of each system). It takes tracks as independent: for
    those of one artist it errs too often, and `paired_difference` has the p-value to use.

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
