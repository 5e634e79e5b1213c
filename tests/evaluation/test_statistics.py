from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from genrefusion.evaluation.metrics import accuracy, log_loss
from genrefusion.evaluation.predictions import arrays, with_truth
from genrefusion.evaluation.statistics import (
    Figure,
    bootstrap_intervals,
    folds_interval,
    holm,
    mcnemar,
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


def test_the_interval_of_a_paired_difference_covers_the_truth_95_times_of_100() -> None:
    """Two systems of the same songs that share most of their errors: one is right on 0.7 of them, the other on 0.76."""
    truth = np.arange(200) % 2
    sets, covered = 600, 0
    for seed in range(sets):
        first = predictions(truth, 0.7, seed=seed)
        mended = np.random.default_rng([seed, 1]).random(200) < 0.2  # of the 0.3 that the first has wrong
        second = np.where(mended[:, None], np.eye(2)[truth], first)
        _, (low, high) = paired_difference(truth, second, first, accuracy, draws=200, seed=seed)
        covered += low <= 0.06 <= high
    assert 0.93 <= covered / sets <= 0.97


def test_pieces_of_a_song_are_drawn_together() -> None:
    """Four pieces of a song that are right or wrong together are worth one song."""
    truth = np.arange(60) % 2
    whole = predictions(truth, 0.7, seed=3)
    order = np.random.default_rng(0).permutation(240)
    truth_4, pieces = truth.repeat(4)[order], whole.repeat(4, axis=0)[order]
    songs = [f"song {i}" for i in np.arange(60).repeat(4)[order]]
    of_songs = bootstrap_intervals(truth, whole, {"accuracy": accuracy}, draws=4000)["accuracy"]
    together = bootstrap_intervals(truth_4, pieces, {"accuracy": accuracy}, songs=songs, draws=4000)["accuracy"]
    alone = bootstrap_intervals(truth_4, pieces, {"accuracy": accuracy}, draws=4000)["accuracy"]
    assert together == pytest.approx(of_songs, abs=0.02)
    assert alone[1] - alone[0] == pytest.approx((of_songs[1] - of_songs[0]) / 2, rel=0.1)
    _, paired = paired_difference(truth_4, pieces, pieces[::-1], accuracy, songs=songs)
    _, loose = paired_difference(truth_4, pieces, pieces[::-1], accuracy)
    assert paired != loose


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


def test_the_interval_of_folds_covers_the_truth_95_times_of_100() -> None:
    """Of folds whose figures correlate by the test share, as Nadeau and Bengio assume; without it, far less often."""
    rng = np.random.default_rng(0)
    sets, share = 3000, 0.2
    folds = share**0.5 * rng.normal(size=(sets, 1)) + (1 - share) ** 0.5 * rng.normal(size=(sets, 5))
    ends = np.array([folds_interval(list(values), test_share=share)[1] for values in folds])
    assert np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)) == pytest.approx(0.95, abs=0.015)
    naive = np.array([folds_interval(list(values), test_share=0)[1] for values in folds])
    assert np.mean((naive[:, 0] <= 0) & (naive[:, 1] >= 0)) < 0.87


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


def test_one_seed_has_the_interval_of_its_tracks() -> None:
    run = run_of(range(60), seed=0)
    truth, probabilities = arrays(run)
    mean, ends = seeds_interval([run], accuracy, seed=3)
    assert mean == accuracy(truth, probabilities)
    assert ends == bootstrap_intervals(truth, probabilities, {"figure": accuracy}, seed=3)["figure"]


@pytest.mark.parametrize("parts", [[range(50)] * 3, [range(30), range(20, 50), range(10, 40)]], ids=["same", "overlap"])
@pytest.mark.parametrize("figure", [accuracy, log_loss])
def test_the_interval_over_seeds_is_the_crossed_bootstrap_of_a_loop(parts: list[range], figure: Figure) -> None:
    runs = [run_of(songs, seed=seed, share=0.5 + 0.15 * seed) for seed, songs in enumerate(parts)]
    rows = [dict(zip(run["track_id"], zip(*arrays(run), strict=True), strict=True)) for run in runs]
    by_genre = [[f"t{song:03}" for song in range(50) if song % 2 == genre] for genre in (0, 1)]
    rng = np.random.default_rng(1)
    means = []
    for _ in range(3000):
        songs = [songs[i] for songs in by_genre for i in rng.integers(0, len(songs), len(songs))]
        values = []
        for seed in rng.integers(0, 3, 3):
            drawn = [rows[seed][song] for song in songs if song in rows[seed]]
            values.append(figure(np.array([t for t, _ in drawn]), np.array([p for _, p in drawn])))
        means.append(np.mean(values))
    low, high = np.percentile(means, [2.5, 97.5])
    mean, found = seeds_interval(runs, figure, draws=3000)
    assert mean == pytest.approx(np.mean([figure(*arrays(run)) for run in runs]))
    assert found == pytest.approx((low, high), abs=0.07 * (high - low))


def test_three_runs_alike_are_worth_no_more_than_one() -> None:
    run = run_of(range(60), seed=0)
    one, three = (seeds_interval([run] * n, accuracy)[1] for n in (1, 3))
    assert three == pytest.approx(one, abs=0.02)


def test_runs_that_differ_widen_the_interval() -> None:
    alike = [run_of(range(60), seed=0, share=0.7)] * 3
    different = [run_of(range(60), seed=seed, share=share) for seed, share in enumerate((0.45, 0.7, 0.95))]
    widths = [np.diff(seeds_interval(runs, accuracy)[1])[0] for runs in (alike, different)]
    assert widths[1] > 1.2 * widths[0]


def test_a_test_set_of_which_no_track_is_drawn_does_not_count() -> None:
    mean, (low, high) = seeds_interval([run_of(range(40), seed=0), run_of(range(1), seed=1)], accuracy, draws=200)
    assert np.isfinite([mean, low, high]).all()
