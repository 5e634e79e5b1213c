from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from genrefusion.metrics.predictions import arrays, with_truth
from genrefusion.metrics.resampling import REDUCED, count, draw_groups, resample
from genrefusion.metrics.scores import METRICS, log_loss
from genrefusion.metrics.statistics import (
    bootstrap_intervals,
    folds_interval,
    gains_interval,
    holm,
    mcnemar,
    mean_intervals,
    paired_difference,
    seeds_interval,
)


def predictions(truth: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Probabilities that are right for a share of the tracks of each of two genres."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < share
    confidence = rng.uniform(0.55, 0.95, len(truth))
    columns = np.where(right, truth, 1 - truth)
    probabilities = np.repeat(1 - confidence[:, None], 2, axis=1)
    probabilities[np.arange(len(truth)), columns] = confidence
    return probabilities


def losses_of(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -np.log(probabilities[np.arange(len(truth)), truth])


@pytest.mark.parametrize("share", [0.5, 0.75, 0.95, 1.0])
def test_without_groups_accuracy_has_the_interval_of_wilson(share: float) -> None:
    """statsmodels takes the level of a normal quantile: that of t with 59 degrees of freedom."""
    truth = np.arange(60) % 2
    right = np.arange(60) < share * 60
    probabilities = np.eye(2)[np.where(right, truth, 1 - truth)]
    alpha = 2 * scipy.stats.norm.sf(scipy.stats.t.ppf(0.975, 59))
    expected = proportion_confint(right.sum(), 60, alpha=alpha, method="wilson")
    assert bootstrap_intervals(truth, probabilities, ["accuracy"])["accuracy"] == pytest.approx(expected)


def test_the_seed_decides_the_draws() -> None:
    truth = np.random.default_rng(0).integers(0, 2, 50)
    probabilities = predictions(truth, 0.7, seed=0)
    names = ["log_loss"]
    ends = [bootstrap_intervals(truth, probabilities, names, draws=100, seed=s)["log_loss"] for s in (1, 1, 2)]
    assert ends[0] == ends[1]
    assert ends[0] != ends[2]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("n", [1, 2, 12, 60])
def test_every_interval_has_the_figure_in_it_a_width_and_its_range(share: float, n: int) -> None:
    truth = np.arange(n) % 2
    for seed in range(3):
        probabilities = predictions(truth, share, seed=seed)
        for certain in (probabilities, np.eye(2)[probabilities.argmax(axis=1)]):
            for clusters in (None, np.arange(n) // 3, np.zeros(n, np.int64)):
                found = bootstrap_intervals(truth, certain, list(REDUCED), clusters=clusters, draws=50)
                for name, (low, high) in found.items():
                    value = float(REDUCED[name](count(truth, certain)))
                    assert 0 <= low <= value + 1e-12
                    assert value - 1e-12 <= high <= (np.inf if name == "log_loss" else 1)
                    assert high - low > 1e-3


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


def test_pieces_of_a_song_that_agree_are_worth_one_song() -> None:
    truth = np.arange(60) % 2
    whole = predictions(truth, 0.7, seed=3)
    order = np.random.default_rng(0).permutation(240)
    truth_4, pieces, songs = truth.repeat(4)[order], whole.repeat(4, axis=0)[order], np.arange(60).repeat(4)[order]
    names = ["accuracy", "macro_f1", "log_loss"]
    of_songs = bootstrap_intervals(truth, whole, names)
    together = bootstrap_intervals(truth_4, pieces, names, clusters=songs)
    alone = bootstrap_intervals(truth_4, pieces, names)
    for name in names:
        width = np.diff(of_songs[name])[0]
        assert np.diff(together[name])[0] == pytest.approx(width, rel=0.06)
        assert np.diff(alone[name])[0] == pytest.approx(width / 2, rel=0.1)


def test_the_bootstrap_of_counts_is_that_of_a_loop_over_rows() -> None:
    rng = np.random.default_rng(0)
    truth, probabilities, clusters = rng.integers(0, 4, 90), rng.dirichlet(np.ones(4), 90), rng.integers(0, 25, 90)
    weights = [next(draw_groups(25, draws=40, seed=5))]
    found = resample(count(truth, probabilities, clusters), list(REDUCED), iter(weights))
    for number, times in enumerate(weights[0].astype(int)):
        rows = np.concatenate([np.flatnonzero(clusters == group) for group in np.repeat(np.arange(25), times)])
        for name, values in found.items():
            assert values[number] == pytest.approx(METRICS[name](truth[rows], probabilities[rows]))


def test_draws_take_as_many_groups_as_there_are_and_do_not_depend_on_how_many_are_held() -> None:
    weights = np.concatenate(list(draw_groups(3000, draws=2000)))
    assert weights.shape == (2000, 3000)
    assert (weights.sum(axis=1) == 3000).all()
    assert weights.var() == pytest.approx(1, rel=0.01)
    assert next(draw_groups(2**22, draws=2)).shape == (1, 2**22)


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


def test_the_interval_of_folds_by_hand() -> None:
    """Mean 0.7, variance 0.005 / 4, times 1 / 5 + 0.2 / 0.8; t of four degrees of freedom is 2.7764."""
    mean, (low, high) = folds_interval([0.65, 0.70, 0.75, 0.67, 0.73], test_share=0.2)
    half = 2.776445 * ((0.0025 + 0.0025 + 0.0009 + 0.0009) / 4 * 0.45) ** 0.5
    assert mean == pytest.approx(0.7)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half))


def test_one_fold_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two of them"):
        folds_interval([0.7], test_share=0.2)


def test_the_interval_of_folds_stays_within_the_range_and_has_a_width() -> None:
    assert folds_interval([0.99, 0.8], test_share=0.5)[1][1] == 1
    mean, (low, high) = folds_interval([1.0, 1.0, 1.0], test_share=0.3)
    assert (mean, high) == (1, 1)
    assert low < 0.999


def test_the_interval_of_folds_covers_the_truth_95_times_of_100() -> None:
    """Of folds whose figures correlate by the test share, as Nadeau and Bengio assume; without it, far less often."""
    rng = np.random.default_rng(0)
    sets, share = 3000, 0.2
    folds = share**0.5 * rng.normal(size=(sets, 1)) + (1 - share) ** 0.5 * rng.normal(size=(sets, 5))
    folds = 0.5 + 0.02 * folds
    ends = np.array([folds_interval(list(values), test_share=share)[1] for values in folds])
    assert np.mean((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)) == pytest.approx(0.95, abs=0.015)
    naive = np.array([folds_interval(list(values), test_share=0)[1] for values in folds])
    assert np.mean((naive[:, 0] <= 0.5) & (naive[:, 1] >= 0.5)) < 0.87


def run_of(songs: range, *, seed: int, share: float = 0.7, genres: int = 2) -> pd.DataFrame:
    """Predictions of some songs of one corpus, in an order of the run's own."""
    truth = np.array(songs) % genres
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(genres), len(truth))
    right = rng.random(len(truth)) < share
    probabilities[right, truth[right]] += 1
    ids = pd.Index([f"t{song:03}" for song in songs], name="track_id")
    names = [f"genre {i}" for i in range(genres)]
    table = pd.DataFrame(probabilities / probabilities.sum(axis=1, keepdims=True), index=ids, columns=names)
    return with_truth(table, pd.Series([names[i] for i in truth], index=ids)).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("figure", list(REDUCED))
