from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.proportion import proportion_confint

from genrefusion.metrics.intervals import bootstrap_intervals, folds_interval, mean_intervals, seeds_interval
from genrefusion.metrics.predictions import arrays, with_truth
from genrefusion.metrics.resampling import REDUCED, count
from genrefusion.metrics.scores import METRICS


def predictions(truth: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Probabilities that are right for a share of the tracks of each of two genres."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < share
    confidence = rng.uniform(0.55, 0.95, len(truth))
    columns = np.where(right, truth, 1 - truth)
    probabilities = np.repeat(1 - confidence[:, None], 2, axis=1)
    probabilities[np.arange(len(truth)), columns] = confidence
    return probabilities


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
