"""Intervals that say how far a figure can be trusted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Figure = Callable[[Labels, Array], float]

DRAWS = 2000


def paired_difference(
    truth: Labels, first: Array, second: Array, figure: Figure, *, draws: int = DRAWS, seed: int = 0
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
    draws, seed
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
    ends = bootstrap_intervals(truth, both, {"difference": difference}, draws=draws, seed=seed)
    return difference(truth, both), ends["difference"]


def bootstrap_intervals(
    truth: Labels, probabilities: Array, figures: dict[str, Figure], *, draws: int = DRAWS, seed: int = 0
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
    strata = [np.flatnonzero(truth == genre) for genre in np.unique(truth)]
    values: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(draws):
        chosen = np.concatenate([rng.choice(rows, len(rows)) for rows in strata])
        for name, figure in figures.items():
            values[name].append(figure(truth[chosen], probabilities[chosen]))
    ends = {name: np.percentile(drawn, (2.5, 97.5)) for name, drawn in values.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}
