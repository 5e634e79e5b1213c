"""What every pipeline promises. A new pipeline is added to `EXPERIMENTS`, and to nothing else here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, TINY_NETWORK, compose_train
from genrefusion.core.errors import NotFittedError, UserError
from genrefusion.data.splits import Fold, split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.pipelines.base import Context, Pipeline, make_pipeline
from genrefusion.pipelines.saved import read_pipeline

NETWORK = ["experiment=multiframe", *TINY_NETWORK]
KNN = ["experiment=multiframe_knn", *TINY_NETWORK, "pipeline.knn.neighbours=5"]
COATTENTION = [
    "experiment=coattention",
    "pipeline.width=32",
    "pipeline.lr=3e-3",
    "pipeline.batch_size=8",
    "pipeline.patience=50",
]
READER = ["pipeline.lr=3e-3", "pipeline.batch_size=8", "pipeline.patience=50"]
TAGS = ["features=musicnn", "features.weights={musicnn}"]
TREES = ["pipeline.colsample=0.3", "pipeline.lr=0.2"]

EXPERIMENTS = {
    "multiframe": NETWORK,
    "multiframe of two members": [*NETWORK, "pipeline.members=2"],
    "knn on probabilities": KNN,
    "knn on embeddings": [*KNN, "pipeline.knn.space=embedding"],
    "xgboost": ["experiment=xgboost_97", *TREES],
    "xgboost on segments": ["experiment=xgboost", "features.segment_seconds=4", *TREES],
    "random forest": ["experiment=xgboost_97", "pipeline.estimator=random_forest"],
    "svm": ["experiment=xgboost_97", "pipeline.estimator=svm"],
    "logistic": ["experiment=xgboost_97", "pipeline.estimator=logistic"],
    "best features": ["experiment=xgboost_top20", *TREES],
    "early fusion": ["experiment=xgboost_text_early", *TREES],
    "late fusion, stacked": ["experiment=xgboost_text", "features.kind=published", *TREES],
    "late fusion, mean": ["experiment=xgboost_text", "features.kind=published", "pipeline.late=mean", *TREES],
    "lyrics": ["experiment=lyrics"],
    "lyrics by naive Bayes": ["experiment=lyrics_tfidf", "pipeline.classifier=naive_bayes"],
    "lyrics by a linear machine": ["experiment=lyrics_tfidf", "pipeline.classifier=linear_svm"],
    "lyrics by a forest": ["experiment=lyrics_tfidf", "pipeline.classifier=random_forest"],
    "lyrics by a perceptron": ["experiment=lyrics_tfidf", "pipeline.classifier=mlp"],
    "lyrics by mean embedding": ["experiment=lyrics_tfidf", "text_encoder=minilm"],
    "lyrics by frozen tokens": ["experiment=lyrics_frozen", *READER],
    "lyrics by a tuned transformer": [
        "experiment=lyrics_finetuned",
        *READER,
        "text_encoder.model={tiny}",
        "text_encoder.max_tokens=500",
    ],
    "co-attention": COATTENTION,
    "multiframe on what tags come from": ["experiment=multiframe", *TAGS, "features.layers=[penultimate]", *READER],
    "logistic on tags": ["experiment=xgboost", "pipeline.estimator=logistic", *TAGS],
    "co-attention with tags": [*COATTENTION, *TAGS],
    "co-attention of the lyrics alone": [*COATTENTION, "features=none", "pipeline.sides=lyrics"],
}
ALWAYS = ("multiframe", "knn on probabilities", "xgboost", "late fusion, stacked", "lyrics", "co-attention")
"""One of each kind; the others are left out by ``-m 'not slow'``."""
LIKE_OTHERS = (
    "multiframe of two members",
    "knn on embeddings",
    "best features",
    "random forest",
    "late fusion, mean",
    "lyrics by a forest",
    "lyrics by a perceptron",
    "lyrics by mean embedding",
    "co-attention with tags",
    "co-attention of the lyrics alone",
)
"""Those that differ from another in one part, which has tests of its own: only ``-m ''`` runs them."""

EASY = {"audio": ("classical", "hiphop", "metal"), "lyrics": ("country", "hiphop", "metal")}
"""Genres that lie far apart in sound, and in words: neighbours in sound are none in words."""

Make = Callable[..., Pipeline]


def _marks(name: str) -> list[pytest.MarkDecorator]:
    if name in LIKE_OTHERS:
        return [pytest.mark.long]
    return [] if name in ALWAYS else [pytest.mark.slow]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=_marks(name)) for name in EXPERIMENTS],
)
def overrides(request: pytest.FixtureRequest, tiny_encoder: Path) -> list[str]:
    words = EXPERIMENTS[request.param]
    musicnn = request.getfixturevalue("musicnn_weights") if TAGS[0] in words else ""
    return [word.format(tiny=tiny_encoder, musicnn=musicnn) for word in words]


@pytest.fixture(scope="module")
def easy(demo: Tracks, overrides: list[str]) -> Tracks:
    reads_lyrics_alone = "features=none" in overrides or overrides[0].startswith("experiment=lyrics")
    genres = EASY["lyrics" if reads_lyrics_alone else "audio"]
    return demo.subset(demo.table.index[demo.table["genre"].isin(genres)])


@pytest.fixture(scope="module")
def fold(easy: Tracks) -> Fold:
    return split_tracks(easy, compose_train(*TINY_DATA).split, seed=0).folds[0]


@pytest.fixture(scope="module")
def fitted(overrides: list[str], easy: Tracks, fold: Fold, cache: Path) -> Pipeline:
    return fit(overrides, easy, fold, cache, epochs=8)


def fit(overrides: list[str], tracks: Tracks, fold: Fold, cache: Path, *, epochs: int) -> Pipeline:
    from genrefusion.features.cache import FeatureCache

    has_trees = overrides[0].startswith("experiment=xgboost")
    trains_convolutions = overrides[0].startswith("experiment=multiframe") and TAGS[0] not in overrides
    if not has_trees and not trains_convolutions:
        epochs = 4 * epochs - 3  # two or three steps each
    small = ["features.frame_seconds=3", "pipeline.trunk.width=4", f"pipeline.trunk.epochs={min(epochs, 8)}"]
    config = compose_train(*TINY_DATA, *overrides, *(small if overrides == COATTENTION else []))
    for name, steps in (("rounds", 10 * epochs - 9), ("epochs", epochs)):
        if hasattr(config.pipeline, name):  # others are fitted in one step
            setattr(config.pipeline, name, steps)
    pipeline = make_pipeline(config.pipeline, config.features, Context(FeatureCache(cache / "features")))
    return pipeline.fit(tracks.subset(fold.train), tracks.subset(fold.val))


@pytest.mark.parametrize("name", ["multiframe", "xgboost", "lyrics", "co-attention"])
def test_a_pipeline_that_is_not_trained_says_so(name: str, demo: Tracks, context: Context, tmp_path: Path) -> None:
    config = compose_train(*TINY_DATA, *EXPERIMENTS[name])
    pipeline = make_pipeline(config.pipeline, config.features, context)
    songs = demo.subset(demo.ids[:2])
    pipeline.prepare(songs)
    for ask in (lambda: pipeline.predict_proba(songs), lambda: pipeline.save(tmp_path / "model")):
        with pytest.raises(NotFittedError, match=f"This {type(pipeline).__name__} is not trained yet: call fit"):
            ask()
    assert not (tmp_path / "model").exists()


def test_an_ensemble_is_joined_and_never_trained(context: Context) -> None:
    config = compose_train("experiment=ensemble", "pipeline.runs=[a,b]")
    with pytest.raises(UserError, match="joined from finished runs"):
        make_pipeline(config.pipeline, config.features, context)


def test_probabilities_are_laid_out_as_promised(fitted: Pipeline, easy: Tracks) -> None:
    prediction = fitted.predict_proba(easy)
    assert fitted.classes_ == easy.genres
    assert list(prediction.tracks.columns) == fitted.classes_
    assert list(prediction.tracks.index) == easy.ids
    np.testing.assert_allclose(prediction.tracks.sum(axis=1), 1, atol=1e-6)
    assert (prediction.tracks >= 0).all(axis=None)


def test_frames_belong_to_the_tracks(fitted: Pipeline, easy: Tracks) -> None:
    prediction = fitted.predict_proba(easy)
    if prediction.frames is None:
        pytest.skip("the pipeline has one row a track")
    assert set(prediction.frames.index.get_level_values("track_id")) == set(easy.ids)
    np.testing.assert_allclose(prediction.frames.sum(axis=1), 1, atol=1e-6)


def test_prediction_does_not_depend_on_the_order_of_tracks(fitted: Pipeline, easy: Tracks) -> None:
    shuffled = easy.subset(list(reversed(easy.ids)))
    expected = fitted.predict_proba(easy).tracks
    pd.testing.assert_frame_equal(fitted.predict_proba(shuffled).tracks.loc[easy.ids], expected, atol=1e-5)


def test_prediction_does_not_depend_on_the_other_tracks(fitted: Pipeline, easy: Tracks) -> None:
    together = fitted.predict_proba(easy).tracks
    for track in easy.ids[::7]:
        alone = fitted.predict_proba(easy.subset([track])).tracks
        pd.testing.assert_frame_equal(alone, together.loc[[track]], atol=1e-5)


def test_a_loaded_pipeline_predicts_the_same(fitted: Pipeline, easy: Tracks, tmp_path: Path, context: Context) -> None:
    fitted.save(tmp_path / "model")
    loaded = read_pipeline(tmp_path / "model", context)
    assert loaded.classes_ == fitted.classes_
    assert loaded.parameter_count() == fitted.parameter_count() > 0
    pd.testing.assert_frame_equal(loaded.predict_proba(easy).tracks, fitted.predict_proba(easy).tracks, atol=1e-6)


def test_easy_genres_are_told_apart(fitted: Pipeline, easy: Tracks, fold: Fold) -> None:
    test = easy.subset(fold.test)
    predicted = fitted.predict_proba(test).tracks.idxmax(axis=1)
    assert (predicted == test.table["genre"]).mean() >= 0.8


def test_predictions_do_not_read_the_genre(fitted: Pipeline, easy: Tracks) -> None:
    others = easy.table["genre"].map(dict(zip(easy.genres, [*easy.genres[1:], easy.genres[0]], strict=True)))
    renamed = replace(easy, table=easy.table.assign(genre=others))
    pd.testing.assert_frame_equal(fitted.predict_proba(renamed).tracks, fitted.predict_proba(easy).tracks)


def test_the_same_seed_gives_the_same_pipeline_and_validation_tracks_choose_its_epoch_and_nothing_else(
    overrides: list[str], easy: Tracks, fold: Fold, cache: Path
) -> None:
    other = Fold(fold.train, fold.test, fold.val)
    first, second = (fit(overrides, easy, f, cache, epochs=1).predict_proba(easy).tracks for f in (fold, other))
    pd.testing.assert_frame_equal(first, second, atol=1e-6)


@pytest.mark.parametrize("side", ["audio", "lyrics"])
def test_a_missing_side_gives_a_prediction_or_a_named_error(fitted: Pipeline, easy: Tracks, side: str) -> None:
    table = easy.table.copy()
    table.loc[easy.ids[0], side] = None
    lacking = replace(easy, table=table)
    if fitted.uses == {side}:
        with pytest.raises(UserError, match=easy.ids[0]):
            fitted.predict_proba(lacking)
    else:
        assert len(fitted.predict_proba(lacking).tracks) == len(easy)
