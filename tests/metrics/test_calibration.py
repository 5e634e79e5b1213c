from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from genrefusion.metrics.calibration import HOTTEST, apply_temperature, fit_temperature
from genrefusion.metrics.pooling import FLOOR


def calibrated(*, rows: int = 4000, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True classes, drawn from the probabilities that are given for them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), rows)
    return (rng.random((rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1), probabilities


def sharpened(probabilities: np.ndarray, power: float) -> np.ndarray:
    raised = probabilities**power
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_that_was_put_on_is_found(temperature: float) -> None:
    truth, probabilities = calibrated()
    assert fit_temperature(truth, sharpened(probabilities, temperature)) == pytest.approx(temperature, rel=0.08)


def test_the_temperature_is_that_of_a_search_over_logits() -> None:
    truth, probabilities = calibrated(rows=300, seed=1)
    logits = np.log(np.maximum(sharpened(probabilities, 1.7), FLOOR))

    def loss(temperature: float) -> float:
        raised = np.exp(logits / temperature)
        return float(log_loss(truth, raised / raised.sum(axis=1, keepdims=True)))

    expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-6}).x
    assert fit_temperature(truth, sharpened(probabilities, 1.7)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.0, HOTTEST])
def test_the_order_of_the_genres_stays(temperature: float) -> None:
    _, probabilities = calibrated(rows=500)
    scaled = apply_temperature(probabilities, temperature)
    assert scaled.sum(axis=1) == pytest.approx(1)
    np.testing.assert_array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))


def test_what_is_always_right_is_left_as_it_is() -> None:
    """The lower the temperature the better; the first error on a test track would then cost without bound."""
    _, probabilities = calibrated(rows=50)
    assert fit_temperature(probabilities.argmax(axis=1), probabilities) == 1
    np.testing.assert_allclose(apply_temperature(probabilities, 1), probabilities, atol=3 * FLOOR)


def test_what_is_worse_than_a_guess_is_levelled_but_keeps_its_order() -> None:
    _, probabilities = calibrated(rows=50)
    assert fit_temperature(probabilities.argmin(axis=1), probabilities) == HOTTEST
