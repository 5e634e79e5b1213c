"""Folds within training rows: for stackers, and for sigmoids that turn decisions into probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold

Numbers = npt.NDArray[np.int64]
Folds = list[tuple[Numbers, Numbers]]


def inner_folds(labels: Numbers, groups: Sequence[Numbers], *, most: int, seed: int) -> Folds:
    """Fitted and held-out rows of up to `most` folds, divided as the outer split is: no group on both sides.

    What is fitted on held-out rows must not have seen a class only in folds whose models did not know it: it would
    learn to distrust that class. So every class is among the fitted rows of each fold; where whole groups do not allow
    it in any number of folds, the next grouping is tried, and single rows at last.

    Parameters
    ----------
    labels : ndarray, shape (rows,)
        Class of each row, from 0.
    groups : sequence of ndarray, shape (rows,) each
        Groupings in the order in which they are tried, such as artists, then songs.
    most : int
        Number of folds, 2 at least.
    seed : int
        Of the shuffling.

    Returns
    -------
    list of (ndarray, ndarray)
        Empty where a class has fewer than two rows.
    """
    most = min(most, int(np.bincount(labels)[np.unique(labels)].min()))
    for numbers in (*groups, np.arange(len(labels))):
        for n in range(min(most, len(np.unique(numbers))), 1, -1):
            cut = StratifiedGroupKFold(n, shuffle=True, random_state=seed % 2**32)
            folds = [(fitted, held) for fitted, held in cut.split(labels, labels, numbers) if len(held)]
            if len(folds) > 1 and all(set(labels[fitted]) == set(labels) for fitted, _ in folds):
                return folds
    return []


def platt(machine: Any, folds: Folds) -> CalibratedClassifierCV:
    """Platt's sigmoid on one classifier fitted to all rows, from its decisions on rows that its like had not seen."""
    return CalibratedClassifierCV(machine, ensemble=False, cv=folds)


def forget_folds(estimator: Any) -> None:
    """Leave the numbers of the training rows out of what is saved."""
    if isinstance(estimator, CalibratedClassifierCV):
        estimator.cv = None
