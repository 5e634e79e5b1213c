"""Joining the probabilities of several classifiers by weights that are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

FLOOR = 1e-4
"""Smallest probability that is believed: none of the classifiers can rule out a class alone."""


class LogarithmicPool:
    """Logistic stacker with one weight for each classifier, shared by all classes.

    ``p(c) ~ prod_i p_i(c) ** w_i``, the logarithmic opinion pool (Genest and Zidek, "Combining probability
    distributions", Statistical Science 1986), with weights of at least 0 that minimise the log loss; McFadden's
    conditional logit on log probabilities. The loss is convex in the weights. A weight under 1 makes a classifier
    less sure, so it is calibrated along with being joined.

    Attributes
    ----------
    weights : ndarray, shape (classifiers,)
        Once it is fitted.
    """

    weights: npt.NDArray[np.float64]

    def fit(self, members: Sequence[Probabilities], labels: Labels) -> Self:
        """Fit the weights to probabilities of rows that no member was fitted on.

        Parameters
        ----------
        members : sequence of ndarray, shape (rows, classes) each
        labels : ndarray, shape (rows,)
            True classes.
        """
        from scipy.optimize import minimize  # half a second's import: only where weights are fitted

        logs = _logs(members)
        rows = np.arange(len(labels))

        def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            found = _log_softmax(np.tensordot(weights, logs, axes=1))
            expected = np.einsum("irc,rc->ir", logs, np.exp(found))
            return -float(found[rows, labels].mean()), (expected - logs[:, rows, labels]).mean(axis=1)

        start = np.full(len(logs), 1 / len(logs))
        self.weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logs)).x
        return self

    def combine(self, members: Sequence[Probabilities]) -> Probabilities:
        """Probabilities, shape (rows, classes)."""
        found: Probabilities = np.exp(_log_softmax(np.tensordot(self.weights, _logs(members), axes=1)))
        return found


def _logs(members: Sequence[Probabilities]) -> npt.NDArray[np.float64]:
    return np.log(np.maximum(np.stack(members), FLOOR))


def _log_softmax(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = rows - rows.max(axis=1, keepdims=True)
    normalised: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
