from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from genrefusion.metrics.comparisons import gains_interval, holm, mcnemar, paired_difference
from genrefusion.metrics.intervals import bootstrap_intervals
from genrefusion.metrics.resampling import REDUCED
from genrefusion.metrics.scores import log_loss
from metrics.test_intervals import predictions


def losses_of(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -np.log(probabilities[np.arange(len(truth)), truth])


@pytest.mark.parametrize("figure", list(REDUCED))
@pytest.mark.parametrize("clusters", [None, np.arange(12) // 3])
def test_a_system_does_not_differ_from_itself_but_nobody_can_be_sure(figure: str, clusters: np.ndarray | None) -> None:
    truth = np.arange(12) % 2
    probabilities = predictions(truth, 0.7, seed=0)
    value, (low, high), p = paired_difference(truth, probabilities, probabilities, figure, clusters=clusters, draws=50)
    assert value == 0
    assert p == pytest.approx(1)
    assert -1 <= low < -0.01
    assert high == pytest.approx(-low)


def test_a_paired_difference_is_narrower_than_the_two_intervals() -> None:
    truth = np.arange(100) % 2
    first = predictions(truth, 0.7, seed=0)
    second = first.copy()
    second[:5] = np.eye(2)[truth[:5]]
    difference, (low, high), _ = paired_difference(truth, second, first, "log_loss")
    one = bootstrap_intervals(truth, first, ["log_loss"])["log_loss"]
    assert difference == pytest.approx(log_loss(truth, second) - log_loss(truth, first))
    assert low <= difference <= high
    assert high - low < (one[1] - one[0]) / 2


def test_a_paired_difference_of_losses_has_the_deviation_of_the_differences_of_tracks() -> None:
    truth = np.zeros(80, dtype=np.int64)
    first, second = (predictions(truth, share, seed=1) for share in (0.8, 0.6))
    gains = losses_of(truth, first) - losses_of(truth, second)
    value, (low, high), p = paired_difference(truth, first, second, "log_loss", draws=20_000)
    error = (gains.var(ddof=1) / 80 + (np.log(2) / 81) ** 2) ** 0.5
    assert value == pytest.approx(gains.mean())
    assert (high - low) / 2 == pytest.approx(scipy.stats.t.ppf(0.975, 79) * error, rel=0.02)
    assert p == pytest.approx(2 * scipy.stats.t.sf(abs(value) / error, 79), rel=0.2)


def test_the_interval_of_bonett_and_price_by_hand() -> None:
    """Of 50 songs 9 are right with the first system alone, 3 with the second: two more songs, t of 49 degrees."""
    gains = np.repeat([1.0, -1.0, 0.0], [9, 3, 38])
    value, ends, p = gains_interval([gains], [np.arange(50)])
    won, lost = 10 / 52, 4 / 52
    error = ((won + lost - (won - lost) ** 2) / 52) ** 0.5
    half = scipy.stats.t.ppf(0.975, 49) * error
    assert value == pytest.approx(0.12)
    assert ends == pytest.approx((won - lost - half, won - lost + half))
    assert p == pytest.approx(2 * scipy.stats.t.sf((won - lost) / error, 49))


def test_the_p_value_is_below_5_of_100_where_the_interval_leaves_out_0() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        gains = rng.choice([-1.0, 0.0, 1.0], size=60, p=[0.05, 0.75, 0.2])
        _, (low, high), p = gains_interval([gains], [rng.integers(0, 20, 60)])
        assert (p < 0.05) == (low > 0 or high < 0)
        seen.add(p < 0.05)
    assert seen == {True, False}


@pytest.mark.parametrize(("shares", "seed"), [((0.7, 0.7), 0), ((0.9, 0.6), 1), ((0.6, 0.9), 2), ((0.7, 0.75), 3)])
def test_mcnemar_is_the_exact_one_of_statsmodels(shares: tuple[float, float], seed: int) -> None:
    truth = np.arange(90) % 2
    first, second = (predictions(truth, share, seed=10 * seed + i) for i, share in enumerate(shares))
    right, other = (p.argmax(axis=1) == truth for p in (first, second))
    table = [[(right & other).sum(), (right & ~other).sum()], [(~right & other).sum(), (~right & ~other).sum()]]
    found = mcnemar(truth, first, second)
    assert [found.only_first, found.only_second] == [table[0][1], table[1][0]]
    assert found.p == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)


def test_mcnemar_of_five_to_one_is_that_of_seven_heads_and_tails() -> None:
    """Of six tracks that differ, 0, 1, 5 or 6 are as far from half: (1 + 6 + 6 + 1) / 64."""
    truth = np.zeros(10, dtype=np.int64)
    first = np.eye(2)[[0, 0, 0, 0, 0, 1, 0, 0, 1, 1]]
    second = np.eye(2)[[1, 1, 1, 1, 1, 0, 0, 0, 1, 1]]
    assert mcnemar(truth, first, second) == (5, 1, pytest.approx(14 / 64))


def test_mcnemar_of_systems_that_never_differ_is_1() -> None:
    truth = np.arange(10) % 2
    same = predictions(truth, 0.5, seed=0)
    assert mcnemar(truth, same, same) == (0, 0, 1)


@pytest.mark.parametrize("tests", [1, 2, 3, 10])
def test_holm_is_that_of_statsmodels(tests: int) -> None:
    p = np.random.default_rng(tests).random(tests) ** 3
    assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []
