"""What the co-attention pipeline does beyond the contract."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import TINY_DATA, compose_train
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.pipelines import audio_side
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.coattention import CoattentionPipeline
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.pipelines.sequences import Sequences, drop_sides
from genrefusion.runs.training import prepare

TINY = ["experiment=coattention", "pipeline.width=16", "pipeline.epochs=1", "pipeline.trunk.width=4"]
TINY += ["pipeline.trunk.epochs=1", "features.frame_seconds=3"]


def pipeline(cache: Path, *overrides: str) -> CoattentionPipeline:
    config = compose_train(*TINY_DATA, *TINY, *overrides)
    return CoattentionPipeline(config.pipeline, config.features, Context(FeatureCache(cache / "features")))


@pytest.fixture(scope="module")
def parts(demo: Tracks) -> tuple[Tracks, Tracks]:
    two = demo.subset(demo.table.index[demo.table["genre"].isin(["country", "metal"])])
    return two.subset(two.ids[::2]), two.subset(two.ids[1::2])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fit says."""
    return tmp_path_factory.mktemp("said") / "run.log"


@pytest.fixture(scope="module")
def fitted(parts: tuple[Tracks, Tracks], cache: Path, log: Path) -> CoattentionPipeline:
    untrained = pipeline(cache)
    untrained.context.terminal = Terminal(quiet=True, log=log)
    return untrained.fit(*parts)


def test_convolutions_and_attention_are_trained_under_names_of_their_own(
    fitted: CoattentionPipeline, log: Path
) -> None:
    trained = [line.split("  ")[1] for line in log.read_text().splitlines() if " epoch" in line]
    assert trained == ["trunk", "train"]


