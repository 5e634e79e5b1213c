"""How far a metric, or the difference of two, can be trusted: intervals and tests.

Intervals draw what is alike together, as the songs of one artist (see `genrefusion.metrics.clusters`), and are made
for the small test sets of this field: their coverage was measured on simulated ones. No interval has width zero.
`scipy.stats` takes most of a second to import; it is imported where it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from genrefusion.metrics.clusters import (
    Groups,
    bonett_price,
    effective_groups,
    effective_n,
    effective_n_of_values,
    group_sizes,
    quantile,
    sums_by_group,
    wilson,
)
from genrefusion.metrics.predictions import Array, Labels, arrays, genre_columns
from genrefusion.metrics.resampling import DRAWS, REDUCED, count, draw_groups, resample

Ends = tuple[float, float]


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


def folds_interval(values: Sequence[float], *, test_share: float) -> tuple[float, tuple[float, float]]:
    """Mean of a metric over folds, with its 95 % t interval corrected for training tracks that folds share.

    The variance of the mean is ``(1 / k + test_share / (1 - test_share)) s**2`` in place of ``s**2 / k`` (Nadeau and
    Bengio, "Inference for the generalization error", Machine Learning 2003): the models of two folds are much alike,
    so that k folds say less than k independent trainings.

    Parameters
    ----------
    values : sequence of float
        A share, such as accuracy, on the test tracks of each fold.
    test_share : float
        Share of a fold's tracks that are tested, 1 / k in a k-fold split. Those that validate count as training tracks.

    Returns
    -------
    (float, (float, float))
        Mean, and the ends of its interval, within [0, 1] and never equal.

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
    # Folds that agree to the last track are chance: as far apart as one in a thousand at least.
    half = float(t.ppf(0.975, k - 1)) * max(error, 1e-3)
    return mean, (max(mean - half, 0.0), min(mean + half, 1.0))


def bootstrap_intervals(
    truth: Labels,
    probabilities: Array,
    metrics: Sequence[str],
    *,
    clusters: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Ends]:
    """95 % intervals of metrics over groups of tracks.

    Accuracy and top-3 have Wilson's interval with an effective n (`genrefusion.metrics.clusters.effective_n`) and
    the t quantile of the number of groups, less one. For the others groups are drawn with replacement, each whole and
    whatever its genres. The standard deviation of the draws, times ``sqrt(G / (G - 1))`` for G groups, and the t
    quantile of as many degrees of freedom as there are effective groups, less one, make

    - of macro F1 and balanced accuracy the interval of a share (Wilson) of as many songs as would have that standard
      deviation, never more than the effective n of accuracy;
    - of log loss a symmetric one, whose variance is widened as if one more song had a loss that is off by ln(genres):
      a perfect prediction of a few songs is not sure to stay one.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    probabilities : Array, shape (n, genres)
        Predicted probabilities.
    metrics : sequence of str
        Names in `genrefusion.metrics.resampling.REDUCED`.
    clusters : Labels, shape (n,), optional
        Group of each row: artist, or song where rows are pieces or frames. Without them each row is a group.
    draws : int
        Number of resamples.
    seed : int
        Of the resampling.

    Returns
    -------
    dict of str to (float, float)
        Lower and upper end by name.

    Notes
    -----
    Coverage, simulated with the artist sizes of Emotify, correlations within artists of 0 to .5, and accuracies of .5
    to .97 (lowest to highest; `tests/metrics/test_coverage.py` prints all of it):

    =================  ============  ============  ============  ============  =============
    songs / artists    12 / 12       30 / 10       61 / 20       100 / 20      320 / 106
    =================  ============  ============  ============  ============  =============
    accuracy           .953 to .989  .940 to .992  .929 to .987  .933 to .977  .936 to .967
    paired difference  .994 to 1     .970 to 1     .954 to .992  .936 to .979  .945 to .961
    macro F1           .923 to .979  .920 to .985  .943 to .972  .927 to .955  .941 to .956
    balanced accuracy  .951 to .977  .985 to .994  .979 to .988  .970 to .982  .945 to .980
    log loss           .942 to .999  .968 to 1     .938 to .991  .941 to .998  .924 to .955
    =================  ============  ============  ============  ============  =============
    """
    clusters = np.arange(len(truth)) if clusters is None else clusters
    return _intervals([(truth, probabilities)], [clusters], metrics, draws=draws, seed=seed)


