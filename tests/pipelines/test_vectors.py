from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.core.errors import UserError
from genrefusion.data.splits import split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.vectors import TextVectors, VectorPipeline

THREE = ("classical", "hiphop", "metal")


@pytest.fixture(scope="module")
def parts(demo: Tracks) -> tuple[Tracks, Tracks, Tracks]:
    easy = demo.subset(demo.table.index[demo.table["genre"].isin(THREE)])
    fold = split_tracks(easy, compose_train(*TINY_DATA).split, seed=3).folds[0]  # two artists of each genre in train
    return easy.subset(fold.train), easy.subset(fold.val), easy.subset(fold.test)


def pipeline(context: Context, *overrides: str) -> VectorPipeline:
    config = compose_train(*TINY_DATA, "experiment=xgboost_97", "pipeline.rounds=5", *overrides)
    return VectorPipeline(config.pipeline, config.features, context)


def with_table(tracks: Tracks, path: Path, **columns: list[float]) -> str:
    pd.DataFrame({"track_id": tracks.ids, **columns}).to_csv(path, index=False)
    return f"features.path={path}"


def test_the_chosen_features_are_those_with_the_highest_gain(
    parts: tuple[Tracks, Tracks, Tracks], context: Context, tmp_path: Path
) -> None:
    train, val, _ = parts
    both = Tracks(pd.concat([train.table, val.table]), "both")
    truth = both.table["genre"].map({genre: float(i) for i, genre in enumerate(THREE)})
    rng = np.random.default_rng(0)
    noise = {f"noise{i}": list(rng.normal(size=len(both))) for i in range(5)}
    path = with_table(both, tmp_path / "f.csv", **noise, tell=list(truth))
    settings = ["features=table", path, "pipeline.top_features=1", "pipeline.colsample=1"]
    assert pipeline(context, *settings).fit(train, val).columns_ == ["tell"]