@pytest.fixture(scope="module")
def saved(fitted: CoattentionPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coattention") / "model"
    fitted.save(folder)
    return folder


def with_values(tracks: Tracks, **values: str | None) -> Tracks:
    return replace(tracks, table=tracks.table.assign(**values))


STRANGE = {
    "emoji": "🎸🔥 love 🎶\n💔 me",
    "right to left": "אהבה שלי\nحبيبي يا نور العين",
    "50,000 words": "rain on the road " * 12_500,
    "marks alone": "[Chorus]\n[00:12.00]\nx2",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_strange_lyrics_get_a_prediction(fitted: CoattentionPipeline, parts: tuple[Tracks, Tracks], text: str) -> None:
    song = with_values(parts[1].subset(parts[1].ids[:1]), lyrics=text)
    assert np.isfinite(fitted.predict_proba(song).tracks.to_numpy()).all()


def test_lyrics_that_are_marks_alone_count_as_none(fitted: CoattentionPipeline, parts: tuple[Tracks, Tracks]) -> None:
    songs = parts[1].subset(parts[1].ids[:2])
    marks, none = (with_values(songs, lyrics=text) for text in (STRANGE["marks alone"], None))
    pd.testing.assert_frame_equal(fitted.predict_proba(marks).tracks, fitted.predict_proba(none).tracks)


def test_a_song_of_one_frame_gets_a_prediction(
    fitted: CoattentionPipeline, parts: tuple[Tracks, Tracks], write_tone: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_tone(tmp_path / "short.wav", seconds=2)
    song = with_values(parts[1].subset(parts[1].ids[:1]), audio=str(path), sha256="short")
    assert np.isfinite(fitted.predict_proba(song).tracks.to_numpy()).all()


def test_views_are_the_predictions_from_one_side(fitted: CoattentionPipeline, parts: tuple[Tracks, Tracks]) -> None:
    views = fitted.predict_proba(parts[1]).views
    for view, lacking in (("audio alone", {"lyrics": None}), ("lyrics alone", {"audio": None})):
        expected = fitted.predict_proba(with_values(parts[1], **lacking)).tracks
        pd.testing.assert_frame_equal(views[view], expected, atol=1e-5)


@pytest.mark.parametrize("heard", [False, True])
def test_a_step_learns_songs_with_lyrics_without_them_too(
    heard: bool, fitted: CoattentionPipeline, parts: tuple[Tracks, Tracks], cache: Path
) -> None:
    learning = pipeline(cache, "pipeline.drop_side=0", "pipeline.label_smoothing=0", f"pipeline.heard_alone={heard}")
    songs = with_values(parts[0], lyrics=[None, *parts[0].table["lyrics"][1:]])
    pairs, classes = Sequences.collate(list(fitted._songs(songs)))
    network = fitted.networks_[0]
    found = learning._loss(network, pairs, classes)
    alone, _ = Sequences.collate(list(fitted._songs(with_values(parts[0], lyrics=None))))
    logits = [network(pairs), network(alone)[1:]] if heard else [network(pairs)]
    expected = [torch.nn.functional.cross_entropy(rows, classes[-len(rows) :], reduction="sum") for rows in logits]
    whole = sum(expected) / sum(map(len, logits))
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
    parameters = list(network.parameters())
    gradients = [torch.autograd.grad(loss, parameters, allow_unused=True) for loss in (found, whole)]
    for in_parts, at_once in zip(*gradients, strict=True):
        torch.testing.assert_close(in_parts, at_once, atol=1e-5, rtol=1e-4)


def test_views_are_left_out_where_nobody_asks_for_them(
    fitted: CoattentionPipeline, saved: Path, parts: tuple[Tracks, Tracks], context: Context
) -> None:
    found = read_pipeline(saved, replace(context, views=False)).predict_proba(parts[1])
    assert not found.views
    pd.testing.assert_frame_equal(found.tracks, fitted.predict_proba(parts[1]).tracks, atol=1e-6)


@pytest.mark.parametrize(("key", "value"), [("width", 32), ("layers", 3), ("none", 1)])
def test_weights_of_another_shape_are_named(
    saved: Path, tmp_path: Path, context: Context, key: str, value: int
) -> None:
    folder = shutil.copytree(saved, tmp_path / "model")
    description = json.loads((folder / "pipeline.json").read_text())
    description["pipeline"][key] = value
    (folder / "pipeline.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"weights.safetensors: not the weights of this pipeline"):
        read_pipeline(folder, context)


def test_a_transformer_that_does_not_exist_is_named_with_what_there_is(
    parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path
) -> None:
    wrong = pipeline(cache, f"text_encoder.model={tmp_path / 'gone'}")
    with pytest.raises(UserError, match=r"text_encoder.model=.*gone: no folder.*\nWithout a network there is: minilm"):
        wrong.prepare(parts[0])


def test_without_none_vectors_songs_of_one_side_are_predicted_and_attention_is_a_share(
    parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path, context: Context
) -> None:
    train = parts[0]
    mixed = replace(train, table=train.table.assign(lyrics=[None, *train.table["lyrics"][1:]]))
    fitted = pipeline(cache, "pipeline.none=0").fit(mixed, parts[1])
    prediction = fitted.predict_proba(parts[1])
    assert np.isfinite([table.to_numpy() for table in prediction.views.values()]).all()
    for attention in fitted.attend(parts[1].subset(parts[1].ids[:2])):
        for shares in (attention.over_words.sum(axis=1), attention.audio_weights.sum(), attention.text_weights.sum()):
            np.testing.assert_allclose(shares, 1, atol=1e-5)
    fitted.save(tmp_path / "model")
    loaded = read_pipeline(tmp_path / "model", context).predict_proba(parts[1])
    pd.testing.assert_frame_equal(loaded.tracks, prediction.tracks, atol=1e-6)


def test_of_the_convolutions_the_last_level_alone_is_read_where_it_is_asked_for(
    parts: tuple[Tracks, Tracks], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = pipeline(cache, "pipeline.levels=last").fit(*parts)
    songs = parts[1].subset(parts[1].ids[:3])
    expected = last.predict_proba(songs).tracks
    outputs = audio_side.trunk_outputs
    for changed, ignored in ((np.s_[:, :, :-8], True), (np.s_[:, :, -8:], False)):

        def other(*given: Any, changed: Any = changed, **named: Any) -> dict[str, np.ndarray]:
            arrays = {song: np.array(array) for song, array in outputs(*given, **named).items()}
            assert {array.shape[2] for array in arrays.values()} == {4 + 3 * 8}
            for array in arrays.values():
                array[changed] = 1 - 2 * array[changed]
            return arrays

        monkeypatch.setattr(audio_side, "trunk_outputs", other)
        assert np.allclose(last.predict_proba(songs).tracks, expected) == ignored


def test_training_songs_without_audio_are_told_how_to_go_on(parts: tuple[Tracks, Tracks], cache: Path) -> None:
    silent = [with_values(part, audio=None) for part in parts]
    with pytest.raises(UserError, match=r"Read the lyrics alone: pipeline.sides=lyrics"):
        pipeline(cache).fit(*silent)


def test_no_more_songs_than_asked_for_lose_a_side() -> None:
    torch.manual_seed(0)
    text = {f"t{i}": np.ones((3, 2), np.float16) for i in range(4000)}
    audio = {song: np.ones((1, 2, 5), np.float32) for song in text if song != "t0"}
    songs = Sequences(list(text), audio, text, [0] * len(text))
    pairs, _ = songs.collate([songs[i] for i in range(len(songs))])
    dropped = drop_sides(pairs, 0.3)
    heard, read = dropped.audio_mask.any(dim=1), dropped.text_mask.any(dim=1)
    assert (heard | read).all(), "no song loses both"
    assert read[0], "what a song has alone stays"
    assert (~heard[1:]).float().mean() == pytest.approx(0.15, abs=0.03)
    assert (~read[1:]).float().mean() == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize(
    ("lacking", "kept", "advice"),
    [
        ("lyrics", "audio", "pipeline.sides=audio, or experiment=multiframe"),
        ("audio", "lyrics", "pipeline.sides=lyrics, or experiment=lyrics"),
    ],
)
def test_a_corpus_without_a_side_is_refused_with_what_to_run_instead(
    lacking: str, kept: str, advice: str, demo: Tracks, tmp_path: Path
) -> None:
    table = demo.table.reset_index()[["track_id", "genre", kept]]
    words = [*TINY, "data=manifest", f"data.manifest={tmp_path}/t.csv", f"cache={tmp_path}/cache"]
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=f"No track of t has {lacking}") as error:
        prepare(compose_train(*words), Terminal(quiet=True))
    assert advice in str(error.value)
    assert not (tmp_path / "cache").exists(), "no audio was read"
    table.assign(**{lacking: None}).astype({lacking: object}).pipe(give_first, lacking, demo).to_csv(
        tmp_path / "t.csv", index=False
    )
    prepare(compose_train(*words), Terminal(quiet=True))


def give_first(table: pd.DataFrame, side: str, demo: Tracks) -> pd.DataFrame:
    table.loc[0, side] = demo.table[side].iloc[0]
    return table
