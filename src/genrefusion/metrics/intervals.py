"""How far a metric can be trusted: 95 % intervals of one system, of the mean of several seeds, and of folds.

Intervals draw what is alike together, as the songs of one artist (see `genrefusion.metrics.clusters`), and are made
for the small test sets of this field: their coverage was measured on simulated ones. No interval has width zero.
`scipy.stats` takes most of a second to import; it is imported where it is called.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from genrefusion.metrics.clusters import (
    Groups,
    effective_groups,
    effective_n_of_values,
    group_sizes,
    quantile,
    sums_by_group,
    wilson,
)
from genrefusion.metrics.predictions import Array, Labels, arrays, genre_columns
from genrefusion.metrics.resampling import DRAWS, REDUCED, count, draw_groups, resample, variance_correction
from genrefusion.metrics.seeds import effective_hits, freedom_of_sum, numbered, seed_variance, together

Ends = tuple[float, float]


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


def mean_intervals(values: Array, clusters: Labels | None = None) -> list[Ends]:
    """95 % t intervals of the means of values within [-1, 1], widened as if one more song were off by 1.

    Parameters
    ----------
    values : Array, shape (n, columns)
    clusters : Labels, shape (n,), optional
        As for `bootstrap_intervals`.
    """
    (places,) = numbered([np.arange(len(values)) if clusters is None else clusters])
    sizes = group_sizes(places)
    ends = []
    for column in values.T:
        n = effective_n_of_values(sums_by_group(column, places), np.asarray((column**2).sum()), sizes)
        error = float(np.sqrt(column.var() / n + 1 / (len(column) + 1) ** 2)) * float(quantile(len(sizes) - 1))
        ends.append((max(float(column.mean()) - error, -1.0), min(float(column.mean()) + error, 1.0)))
    return ends


def _intervals(
    tables: Sequence[tuple[Labels, Array]], clusters: Sequence[Labels], metrics: Sequence[str], *, draws: int, seed: int
) -> dict[str, Ends]:
    """Intervals of the means of metrics over the tables of several seeds."""
    in_each = numbered(clusters)
    groups = max(int(places.max()) for places in in_each) + 1
    counted = [count(*table, places, groups=groups) for table, places in zip(tables, in_each, strict=True)]
    sizes = np.array([counts.n for counts in counted])
    totals = [count(*table) for table in tables]
    hits = effective_hits(np.array([counts.hits.sum(axis=1) for counts in counted]), sizes)
    resampled = [name for name in metrics if name not in ("accuracy", "top3")]
    values = [resample(counts, resampled, draw_groups(groups, draws=draws, seed=seed)) for counts in counted]
    ends: dict[str, Ends] = {}
    for name in metrics:
        each = np.array([float(REDUCED[name](total)) for total in totals])
        mean = float(each.mean())
        if name == "accuracy":
            ends[name] = _wilson(mean, *hits)
        elif name == "top3":
            ends[name] = _wilson(mean, *effective_hits(np.array([counts.top3 for counts in counted]), sizes))
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


def _wilson(share: float, n: float, freedom: float) -> Ends:
    low, high = wilson(share, n, quantile(freedom))
    return float(low), float(high)


def _variance(values: Array, each: Array, sizes: Array) -> tuple[float, float]:
    """Variance of the mean over seeds of a metric from its draws, shape (seeds, draws), and its degrees of freedom."""
    groups = sizes.shape[1]
    values = np.where(np.isnan(values), each[:, None], values)
    of_groups = variance_correction(groups) * float(values.mean(axis=0).var())
    of_seeds = seed_variance(each)
    shares = (sizes / sizes.sum(axis=1, keepdims=True)).mean(axis=0)
    freedom = freedom_of_sum(of_groups, effective_groups(shares) - 1, of_seeds, len(each) - 1)
    return of_groups + of_seeds, freedom
