from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import log_loss
from sklearn.preprocessing import FunctionTransformer

import shap_reference
from genrefusion.core.errors import UserError
from genrefusion.models import tabular
from genrefusion.models.folds import inner_folds
from genrefusion.models.tabular import Held, TabularModel, load_skops
from genrefusion.settings.pipelines import XgboostSettings

KINDS = ("xgboost", "random_forest", "svm", "logistic")
QUICK = XgboostSettings(rounds=20, colsample=1.0, lr=0.3)


@pytest.fixture(autouse=True)
def fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is promised of a forest does not take 500 of them."""
    monkeypatch.setattr(tabular, "_TREES", 50)


def blobs(n: int = 60, *, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return (rng.normal(size=(n, 4)) + 3 * np.eye(classes, 4)[labels]).astype(np.float32), labels


def held(rows: np.ndarray, labels: np.ndarray, songs: np.ndarray | None = None) -> Held:
    """Each row a song of its own, unless it is said."""
    return Held(rows, labels, np.arange(len(rows)) if songs is None else songs)


def model(kind: str, *, n_classes: int = 3, settings: XgboostSettings = QUICK) -> TabularModel:
    return TabularModel(kind, settings, n_classes, seed=0, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_learned(kind: str) -> None:
    rows, labels = blobs()
    others, truth = blobs(seed=1)
    assert (model(kind).fit(rows, labels).predict_proba(others).argmax(axis=1) == truth).mean() > 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_seen", [1, 2])
def test_a_class_that_training_rows_lack_gets_probability_zero(kind: str, n_seen: int, tmp_path: Path) -> None:
    rows, labels = blobs(classes=3)
    seen = labels > 2 - n_seen
    fitted = model(kind).fit(rows[seen], labels[seen], held(rows, labels))
    probabilities = fitted.predict_proba(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities[:, : 3 - n_seen] == 0).all()
    fitted.save(tmp_path, "m")
    loaded = model(kind).load(tmp_path, "m", [int(c) for c in fitted.classes])
    np.testing.assert_allclose(loaded.predict_proba(rows), probabilities, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_and_missing_values_are_taken(kind: str) -> None:
    rows, labels = blobs()
    rows = np.hstack([rows, np.full((len(rows), 1), 7, np.float32), np.full((len(rows), 1), np.nan, np.float32)])
    rows[::5, 1] = np.nan
    probabilities = model(kind).fit(rows, labels).predict_proba(rows)
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.parametrize("kind", ["xgboost", "logistic"])
def test_balancing_counts_all_classes_the_same(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(400) % 20 == 0).astype(int)
    rows = (rng.normal(size=(400, 1)) + labels[:, None]).astype(np.float32)
    shares = {
        balanced: model(kind, n_classes=2, settings=XgboostSettings(rounds=20, colsample=1.0, balanced=balanced))
        .fit(rows, labels)
        .predict_proba(rows)[:, 1]
        .mean()
        for balanced in (True, False)
    }
    assert shares[False] < 0.15 < 0.3 < shares[True]


def test_boosting_stops_when_validation_loss_falls_no_more() -> None:
    rows, labels = blobs()
    rng = np.random.default_rng(0)
    noise = rng.permutation(labels)
    settings = XgboostSettings(rounds=200, patience=3, colsample=1.0, lr=0.3)
    fitted = model("xgboost", settings=settings).fit(rows, labels, held(rows, noise))
    assert fitted.estimator.best_iteration < 20


def test_rounds_take_the_place_of_the_setting() -> None:
    rows, labels = blobs()
    assert model("xgboost").fit(rows, labels).rounds == QUICK.rounds
    shorter = model("xgboost").fit(rows, labels, rounds=7)
    assert shorter.rounds == shorter.estimator.get_booster().num_boosted_rounds() == 7
    assert model("logistic").fit(rows, labels, rounds=7).rounds is None


def test_rounds_after_early_stopping_are_those_that_predictions_use() -> None:
    rows, labels = blobs(90)
    others, truth = blobs(30, seed=1)
    truth[:6] = np.roll(truth[:6], 1)  # some of it wrong, so that more rounds come to harm
    settings = XgboostSettings(rounds=200, patience=5, colsample=1.0, lr=0.3)
    stopped = model("xgboost", settings=settings).fit(rows, labels, held(others, truth))
    rounds = stopped.rounds
    assert rounds is not None
    assert 1 < rounds < stopped.estimator.get_booster().num_boosted_rounds() < 200
    expected = stopped.predict_proba(others)
    as_long = model("xgboost", settings=settings).fit(rows, labels, rounds=rounds).predict_proba(others)
    one_more = model("xgboost", settings=settings).fit(rows, labels, rounds=rounds + 1).predict_proba(others)
    np.testing.assert_allclose(as_long, expected, atol=1e-6)
    assert np.abs(one_more - expected).max() > 1e-3


@pytest.mark.parametrize("classes", [2, 3])
def test_boosting_stops_by_songs_and_not_by_their_segments(classes: int, tmp_path: Path) -> None:
    """Songs of many and of few segments count the same: the log loss is that of their mean probabilities."""
    rows, labels = blobs(classes=classes)
    truth = np.arange(12) % classes
    songs = np.repeat(np.arange(12), np.arange(1, 13))
    segments = np.random.default_rng(1).normal(size=(len(songs), 4)) + 1.5 * np.eye(classes, 4)[truth[songs]]
    settings = XgboostSettings(rounds=60, patience=60, colsample=1.0, lr=0.3)
    fitted = model("xgboost", n_classes=classes, settings=settings)
    fitted.fit(rows, labels, held(segments.astype(np.float32), truth[songs], songs))
    losses = []
    for n in range(1, 61):
        as_long = model("xgboost", n_classes=classes, settings=settings).fit(rows, labels, rounds=n)
        means = pd.DataFrame(as_long.predict_proba(segments.astype(np.float32))).groupby(songs).mean().to_numpy()
        losses.append(log_loss(truth, means, labels=range(classes)))
    assert fitted.rounds == int(np.argmin(losses)) + 1
    fitted.save(tmp_path, "m")
    loaded = model("xgboost", n_classes=classes).load(tmp_path, "m", list(range(classes)))
    np.testing.assert_allclose(loaded.predict_proba(rows), fitted.predict_proba(rows), atol=1e-6)


def test_the_sigmoid_of_a_machine_is_fitted_on_artists_that_its_like_had_not_seen() -> None:
    """Each artist sounds like nobody else: rows of an artist that was seen would look far surer than they are."""
    rng = np.random.default_rng(0)
    artists = np.repeat(np.arange(30), 6)
    labels = artists % 3
    rows = (rng.normal(size=(30, 8)) * 3)[artists] + 0.1 * rng.normal(size=(180, 8))
    others = (rng.normal(size=(60, 8)) * 3).astype(np.float32)  # of no class in particular
    knows, careless = (
        model("svm").fit(rows.astype(np.float32), labels, groups=groups).predict_proba(others).max(axis=1).mean()
        for groups in ([artists], [])
    )
    assert knows < 0.6 < 0.8 < careless


@pytest.mark.parametrize("n_classes", [2, 3])
def test_shap_values_add_up_to_the_margin(n_classes: int) -> None:
    rows, labels = blobs(classes=n_classes)
    fitted = model("xgboost", n_classes=n_classes).fit(rows, labels)
    found = fitted.contributions(rows)
    assert found is not None
    np.testing.assert_allclose(found.sum(axis=2), shap_reference.margin_less_bias(fitted, rows), atol=1e-3)


def test_a_file_with_other_types_is_refused(tmp_path: Path) -> None:
    skops.io.dump(FunctionTransformer(print), tmp_path / "m.skops")
    with pytest.raises(UserError, match=r"m\.skops: holds types that are not loaded"):
        load_skops(tmp_path / "m.skops")


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_is_never_loaded(kind: str, tmp_path: Path) -> None:
    for ending in ("ubj", "skops"):
        (tmp_path / f"m.{ending}").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"m\.(ubj|skops): not a model"):
        model(kind).load(tmp_path, "m", [0, 1, 2])


def test_the_mean_of_shap_values_does_not_depend_on_how_many_rows_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = blobs()
    fitted = model("xgboost").fit(rows, labels)
    whole = fitted.contributions(rows)
    assert whole is not None
    held, plain = [], fitted.contributions
    monkeypatch.setattr("genrefusion.models.tabular._SHAP_VALUES", 7 * 3 * 4)
    monkeypatch.setattr(fitted, "contributions", lambda some: (held.append(len(some)), plain(some))[1])
    np.testing.assert_allclose(fitted.mean_contributions(rows), np.abs(whole).mean(axis=0))
    assert max(held) == 7
    assert sum(held) == len(rows)


@pytest.mark.parametrize("kind", ["xgboost", "random_forest"])
def test_trees_take_the_threads_that_are_set_also_when_they_are_read(kind: str, tmp_path: Path) -> None:
    rows, labels = blobs()

    def threads(fitted: TabularModel) -> int:
        if kind == "xgboost":
            config = json.loads(fitted.estimator.get_booster().save_config())
            return int(config["learner"]["generic_param"]["nthread"])
        return int(fitted.estimator.steps[-1][1].n_jobs)

    fitted = TabularModel(kind, QUICK, 3, seed=0, device="cpu", threads=1).fit(rows, labels)
    assert threads(fitted) == 1
    fitted.save(tmp_path, "m")
    for said, used in ((2, 2), (None, 0 if kind == "xgboost" else -1)):
        loaded = TabularModel(kind, QUICK, 3, seed=0, device="cpu", threads=said).load(tmp_path, "m", [0, 1, 2])
        assert threads(loaded) == used


@pytest.mark.parametrize("balanced", [True, False])
def test_artists_and_genres_count_the_same_where_they_are_weighed(balanced: bool) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    artists = np.array([7, 7, 7, 8, 9, 9])
    fitted = model("logistic", n_classes=2, settings=XgboostSettings(artist_weight=1.0, balanced=balanced))
    fitted.classes = np.unique(labels)
    weights = fitted._weights(labels, [artists])
    by_artist = np.bincount(artists, weights)[7:]
    assert by_artist[0] == pytest.approx(by_artist[1])
    genres = np.bincount(labels, weights)
    assert genres[0] == pytest.approx(genres[1] if balanced else 2 * genres[1])
    assert weights.mean() == pytest.approx(1)


def test_c_is_the_one_with_the_lowest_log_loss_in_folds_by_artist() -> None:
    rng = np.random.default_rng(0)
    artists = np.repeat(np.arange(24), 5)
    labels = artists % 2
    # A column tells the artist and nothing of the genre of others: only folds by artist find out.
    own = rng.normal(size=(24, 30))[artists]
    rows = np.hstack([own, labels[:, None] + rng.normal(size=(120, 1))]).astype(np.float32)
    settings = XgboostSettings(c=None)
    by_artist = model("logistic", n_classes=2, settings=settings).fit(rows, labels, groups=[artists]).c
    by_row = model("logistic", n_classes=2, settings=settings).fit(rows, labels, groups=[np.arange(120)]).c
    assert by_artist is not None
    assert by_row is not None
    assert by_artist < by_row

    def loss(c: float) -> float:
        found = []
        for fitted, held_out in inner_folds(labels, [artists], most=5, seed=0):
            one = model("logistic", n_classes=2, settings=XgboostSettings(c=c)).fit(rows[fitted], labels[fitted])
            found.append(len(held_out) * log_loss(labels[held_out], one.predict_proba(rows[held_out]), labels=[0, 1]))
        return sum(found)

    assert by_artist == min([0.001, 0.01, 0.1, 1.0, 10.0, by_artist], key=loss)
