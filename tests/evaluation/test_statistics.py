from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from genrefusion.evaluation.metrics import accuracy, log_loss
from genrefusion.evaluation.statistics import Figure, bootstrap_intervals, paired_difference


def predictions(truth: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Probabilities that are right for a share of the tracks of each of two genres."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < share
    confidence = rng.uniform(0.55, 0.95, len(truth))
    columns = np.where(right, truth, 1 - truth)
    probabilities = np.repeat(1 - confidence[:, None], 2, axis=1)
    probabilities[np.arange(len(truth)), columns] = confidence
    return probabilities


def test_each_draw_has_the_same_number_of_tracks_of_each_genre() -> None:
    truth = np.array([0] * 30 + [1] * 7 + [2] * 3)
    seen: list[list[int]] = []

    def figure(drawn: np.ndarray, _: np.ndarray) -> float:
        seen.append(np.bincount(drawn).tolist())
        return 0.0

    bootstrap_intervals(truth, np.eye(3)[truth], {"count": figure}, draws=50)
    assert seen == [[30, 7, 3]] * 50


def test_tracks_are_drawn_with_replacement_and_keep_their_probabilities() -> None:
    truth = np.array([0] * 20 + [1] * 20)
    numbers = np.arange(40.0)[:, None]
    drawn: list[np.ndarray] = []

    def figure(classes: np.ndarray, rows: np.ndarray) -> float:
        np.testing.assert_array_equal(classes, rows[:, 0] >= 20)
        drawn.append(rows[:, 0])
        return 0.0

    bootstrap_intervals(truth, numbers, {"check": figure}, draws=100)
    repeats = [40 - len(np.unique(rows)) for rows in drawn]
    assert np.mean(repeats) == pytest.approx(40 * (1 - 1 / 20) ** 20, rel=0.1)


def test_all_figures_see_the_same_draws() -> None:
    truth = np.random.default_rng(0).integers(0, 2, 50)
    probabilities = predictions(truth, 0.7, seed=0)
    found = bootstrap_intervals(
        truth, probabilities, {"hits": accuracy, "misses": lambda t, p: 1 - accuracy(t, p)}, draws=200
    )
    assert found["hits"] == pytest.approx((1 - found["misses"][1], 1 - found["misses"][0]))


def test_the_seed_decides_the_interval() -> None:
    truth = np.random.default_rng(0).integers(0, 2, 50)
    probabilities = predictions(truth, 0.7, seed=0)
    ends = [bootstrap_intervals(truth, probabilities, {"loss": log_loss}, draws=100, seed=s)["loss"] for s in (1, 1, 2)]
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


@pytest.mark.parametrize("figure", [accuracy, log_loss])
def test_the_interval_contains_the_estimate(figure: Figure) -> None:
    for seed in range(10):
        truth = np.random.default_rng(seed).integers(0, 2, 60)
        probabilities = predictions(truth, 0.7, seed=seed)
        low, high = bootstrap_intervals(truth, probabilities, {"figure": figure}, draws=200)["figure"]
        assert low < figure(truth, probabilities) < high


def test_a_system_without_errors_has_an_interval_without_width() -> None:
    truth = np.array([0, 1, 1, 0])
    assert bootstrap_intervals(truth, np.eye(2)[truth], {"accuracy": accuracy}, draws=50)["accuracy"] == (1, 1)


def test_with_one_genre_it_is_the_percentile_bootstrap_of_scipy() -> None:
    truth = np.zeros(80, dtype=np.int64)
    probabilities = predictions(truth, 0.8, seed=1)
    losses = -np.log(probabilities[:, 0])
    found = bootstrap_intervals(truth, probabilities, {"loss": log_loss}, draws=5000)["loss"]
    expected = scipy.stats.bootstrap(
        (losses,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    # The ends of both carry the noise of 5,000 draws: about 2 % of the width.
    assert found == pytest.approx(tuple(expected), abs=0.05 * (expected.high - expected.low))


def test_with_two_genres_it_is_the_stratified_bootstrap_of_a_loop() -> None:
    truth = np.array([0] * 40 + [1] * 10)
    probabilities = predictions(truth, 0.7, seed=2)
    losses = -np.log(probabilities[np.arange(50), truth])
    rng = np.random.default_rng(9)
    means = [
        np.mean(
            [losses[rng.integers(0, 40)] for _ in range(40)] + [losses[40 + rng.integers(0, 10)] for _ in range(10)]
        )
        for _ in range(4000)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    found = bootstrap_intervals(truth, probabilities, {"loss": log_loss}, draws=4000)["loss"]
    assert found == pytest.approx((low, high), abs=0.05 * (high - low))


def test_the_interval_of_accuracy_covers_the_truth_95_times_of_100() -> None:
    """Of 1,000 test sets; 200 songs are enough for the steps of an accuracy not to matter."""
    truth = np.arange(200) % 2
    share, sets, covered = 0.7, 1000, 0
    for seed in range(sets):
        probabilities = predictions(truth, share, seed=seed)
        low, high = bootstrap_intervals(truth, probabilities, {"accuracy": accuracy}, draws=200, seed=seed)["accuracy"]
        covered += low <= share <= high
    assert 0.93 <= covered / sets <= 0.97


def test_a_system_does_not_differ_from_itself() -> None:
    truth = np.arange(40) % 2
    probabilities = predictions(truth, 0.7, seed=0)
    assert paired_difference(truth, probabilities, probabilities, log_loss, draws=50) == (0, (0, 0))


def test_a_paired_difference_is_narrower_than_the_two_intervals() -> None:
    truth = np.arange(100) % 2
    first = predictions(truth, 0.7, seed=0)
    second = first.copy()
    second[:5] = np.eye(2)[truth[:5]]
    difference, (low, high) = paired_difference(truth, second, first, log_loss)
    one = bootstrap_intervals(truth, first, {"loss": log_loss})["loss"]
    assert difference == pytest.approx(log_loss(truth, second) - log_loss(truth, first))
    assert low <= difference <= high
    assert high - low < (one[1] - one[0]) / 2


def test_a_paired_difference_is_the_bootstrap_of_the_differences_of_tracks() -> None:
    truth = np.zeros(80, dtype=np.int64)
    first, second = (predictions(truth, share, seed=1) for share in (0.8, 0.6))
    losses = np.log(second[:, 0]) - np.log(first[:, 0])
    _, found = paired_difference(truth, first, second, log_loss, draws=5000)
    expected = scipy.stats.bootstrap(
        (losses,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found == pytest.approx(tuple(expected), abs=0.05 * (expected.high - expected.low))
