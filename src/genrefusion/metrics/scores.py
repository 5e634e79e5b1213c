"""Figures of a set of predictions.

They are computed from counts, as their intervals are; the tests check them against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.metrics.clusters import Groups, too_few
from genrefusion.metrics.intervals import bootstrap_intervals
from genrefusion.metrics.predictions import Array, Labels, arrays, class_numbers, genre_columns
from genrefusion.metrics.resampling import REDUCED, count

Metric = Callable[[Labels, Array], float]

CALIBRATION_BINS = 10


def accuracy(truth: Labels, probabilities: Array) -> float:
    """Share of tracks whose most probable genre is the true one."""
    return float(REDUCED["accuracy"](count(truth, probabilities)))


def balanced_accuracy(truth: Labels, probabilities: Array) -> float:
    """Mean recall of the genres that occur."""
    return float(REDUCED["balanced_accuracy"](count(truth, probabilities)))


def macro_f1(truth: Labels, probabilities: Array) -> float:
    """Mean F1 of the genres that occur or are predicted, as scikit-learn computes it."""
    return float(REDUCED["macro_f1"](count(truth, probabilities)))


def top3(truth: Labels, probabilities: Array) -> float:
    """Share of tracks whose true genre is among the three most probable; of equal ones the first genres count."""
    return float(REDUCED["top3"](count(truth, probabilities)))


def log_loss(truth: Labels, probabilities: Array) -> float:
    """Mean of -ln(probability of the true genre), in nats; one under 2.2e-16 counts as that, as scikit-learn has it."""
    return float(REDUCED["log_loss"](count(truth, probabilities)))


def calibration_error(truth: Labels, probabilities: Array) -> float:
    """Compare confidence with accuracy in 10 equal bins (expected calibration error, Naeini et al. 2015).

    It has no interval: chance gaps in the bins add up and never cancel, and a resample adds more of them, so that the
    bootstrap's interval left out 0 for 20 of 20 simulated predictions that were perfectly calibrated.
    """
    bins, confidence = confidence_bins(probabilities)
    hit = probabilities.argmax(axis=1) == truth
    gaps = np.bincount(bins, weights=hit - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def confidence_bins(probabilities: Array) -> tuple[Labels, Array]:
    """Bin (0 to 9) of each track by the probability of its most probable genre, and that probability."""
    confidence = probabilities.max(axis=1)
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1), confidence


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "top3": top3,
    "log_loss": log_loss,
    "calibration_error": calibration_error,
}


def score(
    predictions: pd.DataFrame, *, intervals: bool = True, groups: Groups | None = None, seed: int = 0
) -> dict[str, Any]:
    """Compute all metrics of a predictions table, each but the calibration error with its 95 % interval.

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.metrics.predictions`.
    intervals : bool
        Whether to compute intervals.
    groups : Groups, optional
        Which tracks are drawn together, as those of one artist; each alone where there are none.
    seed : int
        Of the resampling.

    Returns
    -------
    dict
        ``n``, each metric, each ``<metric>_ci95`` as ``[low, high]``, with intervals also ``drawn`` (what they draw, in
        words) and, where tracks are too few to compare systems by, ``too_few`` (that, in words); and ``genres`` with
        the recall, precision, F1 and number of tracks of each, and the genre it is most often taken for.
    """
    truth, probabilities = arrays(predictions)
    result: dict[str, Any] = {"n": len(truth)}
    result |= {name: metric(truth, probabilities) for name, metric in METRICS.items()}
    if intervals:
        groups = groups or Groups()
        clusters = groups.labels(predictions["track_id"])
        result |= _ends(truth, probabilities, list(REDUCED), clusters, seed=seed) | {"drawn": groups.drawn}
        if note := too_few(clusters, groups):
            result["too_few"] = note
    result["genres"] = _per_genre(predictions)
    return result


def score_frames(
    frames: pd.DataFrame, genres: pd.Series, *, groups: Groups | None = None, seed: int = 0
) -> dict[str, Any]:
    """Score frames by themselves: accuracy and macro F1.

    The frames of one song are no independent draws; so the interval draws songs, or artists, each with all frames.

    Parameters
    ----------
    frames : DataFrame
        See `genrefusion.metrics.predictions`.
    genres : Series
        True genre by ``track_id``.
    groups : Groups, optional
        As for `score`.
    seed : int
        Of the resampling.
    """
    groups = groups or Groups()
    names = genre_columns(frames)
    truth = class_numbers(genres.loc[frames["track_id"]], names)
    probabilities = frames[names].to_numpy(np.float64)
    result: dict[str, Any] = {"n": len(frames)}
    result |= {"accuracy": accuracy(truth, probabilities), "macro_f1": macro_f1(truth, probabilities)}
    clusters = groups.labels(frames["track_id"])
    ends = _ends(truth, probabilities, ["accuracy", "macro_f1"], clusters, seed=seed)
    return result | ends | {"drawn": groups.drawn}


def _ends(
    truth: Labels, probabilities: Array, names: list[str], clusters: Labels, *, seed: int
) -> dict[str, list[float]]:
    ends = bootstrap_intervals(truth, probabilities, names, clusters=clusters, seed=seed)
    return {f"{name}_ci95": list(pair) for name, pair in ends.items()}


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count tracks by true genre (rows) and predicted genre (columns)."""
    names = genre_columns(predictions)
    counts = pd.crosstab(predictions["genre"], predictions["predicted"])
    return counts.reindex(index=names, columns=names, fill_value=0)


def _per_genre(predictions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    counts = confusion(predictions)
    metrics: dict[str, dict[str, Any]] = {}
    for genre in counts.index:
        n, hits, named = counts.loc[genre].sum(), counts.loc[genre, genre], counts[genre].sum()
        errors = counts.loc[genre].drop(genre)
        metrics[str(genre)] = {
            "n": int(n),
            "recall": float(hits / n) if n else None,
            "precision": float(hits / named) if named else None,
            "f1": float(2 * hits / (n + named)) if n + named else None,
            "taken_for": str(errors.idxmax()) if errors.sum() else None,
        }
    return metrics