def test_one_seed_has_the_interval_of_its_tracks(figure: str) -> None:
    run = run_of(range(60), seed=0)
    truth, probabilities = arrays(run)
    mean, ends = seeds_interval([run], figure, seed=3)
    assert mean == METRICS[figure](truth, probabilities)
    assert ends == pytest.approx(bootstrap_intervals(truth, probabilities, [figure], seed=3)[figure])


def test_a_seed_whose_columns_stand_in_another_order_is_read_by_name() -> None:
    runs = [run_of(range(60), seed=seed) for seed in (0, 1)]
    other = runs[1][["track_id", "fold", "genre", "predicted", "genre 1", "genre 0"]]
    assert seeds_interval([runs[0], other], "accuracy") == seeds_interval(runs, "accuracy")


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1", "log_loss"])
def test_three_runs_alike_are_worth_no_more_than_one(figure: str) -> None:
    run = run_of(range(60), seed=0)
    one, three = (seeds_interval([run] * n, figure)[1] for n in (1, 3))
    assert three == pytest.approx(one)


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1", "log_loss"])
def test_runs_on_other_tracks_are_worth_more_than_one(figure: str) -> None:
    runs = [run_of(range(60 * n, 60 * n + 60), seed=0) for n in range(4)]
    one, four = (np.diff(seeds_interval(runs[:n], figure)[1])[0] for n in (1, 4))
    assert four < 0.65 * one


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1"])
def test_runs_that_differ_widen_the_interval(figure: str) -> None:
    alike = [run_of(range(60), seed=0, share=0.7)] * 3
    different = [run_of(range(60), seed=seed, share=share) for seed, share in enumerate((0.45, 0.7, 0.95))]
    widths = [np.diff(seeds_interval(runs, figure)[1])[0] for runs in (alike, different)]
    assert widths[1] > 1.2 * widths[0]


@pytest.mark.parametrize("figure", ["macro_f1", "balanced_accuracy", "log_loss"])
def test_the_variance_of_the_seeds_is_added(figure: str) -> None:
    """Many songs, so that next to nothing but the seeds moves the mean: half the width is t times their error."""
    shares = (0.5, 0.7, 0.9)
    runs = [run_of(range(4000), seed=seed, share=share) for seed, share in enumerate(shares)]
    (low, high) = seeds_interval(runs, figure, draws=300)[1]
    values = [seeds_interval([run], figure, draws=50)[0] for run in runs]
    error = np.std(values, ddof=1) / 3**0.5
    assert (high - low) / 2 > 2.5 * error


def test_seeds_that_are_all_right_have_an_interval_within_the_range() -> None:
    mean, (low, high) = seeds_interval([run_of(range(20), seed=seed, share=1.0) for seed in range(3)], "accuracy")
    assert (mean, high) == (1, 1)
    assert low < 0.9


def test_a_test_set_of_which_no_track_is_drawn_does_not_count() -> None:
    runs = [run_of(range(40), seed=0), run_of(range(1), seed=1)]
    for figure in REDUCED:
        mean, (low, high) = seeds_interval(runs, figure, draws=200)
        assert np.isfinite([mean, low, high]).all()


def test_values_have_a_t_interval_that_is_never_without_width() -> None:
    values = np.column_stack([np.random.default_rng(0).uniform(-0.5, 0.5, 400), np.full(400, 0.2)])
    (low, high), (least, most) = mean_intervals(values)
    half = scipy.stats.t.ppf(0.975, 399) * (values[:, 0].var() / 400 + 1 / 401**2) ** 0.5
    assert (low, high) == pytest.approx((values[:, 0].mean() - half, values[:, 0].mean() + half))
    assert least < 0.2 < most
