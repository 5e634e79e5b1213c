"""Figures of a set of predictions.

They are written out with numpy because each is computed for 2,000 resamples; the tests check them against scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.evaluation.predictions import Array, Labels, arrays, genre_columns
from genrefusion.evaluation.statistics import Figure, bootstrap_intervals

CALIBRATION_BINS = 10


def accuracy(truth: Labels, probabilities: Array) -> float:
    """Share of tracks whose most probable genre is the true one."""
    return float(np.mean(probabilities.argmax(axis=1) == truth))


def balanced_accuracy(truth: Labels, probabilities: Array) -> float:
    """Mean recall of the genres that occur."""
    hits, actual, _ = _counts(truth, probabilities)
    present = actual > 0
    return float(np.mean(hits[present] / actual[present]))


def macro_f1(truth: Labels, probabilities: Array) -> float:
    """Mean F1 of the genres that occur or are predicted, as scikit-learn computes it."""
    hits, actual, predicted = _counts(truth, probabilities)
    present = actual + predicted > 0
    return float(np.mean(2 * hits[present] / (actual + predicted)[present]))


def top3(truth: Labels, probabilities: Array) -> float:
    """Share of tracks whose true genre is among the three most probable; of equal ones the first genres count."""
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    return float(np.mean((ranked == truth[:, None]).any(axis=1)))


def log_loss(truth: Labels, probabilities: Array) -> float:
    """Mean of -ln(probability of the true genre), in nats; one under 2.2e-16 counts as that, as scikit-learn has it."""
    true = probabilities[np.arange(len(truth)), truth]
    return abs(
        float(np.mean(np.log(np.maximum(true, np.finfo(np.float64).eps))))
    )  # abs: a perfect prediction has 0, not -0


def calibration_error(truth: Labels, probabilities: Array) -> float:
    """Compare confidence with accuracy in 10 equal bins (expected calibration error, Naeini et al. 2015)."""
    bins, confidence = confidence_bins(probabilities)
    hit = probabilities.argmax(axis=1) == truth
    gaps = np.bincount(bins, weights=hit - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def confidence_bins(probabilities: Array) -> tuple[Labels, Array]:
    """Bin (0 to 9) of each track by the probability of its most probable genre, and that probability."""
    confidence = probabilities.max(axis=1)
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1), confidence


FIGURES: dict[str, Figure] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "top3": top3,
    "log_loss": log_loss,
    "calibration_error": calibration_error,
}


def score(
    predictions: pd.DataFrame, *, intervals: bool = True, songs: Mapping[str, str] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Compute all figures of a predictions table, each with its 95 % bootstrap interval over tracks.

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.evaluation.predictions`.
    intervals : bool
        Whether to draw the 2,000 resamples.
    songs : mapping of str to str, optional
        Song of each track where tracks are pieces of songs: the bootstrap draws whole songs.
    seed : int
        Of the resampling.

    Returns
    -------
    dict
        ``n``, each figure, each ``<figure>_ci95`` as ``[low, high]``, and ``genres`` with the recall, precision, F1 and
        number of tracks of each, and the genre it is most often taken for.
    """
    truth, probabilities = arrays(predictions)
    result: dict[str, Any] = {"n": len(truth)}
    result |= {name: figure(truth, probabilities) for name, figure in FIGURES.items()}
    if intervals:
        drawn = None if songs is None else [songs[track] for track in predictions["track_id"]]
        ends = bootstrap_intervals(truth, probabilities, FIGURES, songs=drawn, seed=seed)
        result |= {f"{name}_ci95": list(pair) for name, pair in ends.items()}
    result["genres"] = _per_genre(predictions)
    return result


def score_frames(
    frames: pd.DataFrame, genres: pd.Series, *, songs: Mapping[str, str] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Score frames by themselves: accuracy and macro F1.

    The frames of one song are no independent draws; so the interval resamples songs, each with all its frames.

    Parameters
    ----------
    frames : DataFrame
        See `genrefusion.evaluation.predictions`.
    genres : Series
        True genre by ``track_id``.
    songs : mapping of str to str, optional
        As for `score`.
    seed : int
        Of the resampling.
    """
    names = genre_columns(frames)
    truth = pd.Categorical(genres.loc[frames["track_id"]], categories=names).codes.astype(np.int64)
    probabilities = frames[names].to_numpy(np.float64)
    figures: dict[str, Figure] = {"accuracy": accuracy, "macro_f1": macro_f1}
    result: dict[str, Any] = {"n": len(frames)}
    result |= {name: figure(truth, probabilities) for name, figure in figures.items()}
    drawn = [track if songs is None else songs[track] for track in frames["track_id"]]
    ends = bootstrap_intervals(truth, probabilities, figures, songs=drawn, draws=500, seed=seed)
    return result | {f"{name}_ci95": list(pair) for name, pair in ends.items()}


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Count tracks by true genre (rows) and predicted genre (columns)."""
    names = genre_columns(predictions)
    counts = pd.crosstab(predictions["genre"], predictions["predicted"])
    return counts.reindex(index=names, columns=names, fill_value=0)


def _counts(truth: Labels, probabilities: Array) -> tuple[Array, Array, Array]:
    """Hits, true tracks and predicted tracks of each genre."""
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    hits = np.bincount(truth[predicted == truth], minlength=n_classes).astype(np.float64)
    return (
        hits,
        np.bincount(truth, minlength=n_classes).astype(np.float64),
        np.bincount(predicted, minlength=n_classes).astype(np.float64),
    )


def _per_genre(predictions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    counts = confusion(predictions)
    figures: dict[str, dict[str, Any]] = {}
    for genre in counts.index:
        n, hits, named = counts.loc[genre].sum(), counts.loc[genre, genre], counts[genre].sum()
        errors = counts.loc[genre].drop(genre)
        figures[str(genre)] = {
            "n": int(n),
            "recall": float(hits / n) if n else None,
            "precision": float(hits / named) if named else None,
            "f1": float(2 * hits / (n + named)) if n + named else None,
            "taken_for": str(errors.idxmax()) if errors.sum() else None,
        }
    return figures
