"""What runs with several seeds say together: groups with one number in all of them, and what their mean is worth.

The tracks of the seeds may be the same, or in part others where the seed draws them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from genrefusion.metrics.clusters import Groups, effective_n
from genrefusion.metrics.predictions import Array, Labels


def together(runs: Sequence[pd.DataFrame], groups: Groups | None) -> list[Labels]:
    """Group of each row of several tables, with one number for a group in all of them."""
    labels = (groups or Groups()).labels(track for run in runs for track in run["track_id"])
    return np.split(labels, np.cumsum([len(run) for run in runs])[:-1])


def numbered(clusters: Sequence[Labels]) -> list[Labels]:
    """Groups of several tables, numbered without gaps."""
    places = np.unique(np.concatenate(clusters), return_inverse=True)[1].astype(np.int64)
    return np.split(places, np.cumsum([len(labels) for labels in clusters])[:-1])


def effective_hits(hits: Array, sizes: Array) -> tuple[float, float]:
    """Effective n of the mean over seeds of a share of tracks, and its degrees of freedom.

    Parameters
    ----------
    hits, sizes : Array, shape (seeds, groups)
        How many tracks of each group are right, and how many each seed tested.
    """
    each = [effective_n(right[of > 0], of[of > 0]) for right, of in zip(hits, sizes, strict=True)]
    share = float((hits.sum(axis=1) / sizes.sum(axis=1)).mean())
    return effective_n_over_seeds(hits, sizes, np.array(each, dtype=np.float64), share * (1 - share))


def effective_n_over_seeds(sums: Array, sizes: Array, each: Array, spread: float) -> tuple[float, float]:
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
    of_seeds = seed_variance(means[:, 0]) / spread if spread > 0 else 0.0
    return 1 / (of_groups + of_seeds), freedom_of_sum(of_groups, groups - 1, of_seeds, k - 1)


def seed_variance(means: Array) -> float:
    """Variance of the mean of some seeds' metrics; their tracks explain a part of it, but see `seeds_interval`."""
    return float(np.var(means, ddof=1)) / len(means) if len(means) > 1 else 0.0


def freedom_of_sum(one: float, of_one: float, other: float, of_other: float) -> float:
    """Degrees of freedom of the sum of two variances (Satterthwaite 1946), each with degrees of its own."""
    if other <= 0:
        return of_one
    return (one + other) ** 2 / (one**2 / max(of_one, 1) + other**2 / max(of_other, 1))
