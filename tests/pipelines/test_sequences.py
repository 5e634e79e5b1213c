"""Two sequences a song: batches, parts, scales, and tracks that lack a side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import compose_train
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache, LazyView, Recipe, ScratchCache, decoders
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines import sequences
from genrefusion.pipelines.audio_side import audio_side
from genrefusion.pipelines.base import Context, make_pipeline
from genrefusion.pipelines.frames import trunk_outputs
from genrefusion.pipelines.sequences import Sequences, batches, drop_sides, heard_alone, in_parts
from genrefusion.settings.features import MelFeatures
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training.loop import make_accelerator


@pytest.fixture
def songs() -> Sequences:
    rng = np.random.default_rng(0)
    audio = {"a": rng.normal(size=(2, 3, 4)), "b": rng.normal(size=(1, 3, 4))}
    text = {name: rng.normal(size=(n, 5)).astype(np.float16) for name, n in (("a", 4), ("b", 0), ("c", 2))}
    return Sequences(["a", "b", "c"], audio, text, [0, 1, 0])


def test_a_batch_holds_every_song_and_masks_the_rest(songs: Sequences) -> None:
    pairs, labels = songs.collate([songs[i] for i in range(3)])
    assert pairs.audio.shape == (3, 6, 4)
    assert pairs.text.shape == (3, 4, 5)
    assert pairs.audio_mask.sum(dim=1).tolist() == [6, 3, 0]
    assert pairs.text_mask.sum(dim=1).tolist() == [4, 0, 2]
    assert labels.tolist() == [0, 1, 0]
    np.testing.assert_allclose(pairs.audio[0], songs.audio["a"].reshape(6, 4), rtol=1e-6)
    assert pairs.places[0].tolist() == [[f, s] for f in (0, 1) for s in (0, 1, 2)]


def test_a_batch_without_a_side_has_one_position_of_padding(songs: Sequences) -> None:
    pairs, _ = songs.collate([songs[2]])
    assert pairs.audio.shape == (1, 1, 4)
    assert not pairs.audio_mask.any()


def test_a_part_lacks_the_side_that_was_taken_out(songs: Sequences) -> None:
    heard, read = songs.part(["a"], without="lyrics"), songs.part(["a"], without="audio")
    assert len(heard.text["a"]) == 0
    assert len(heard.audio["a"]) == 2
    assert read.audio == {}
    assert len(read.text["a"]) == 4


def test_scale_is_that_of_all_positions(songs: Sequences) -> None:
    every = np.concatenate([a.reshape(-1, 4) for a in songs.audio.values()])
    mean, deviation = songs.audio_scale()
    np.testing.assert_allclose(mean, every.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(deviation, every.std(axis=0), atol=1e-6)


def test_scale_of_songs_far_from_zero_is_that_of_all_positions(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = {str(n): rng.normal(1000, 0.5, size=(n % 4, 3, 4)).astype(np.float32) for n in range(40)}
    store = FeatureCache(tmp_path).store(Recipe("trunk", 1, {}))
    list(store.fill(arrays, ["trunk"], lambda song: {"trunk": arrays[song]}))
    stored = {song: LazyView(found["trunk"], np.s_[:, :, -2:]) for song, found in store.find(arrays, ["trunk"]).items()}
    mean, deviation = Sequences(list(arrays), stored, {}, [0] * 40).audio_scale()
    every = np.concatenate([a.reshape(-1, 4)[:, -2:] for a in arrays.values()]).astype(np.float64)
    np.testing.assert_allclose(mean, every.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, every.std(axis=0), rtol=1e-6)


def test_a_song_never_loses_both_sides(songs: Sequences) -> None:
    torch.manual_seed(0)
    pairs, _ = songs.collate([songs[i] for i in (0, 1, 2)])
    lost = {"audio": 0, "lyrics": 0}
    for _ in range(200):
        dropped = drop_sides(pairs, 0.5)
        there = dropped.audio_mask.any(dim=1), dropped.text_mask.any(dim=1)
        assert (there[0] | there[1]).all()
        assert there[0].tolist()[1:] == [True, False]
        lost["audio"] += not there[0][0]
        lost["lyrics"] += not there[1][0]
    assert all(30 < count < 70 for count in lost.values())


def test_songs_with_both_sides_are_heard_alone(songs: Sequences) -> None:
    pairs, _ = songs.collate([songs[i] for i in (1, 0, 2)])
    [(heard, places)] = heard_alone(pairs)
    assert places.tolist() == [1], "of the others one side is there only"
    assert not heard.text_mask.any()
    assert torch.equal(heard.audio, pairs.audio[1:2])
    assert heard.audio_mask.sum() == 6
    silent, _ = songs.collate([songs[1]])
    assert not heard_alone(silent)


def test_a_batch_in_parts_holds_each_song_once_without_the_padding_of_longer_ones(songs: Sequences) -> None:
    pairs, _ = songs.collate([songs[i] for i in (0, 1, 2, 1)])
    parts = in_parts(pairs)
    assert [places.tolist() for _, places in parts] == [[1, 3], [2], [0]], "without lyrics, shorter, longer"
    assert [part.text.shape[1] for part, _ in parts] == [1, 2, 4]
    for part, places in parts:
        assert torch.equal(part.text_mask.sum(dim=1), pairs.text_mask.sum(dim=1)[places])
        assert torch.equal(part.audio, pairs.audio[places])
        assert torch.equal(part.text, pairs.text[places, : part.text.shape[1]])


def test_long_songs_are_predicted_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_BATCH_PAIRS", 24)
    positions, words = [2, 2, 2, 9, 1, 1, 3], [3, 3, 5, 9, 0, 1, 2]
    names = [str(number) for number in range(7)]
    audio = {name: np.zeros((1, n, 4)) for name, n in zip(names, positions, strict=True) if name != "5"}
    text = {name: np.zeros((n, 5), np.float16) for name, n in zip(names, words, strict=True)}
    songs = Sequences(names, audio, text, [0] * 7)
    found = list(batches(songs, range(7), torch.device("cpu")))
    assert [len(pairs.text) for pairs in found] == [2, 1, 1, 3], "one that is too long alone comes alone"
    assert [pairs.text.shape[1] for pairs in found] == [3, 5, 9, 2]


def test_silent_songs_are_one_part(songs: Sequences) -> None:
    pairs, _ = songs.collate([songs[1], songs[1]])
    assert [places.tolist() for _, places in in_parts(pairs)] == [[0, 1]]


def test_tracks_with_nothing_to_read_are_named(tmp_path: Path, context: Context) -> None:
    np.savez(tmp_path / "v.npz", track_id=["a"], frames=np.ones((2, 3), np.float32), offsets=[0, 2])
    table = pd.DataFrame(
        {"genre": ["x"] * 3, "lyrics": [None, "words of a song", "[Chorus]"]}, index=pd.Index(["a", "b", "c"])
    )
    tracks = Tracks(table, "corpus")
    config = compose_train("experiment=coattention", "features=precomputed", f"features.path={tmp_path / 'v.npz'}")
    assert audio_side(config.pipeline, config.features, context).ids(tracks) == ["a"]
    with pytest.raises(UserError, match=r"1 of 3 tracks of corpus have no audio and no lyrics[\s\S]*  c"):
        make_pipeline(config.pipeline, config.features, context).prepare(tracks)


def test_features_of_one_level_have_no_last_one_to_choose(context: Context) -> None:
    config = compose_train("experiment=coattention", "features=precomputed", "features.path=vectors.npz")
    config.pipeline.levels = "last"
    with pytest.raises(UserError, match=r"pipeline.levels=last: the audio of features=precomputed has one level"):
        make_pipeline(config.pipeline, config.features, context)


def test_outputs_of_convolutions_belong_to_the_decoders_and_the_kind_of_device(demo: Tracks, tmp_path: Path) -> None:
    scratch = ScratchCache(tmp_path)
    songs, features = demo.subset(demo.ids[:2]), MelFeatures(frame_seconds=3)
    outputs = trunk_outputs(Trunk(width=4).eval(), songs, features, Context(scratch))
    assert list(outputs) == songs.ids
    made_with = {store.recipe.name: dict(store.recipe.made_with) for store in scratch.stores.values()}
    device = make_accelerator(TrainerSettings()).device.type
    assert made_with == {"mel": decoders(), "trunk": decoders() | {"device": device}}