def test_stacker_is_fitted_on_rows_that_their_models_did_not_see(
    parts: tuple[Tracks, Tracks, Tracks], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val, _ = parts
    seen: list[set[str]] = []
    fit_side = VectorPipeline._fit_side
    text_fit = TextVectors.fit
    vocabularies: list[set[str]] = []

    def noted(self: VectorPipeline, side: str, tracks: Tracks, held: Tracks | None):
        if held is None and side == "audio":
            seen.append(set(tracks.table["artist"]))
        return fit_side(self, side, tracks, held)

    def noted_text(self: TextVectors, lyrics: list[str]):
        vocabularies.append(set(lyrics))
        return text_fit(self, lyrics)

    monkeypatch.setattr(VectorPipeline, "_fit_side", noted)
    monkeypatch.setattr(TextVectors, "fit", noted_text)
    pipeline(context, "pipeline.fusion=late").fit(train, val)
    artists, lyrics = set(train.table["artist"]), set(train.lyrics)
    assert len(seen) >= 2
    assert all(fold < artists for fold in seen), "each fold leaves artists out"
    assert set.intersection(*seen) == set(), "every artist is left out once"
    assert all(fold < lyrics for fold in vocabularies[1:]), "vocabularies of the folds too"
    assert not any(set(val.lyrics) & fold for fold in vocabularies)


def test_a_track_without_lyrics_keeps_the_probabilities_of_its_audio(
    parts: tuple[Tracks, Tracks, Tracks], context: Context
) -> None:
    train, val, test = parts
    fitted = pipeline(context, "pipeline.fusion=late").fit(train, val)
    bare = replace(test, table=test.table.assign(lyrics=None))
    alone = pipeline(context).fit(train, val)
    pd.testing.assert_frame_equal(fitted.predict_proba(bare).tracks, alone.predict_proba(test).tracks)


def test_late_mean_weighs_the_lyrics(parts: tuple[Tracks, Tracks, Tracks], context: Context) -> None:
    train, val, test = parts
    tables = {}
    for weight in (0.0, 0.25, 1.0):
        fitted = pipeline(context, "pipeline.fusion=late", "pipeline.late=mean", f"pipeline.lyrics_weight={weight}")
        tables[weight] = fitted.fit(train, val).predict_proba(test).tracks
    pd.testing.assert_frame_equal(tables[0.25], 0.75 * tables[0.0] + 0.25 * tables[1.0])


def test_majority_counts_the_segments_that_name_a_genre(parts: tuple[Tracks, Tracks, Tracks], context: Context) -> None:
    train, val, test = parts
    fitted = pipeline(context, "features.segment_seconds=2", "pipeline.vote=majority").fit(train, val)
    prediction = fitted.predict_proba(test)
    assert prediction.frames is not None
    for track in test.ids:
        named = prediction.frames.loc[[track]].idxmax(axis=1).value_counts(normalize=True)
        assert prediction.tracks.loc[track].to_dict() == {g: named.get(g, 0.0) for g in fitted.classes_}


def test_importance_names_every_feature_and_genre(parts: tuple[Tracks, Tracks, Tracks], context: Context) -> None:
    train, val, _ = parts
    table = pipeline(context).fit(train, val).importance_
    assert len(table) == 97
    assert list(table.columns) == ["feature", "gain", *THREE]
    assert table["gain"].is_monotonic_decreasing
    assert table["gain"].iloc[0] > 0


def test_a_genre_absent_from_train_is_named(parts: tuple[Tracks, Tracks, Tracks], context: Context) -> None:
    train, val, _ = parts
    absent = val.genres[0]
    fewer = train.subset(train.table.index[train.table["genre"] != absent])
    with pytest.raises(UserError, match=f"no training track has: {absent}"):
        pipeline(context).fit(fewer, val)


def test_one_training_track_a_genre_gives_a_prediction_or_a_named_error(
    parts: tuple[Tracks, Tracks, Tracks], context: Context
) -> None:
    train, val, test = parts
    single = train.subset([str(track) for track in train.table.groupby("genre").head(1).index])
    assert len(pipeline(context).fit(single, val).predict_proba(test).tracks) == len(test)
    with pytest.raises(UserError, match="two training tracks of every genre"):
        pipeline(context, "pipeline.fusion=late").fit(single, val)


def test_infinite_features_are_named(parts: tuple[Tracks, Tracks, Tracks], context: Context, tmp_path: Path) -> None:
    train, val, _ = parts
    both = Tracks(pd.concat([train.table, val.table]), "both")
    path = with_table(both, tmp_path / "f.csv", level=[1.0] * (len(both) - 1) + [float("inf")])
    with pytest.raises(UserError, match=f"{both.ids[-1]}  level"):
        pipeline(context, "features=table", path).fit(train, val)


def test_a_track_that_is_not_in_the_table_is_named(
    parts: tuple[Tracks, Tracks, Tracks], context: Context, tmp_path: Path
) -> None:
    train, val, _ = parts
    path = with_table(train, tmp_path / "f.csv", level=[1.0] * len(train))
    with pytest.raises(UserError, match=f"lacks {len(val)} of {len(val)} tracks"):
        pipeline(context, "features=table", path).fit(train, val)


def test_fusion_without_audio_is_refused(parts: tuple[Tracks, Tracks, Tracks], context: Context) -> None:
    train, val, _ = parts
    with pytest.raises(UserError, match="features=none"):
        pipeline(context, "features=none", "pipeline.fusion=late").fit(train, val)


def test_stackers_models_are_as_long_as_the_ones_they_stand_for(
    parts: tuple[Tracks, Tracks, Tracks], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val, _ = parts
    lengths: list[int | None] = []
    fit_side = VectorPipeline._fit_side

    def noted(self: VectorPipeline, side: str, tracks: Tracks, held: Tracks | None):
        fitted = fit_side(self, side, tracks, held)
        if held is None and side == "audio":
            lengths.append(fitted.rounds)
        return fitted

    monkeypatch.setattr(VectorPipeline, "_fit_side", noted)
    quick = ["pipeline.rounds=200", "pipeline.patience=2", "pipeline.lr=0.9"]
    whole = pipeline(context, "pipeline.fusion=late", *quick).fit(train, val).models_["audio"].rounds
    assert whole is not None
    assert whole < 200
    assert set(lengths) == {whole}