def seeds_interval(
    runs: Sequence[pd.DataFrame],
    metric: str,
    *,
    groups: Groups | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, Ends]:
    """Mean of a metric over runs with several seeds, with its 95 % interval over groups of tracks and seeds.

    The variance is that of the mean over groups, each taken with its tracks of all seeds, plus that of the seeds'
    metrics over their number; degrees of freedom are Satterthwaite's of the two parts. A part of the seeds' variance is
    due to tracks and counts twice: two or three seeds that happen to be close hide their spread, and without that part
    the interval covers .85 where it covers .89 (2 seeds that differ by .1, 320 songs). One seed gives the interval of
    `bootstrap_intervals`.

    Parameters
    ----------
    runs : sequence of DataFrame
        Predictions of one system, one table for each seed; see `genrefusion.metrics.predictions`. The tracks may be
        the same (k-fold) or in part others (a holdout that the seed draws).
    metric : str
        Name in `genrefusion.metrics.resampling.REDUCED`.
    groups : Groups, optional
        Which tracks are drawn together; each alone where there are none.
    draws, seed
        As for `bootstrap_intervals`.

    Returns
    -------
    (float, (float, float))
        Mean over the seeds of the metric, and the ends of its interval.
    """
    genres = genre_columns(runs[0])
    tables = [arrays(run, genres=genres) for run in runs]
    mean = float(np.mean([REDUCED[metric](count(*table)) for table in tables]))
    return mean, _intervals(tables, together(runs, groups), [metric], draws=draws, seed=seed)[metric]


def seeds_proportion_interval(hits: Array, sizes: Array) -> Ends:
    """95 % interval of the mean over seeds of a share of tracks; see `seeds_interval`.

    Parameters
    ----------
    hits, sizes : Array, shape (seeds, groups)
        How many tracks of each group are right, and how many each seed tested.
    """
    return _wilson(float((hits.sum(axis=1) / sizes.sum(axis=1)).mean()), *_effective_hits(hits, sizes))


def together(runs: Sequence[pd.DataFrame], groups: Groups | None) -> list[Labels]:
    """Group of each row of several tables, with one number for a group in all of them."""
    labels = (groups or Groups()).labels(track for run in runs for track in run["track_id"])
    return np.split(labels, np.cumsum([len(run) for run in runs])[:-1])


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
    (places,) = _numbered([np.arange(len(truth)) if clusters is None else clusters])
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
    error = float((_correction(groups) * np.var(both[0] - both[1]) + extra**2) ** 0.5)
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
    numbered = _numbered(clusters)
    groups = max(int(places.max()) for places in numbered) + 1
    sizes = np.array([group_sizes(places, groups) for places in numbered])
    sums = np.array([sums_by_group(values, places, groups) for values, places in zip(gains, numbered, strict=True)])
    each = [
        effective_n_of_values(total[of > 0], np.asarray((values**2).sum()), of[of > 0])
        for total, of, values in zip(sums, sizes, gains, strict=True)
    ]
    won, lost = (float(np.mean([(sign * values > 0).mean() for values in gains])) for sign in (1, -1))
    n, freedom = _over_seeds(sums, sizes, np.array(each, dtype=np.float64), won + lost - (won - lost) ** 2)
    middle, error = bonett_price(won, lost, n)
    return _difference(won - lost, float(middle), float(error), freedom)


def mean_intervals(values: Array, clusters: Labels | None = None) -> list[Ends]:
    """95 % t intervals of the means of values within [-1, 1], widened as if one more song were off by 1.

    Parameters
    ----------
    values : Array, shape (n, columns)
    clusters : Labels, shape (n,), optional
        As for `bootstrap_intervals`.
    """
    (places,) = _numbered([np.arange(len(values)) if clusters is None else clusters])
    sizes = group_sizes(places)
    ends = []
    for column in values.T:
        n = effective_n_of_values(sums_by_group(column, places), np.asarray((column**2).sum()), sizes)
        error = float(np.sqrt(column.var() / n + 1 / (len(column) + 1) ** 2)) * float(quantile(len(sizes) - 1))
        ends.append((max(float(column.mean()) - error, -1.0), min(float(column.mean()) + error, 1.0)))
    return ends


def _difference(value: float, middle: float, error: float, freedom: float, *, most: float = 1.0) -> Difference:
    """Interval around the middle that has the value in it and stays within [-most, most]."""
    from scipy.special import stdtr

    half = float(quantile(freedom)) * error
    ends = max(min(middle - half, value), -most), min(max(middle + half, value), most)
    return Difference(value, ends, float(2 * stdtr(max(freedom, 1.0), -abs(middle) / error)))


