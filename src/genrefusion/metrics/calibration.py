"""Temperature scaling: probabilities that say how often they are right.

A network that is too sure, or not sure enough, is so alike for all songs; one number mends much of it (Guo, Pleiss, Sun
and Weinberger, "On calibration of modern neural networks", ICML 2017).
"""

from __future__ import annotations

import numpy as np

from genrefusion.metrics.pooling import LogarithmicPool
from genrefusion.metrics.predictions import Array, Labels

HOTTEST = 100.0
"""Highest temperature: probabilities that say nothing are levelled, but their order stays."""


FEWEST_TRACKS = 100
"""With so many a temperature is off by a tenth by chance alone (standard deviation, simulated with ten genres)."""


def too_few_to_calibrate(tracks: int) -> str:
    """Say so where a temperature rests on few tracks; an empty text where it does not."""
    if tracks >= FEWEST_TRACKS:
        return ""
    songs = f"{tracks} validation song{'s' if tracks != 1 else ''}"
    return f"a temperature from {songs} says little (fewer than {FEWEST_TRACKS}): it may make probabilities worse"


def fit_temperature(truth: Labels, probabilities: Array) -> float:
    """Temperature that minimises the log loss of probabilities: above 1 where they are too sure.

    Parameters
    ----------
    truth : Labels, shape (n,)
        True class of each track.
    probabilities : Array, shape (n, classes)
        Of tracks that the model was not fitted on, and that are not tested.

    Returns
    -------
    float
        100 at most; 1 where every track is right, as no temperature above 0 is then the best.
    """
    if (probabilities.argmax(axis=1) == truth).all():
        return 1.0
    (weight,) = LogarithmicPool().fit([probabilities], truth).weights
    return float(1 / max(weight, 1 / HOTTEST))


def apply_temperature(probabilities: Array, temperature: float) -> Array:
    """Raise probabilities to the power ``1 / temperature`` and scale each row to sum 1; the most probable genre stays.

    Those under `genrefusion.metrics.pooling.FLOOR` count as that.

    Parameters
    ----------
    probabilities : Array, shape (n, classes)
    temperature : float
        As `fit_temperature` gave it.

    Returns
    -------
    Array, shape (n, classes)
    """
    # A pool of one member is temperature scaling: its weight is the power.
    pool = LogarithmicPool()
    pool.weights = np.array([1 / temperature])
    return pool.combine([probabilities])
