from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize
from sklearn.metrics import log_loss

from genrefusion.metrics.pooling import FLOOR, LogarithmicPool

Array = npt.NDArray[np.float64]


def classifiers(*noise: float, rows: int = 3000, classes: int = 4, seed: int = 0) -> tuple[list[Array], Array]:
    """Calibrated probabilities of classifiers whose evidence is independent, and the true classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    members = []
    for deviation in noise:
        seen = np.eye(classes)[labels] + rng.normal(0, deviation, (rows, classes))
        members.append(np.exp(seen / deviation**2))
        members[-1] /= members[-1].sum(axis=1, keepdims=True)
    return members, labels


def test_independent_calibrated_classifiers_are_believed_in_full() -> None:
    """Bayes' rule multiplies their likelihoods, which are their probabilities where classes are equally likely."""
    members, labels = classifiers(0.8, 1.2)
    np.testing.assert_allclose(LogarithmicPool().fit(members, labels).weights, 1, atol=0.12)


def test_weights_are_those_of_a_search_without_gradients() -> None:
    members, labels = classifiers(0.9, 1.0, 1.5, rows=400, seed=1)
    members[1] = members[1] ** 3 / (members[1] ** 3).sum(axis=1, keepdims=True)  # far too sure

    def loss(weights: Array) -> float:
        product = np.prod([np.maximum(m, FLOOR) ** w for m, w in zip(members, weights, strict=True)], axis=0)
        return float(log_loss(labels, product / product.sum(axis=1, keepdims=True)))

    found = minimize(loss, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).x
    weights = LogarithmicPool().fit(members, labels).weights
    np.testing.assert_allclose(weights, found, atol=1e-3)
    assert weights[1] < 0.5 < weights[0]


def test_a_classifier_that_guesses_gets_no_weight() -> None:
    members, labels = classifiers(0.8, 0.8)
    guesses = np.random.default_rng(2).permutation(members[1])
    assert LogarithmicPool().fit([members[0], guesses], labels).weights[1] < 0.05


def test_a_joined_table_is_one_of_probabilities_even_where_members_rule_all_out() -> None:
    pool = LogarithmicPool()
    pool.weights = np.array([0.7, 1.4])
    sure, contrary = np.eye(3), np.eye(3)[[1, 2, 0]]
    joined = pool.combine([sure, contrary])
    assert joined.sum(axis=1) == pytest.approx(1)
    assert np.all(joined > 0)
    assert joined.argmax(axis=1).tolist() == [1, 2, 0], "the heavier one decides"