def _intervals(
    tables: Sequence[tuple[Labels, Array]], clusters: Sequence[Labels], metrics: Sequence[str], *, draws: int, seed: int
) -> dict[str, Ends]:
    """Intervals of the means of metrics over the tables of several seeds."""
    numbered = _numbered(clusters)
    groups = max(int(places.max()) for places in numbered) + 1
    counted = [count(*table, places, groups=groups) for table, places in zip(tables, numbered, strict=True)]
    sizes = np.array([counts.n for counts in counted])
    totals = [count(*table) for table in tables]
    hits = _effective_hits(np.array([counts.hits.sum(axis=1) for counts in counted]), sizes)
    resampled = [name for name in metrics if name not in ("accuracy", "top3")]
    values = [resample(counts, resampled, draw_groups(groups, draws=draws, seed=seed)) for counts in counted]
    ends: dict[str, Ends] = {}
    for name in metrics:
        each = np.array([float(REDUCED[name](total)) for total in totals])
        mean = float(each.mean())
        if name == "accuracy":
            ends[name] = _wilson(mean, *hits)
        elif name == "top3":
            ends[name] = _wilson(mean, *_effective_hits(np.array([counts.top3 for counts in counted]), sizes))
        elif name == "log_loss":
            variance, freedom = _variance(np.array([v[name] for v in values]), each, sizes)
            off = np.log(tables[0][1].shape[1]) / (groups + 1)
            half = float(quantile(freedom)) * float((variance + off**2) ** 0.5)
            ends[name] = max(mean - half, 0.0), mean + half
        else:
            variance, freedom = _variance(np.array([v[name] for v in values]), each, sizes)
            spread = mean * (1 - mean)
            n = min(hits[0], spread / variance) if variance > 0 and spread > 0 else hits[0]
            ends[name] = _wilson(mean, n, freedom)
    return ends


def _numbered(clusters: Sequence[Labels]) -> list[Labels]:
    """Groups of several tables, numbered without gaps."""
    places = np.unique(np.concatenate(clusters), return_inverse=True)[1].astype(np.int64)
    return np.split(places, np.cumsum([len(labels) for labels in clusters])[:-1])


def _wilson(share: float, n: float, freedom: float) -> Ends:
    low, high = wilson(share, n, quantile(freedom))
    return float(low), float(high)


def _effective_hits(hits: Array, sizes: Array) -> tuple[float, float]:
    """Effective n of the mean over seeds of a share, and its degrees of freedom; both of shape (seeds, groups)."""
    each = [effective_n(right[of > 0], of[of > 0]) for right, of in zip(hits, sizes, strict=True)]
    share = float((hits.sum(axis=1) / sizes.sum(axis=1)).mean())
    return _over_seeds(hits, sizes, np.array(each, dtype=np.float64), share * (1 - share))


def _over_seeds(sums: Array, sizes: Array, each: Array, spread: float) -> tuple[float, float]:
    """Effective n of the mean over seeds of some value, and its degrees of freedom.

    Parameters
    ----------
    sums, sizes : Array, shape (seeds, groups)
        Sum of the values, and number of tracks, of each group.
    each : Array, shape (seeds,)
        Effective n of each seed alone.
    spread : float
        Variance of the value of a single track.
    """
    n = sizes.sum(axis=1, keepdims=True)
    means = sums.sum(axis=1, keepdims=True) / n
    parts = (sums - means * sizes) / n  # what each group adds to the deviation of a seed's mean
    # Where all tracks are equal, the groups' sizes tell how much the test sets have in common.
    common = parts if (parts**2).sum() > 0 else sizes / n
    k, groups = sizes.shape
    # The variance of the mean over that of one seed: 1 where seeds are alike, 1 / k where they share nothing.
    shared = max(float((common.mean(axis=0) ** 2).sum() / (common**2).sum(axis=1).mean()), 1 / k)
    of_groups = float(np.mean(1 / each)) * shared
    of_seeds = _seed_variance(means[:, 0]) / spread if spread > 0 else 0.0
    return 1 / (of_groups + of_seeds), _freedom(of_groups, groups - 1, of_seeds, k - 1)


def _variance(values: Array, each: Array, sizes: Array) -> tuple[float, float]:
    """Variance of the mean over seeds of a metric from its draws, shape (seeds, draws), and its degrees of freedom."""
    groups = sizes.shape[1]
    values = np.where(np.isnan(values), each[:, None], values)
    of_groups = _correction(groups) * float(values.mean(axis=0).var())
    of_seeds = _seed_variance(each)
    shares = (sizes / sizes.sum(axis=1, keepdims=True)).mean(axis=0)
    freedom = _freedom(of_groups, effective_groups(shares) - 1, of_seeds, len(each) - 1)
    return of_groups + of_seeds, freedom


def _seed_variance(means: Array) -> float:
    """Variance of the mean of some seeds' metrics; their tracks explain a part of it, but see `seeds_interval`."""
    return float(np.var(means, ddof=1)) / len(means) if len(means) > 1 else 0.0


def _freedom(one: float, of_one: float, other: float, of_other: float) -> float:
    """Degrees of freedom of the sum of two variances (Satterthwaite 1946), each with degrees of its own."""
    if other <= 0:
        return of_one
    return (one + other) ** 2 / (one**2 / max(of_one, 1) + other**2 / max(of_other, 1))


def _correction(groups: int) -> float:
    return groups / max(groups - 1, 1)
