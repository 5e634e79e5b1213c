from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from genrefusion.metrics import scores
from genrefusion.metrics.clusters import ALONE, Groups
from genrefusion.metrics.predictions import frames_table, with_truth

GENRES = ["blues", "classical", "jazz", "metal", "rock"]
CASES = ("plain", "a genre that never occurs", "a genre that is never predicted", "neither", "all right", "all wrong")


def random_case(case: str, *, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and probabilities that lean towards them."""
    rng = np.random.default_rng(CASES.index(case))
    truth = rng.integers(0, 5, n)
    if case in ("a genre that never occurs", "neither"):
        truth[truth == 3] = 0
    probabilities = rng.dirichlet(np.ones(5), n)
    probabilities[np.arange(n), truth] += 0.3
    if case in ("a genre that is never predicted", "neither"):
        probabilities[:, 3] = 0
    if case == "all right":
        probabilities[np.arange(n), truth] += 1
    if case == "all wrong":
        probabilities[np.arange(n), truth] = 0.01
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.fixture(params=CASES)
def truth_and_probabilities(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    return random_case(request.param)


def table(truth: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """As a predictions file holds them."""
    ids = pd.Index([f"t{i:02}" for i in range(len(truth))], name="track_id")
    genres = pd.Series([GENRES[i] for i in truth], index=ids)
    return with_truth(pd.DataFrame(probabilities, index=ids, columns=GENRES), genres)


def test_accuracy_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = sklearn.metrics.accuracy_score(truth, probabilities.argmax(axis=1))
    assert scores.accuracy(truth, probabilities) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_balanced_accuracy_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = sklearn.metrics.balanced_accuracy_score(truth, probabilities.argmax(axis=1))
    assert scores.balanced_accuracy(truth, probabilities) == pytest.approx(expected)


def test_macro_f1_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = sklearn.metrics.f1_score(truth, probabilities.argmax(axis=1), average="macro")
    assert scores.macro_f1(truth, probabilities) == pytest.approx(expected)


def test_top_3_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = sklearn.metrics.top_k_accuracy_score(truth, probabilities, k=3, labels=range(5))
    assert scores.top3(truth, probabilities) == pytest.approx(expected)


def test_log_loss_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = sklearn.metrics.log_loss(truth, probabilities, labels=range(5))
    assert scores.log_loss(truth, probabilities) == pytest.approx(expected)


def test_log_loss_of_a_probability_of_0_is_finite() -> None:
    assert scores.log_loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(np.float64).eps))


def test_calibration_error_is_that_of_a_loop(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    expected = 0.0
    for low in range(10):
        rows = [i for i in range(len(truth)) if low / 10 <= probabilities[i].max() < (low + 1) / 10]
        if rows:
            hits = sum(probabilities[i].argmax() == truth[i] for i in rows)
            confidence = sum(probabilities[i].max() for i in rows)
            expected += len(rows) / len(truth) * abs(hits / len(rows) - confidence / len(rows))
    assert scores.calibration_error(truth, probabilities) == pytest.approx(expected)


def test_calibration_error_of_what_is_certain_and_right_is_0() -> None:
    assert scores.calibration_error(np.array([0, 1]), np.eye(2)) == 0
    assert scores.calibration_error(np.array([1, 0]), np.eye(2)) == 1


@pytest.mark.parametrize("figure", scores.METRICS)
def test_a_figure_does_not_depend_on_the_order_of_tracks(figure: str) -> None:
    truth, probabilities = random_case("plain")
    order = np.random.default_rng(0).permutation(len(truth))
    value = scores.METRICS[figure](truth, probabilities)
    assert scores.METRICS[figure](truth[order], probabilities[order]) == pytest.approx(value)


def test_two_genres_have_a_top_3_of_1() -> None:
    assert scores.top3(np.array([0, 1]), np.array([[0.1, 0.9], [0.9, 0.1]])) == 1


def test_per_genre_figures_are_those_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    found = scores.score(table(truth, probabilities), intervals=False)["genres"]
    expected = sklearn.metrics.precision_recall_fscore_support(
        truth, probabilities.argmax(axis=1), labels=range(5), zero_division=np.nan
    )
    assert list(found) == GENRES
    for number, genre in enumerate(GENRES):
        values = [found[genre][name] for name in ("precision", "recall", "f1", "n")]
        assert [np.nan if value is None else value for value in values] == pytest.approx(
            [column[number] for column in expected], nan_ok=True
        )


def test_a_genre_is_taken_for_the_one_it_is_most_often_confused_with() -> None:
    truth = np.array([0, 0, 0, 0, 0, 1])
    predicted = np.array([0, 4, 4, 2, 0, 1])
    genres = scores.score(table(truth, np.eye(5)[predicted]), intervals=False)["genres"]
    assert genres["blues"]["taken_for"] == "rock"
    assert genres["classical"]["taken_for"] is None
    assert genres["metal"] == {"n": 0, "recall": None, "precision": None, "f1": None, "taken_for": None}


def test_confusion_is_that_of_scikit_learn(truth_and_probabilities: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = truth_and_probabilities
    counts = scores.confusion(table(truth, probabilities))
    expected = sklearn.metrics.confusion_matrix(truth, probabilities.argmax(axis=1), labels=range(5))
    assert list(counts.index) == list(counts.columns) == GENRES
    np.testing.assert_array_equal(counts, expected)


def test_a_score_has_each_figure_with_an_interval_around_it() -> None:
    truth, probabilities = random_case("plain")
    found = scores.score(table(truth, probabilities))
    assert found["n"] == 60
    for name, figure in scores.METRICS.items():
        assert found[name] == pytest.approx(figure(truth, probabilities))
        if name == "calibration_error":  # chance only adds to it
            assert f"{name}_ci95" not in found
        else:
            low, high = found[f"{name}_ci95"]
            assert low <= found[name] <= high


def test_a_score_says_what_was_drawn_and_whether_that_is_too_little() -> None:
    predictions = table(*random_case("plain"))
    assert scores.score(predictions)["drawn"] == ALONE
    assert "too_few" not in scores.score(predictions)
    by_artist = Groups({track: track[:2] for track in predictions["track_id"]}, "artists")
    assert scores.score(predictions, groups=by_artist)["drawn"] == "artists"
    assert scores.score(predictions.head(6), groups=by_artist)["too_few"] == (
        "n = 6 songs of 1 artist: too few to tell systems apart"
    )


def test_songs_of_one_artist_that_are_alike_widen_the_interval() -> None:
    truth = np.arange(300) % 5
    right = np.arange(300) // 10 % 3 > 0  # ten songs of an artist are right or wrong together
    predictions = table(truth, np.eye(5)[np.where(right, truth, (truth + 1) % 5)])
    groups = Groups({track: str(number // 10) for number, track in enumerate(predictions["track_id"])}, "artists")
    apart, together = (np.diff(scores.score(predictions, groups=g)["accuracy_ci95"])[0] for g in (None, groups))
    assert together == pytest.approx(10**0.5 * apart, rel=0.1)


def test_a_score_without_intervals_has_none() -> None:
    assert not [name for name in scores.score(table(*random_case("plain")), intervals=False) if "ci95" in name]


def test_a_score_holds_plain_numbers_for_json() -> None:
    found = scores.score(table(*random_case("neither")))
    values = [found["n"], found["accuracy"], *found["accuracy_ci95"], *found["genres"]["blues"].values()]
    assert {type(value) for value in values} <= {int, float, str, type(None)}


def frames_of(songs: int, each: int, *, agree: bool) -> tuple[pd.DataFrame, pd.Series]:
    """Frames of songs, half of which are right; those of one song all alike, or every other one right."""
    ids = [f"t{song:03}" for song in range(songs)]
    genres = pd.Series([GENRES[song % 2] for song in range(songs)], index=pd.Index(ids, name="track_id"))
    index = pd.MultiIndex.from_product([ids, range(each)], names=["track_id", "frame"])
    song, frame = (np.repeat(np.arange(songs), each), np.tile(np.arange(each), songs))
    right = (song // 2 if agree else frame) % 2 == 0
    predicted = np.where(right, song % 2, 1 - song % 2)
    return frames_table(pd.DataFrame(np.eye(2)[predicted], index=index, columns=GENRES[:2])), genres


def test_frames_are_scored_one_by_one() -> None:
    frames, genres = frames_of(20, 3, agree=False)
    found = scores.score_frames(frames, genres)
    truth = genres.loc[frames["track_id"]].to_numpy()
    predicted = frames[GENRES[:2]].idxmax(axis=1)
    assert found["n"] == 60
    assert found["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(truth, predicted, average="macro"))


def test_the_interval_of_frames_resamples_songs() -> None:
    """Frames that agree within each song are worth no more than one; others count by themselves."""
    low, high = scores.score_frames(*frames_of(100, 10, agree=True))["accuracy_ci95"]
    of_songs = 2 * 1.96 * (0.25 / 100) ** 0.5
    assert high - low == pytest.approx(of_songs, rel=0.15)
    low, high = scores.score_frames(*frames_of(100, 10, agree=False))["accuracy_ci95"]
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 1000) ** 0.5, rel=0.1)


def test_songs_of_unequal_length_weigh_by_their_frames() -> None:
    index = pd.MultiIndex.from_tuples([("a", 0), ("b", 0), ("b", 1), ("b", 2)], names=["track_id", "frame"])
    frames = pd.DataFrame(np.eye(2)[[0, 0, 0, 0]], index=index, columns=["jazz", "rock"])
    found = scores.score_frames(frames_table(frames), pd.Series({"a": "jazz", "b": "rock"}))
    assert found["accuracy"] == 0.25


def test_frames_are_joined_to_genres_by_track() -> None:
    frames, genres = frames_of(20, 3, agree=True)
    shuffled = frames.sample(frac=1, random_state=0)
    found = scores.score_frames(shuffled, genres.iloc[::-1])
    assert found["accuracy"] == scores.score_frames(frames, genres)["accuracy"]
