"""Sources of sequences: which there are, and the ready one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.sources import AudioSource, Surroundings, audio_source
from genrefusion.features.text_encoder import on_cpu
from genrefusion.features.vectors import read_vectors, summarise
from genrefusion.pipelines.audio_side import audio_side
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.frames import require_readable_frames
from genrefusion.settings import registry
from genrefusion.settings.features import FeatureSettings, HandcraftedFeatures, MelFeatures, PrecomputedFeatures
from genrefusion.settings.pipelines import CoattentionSettings, TextEncoderSettings
from genrefusion.settings.registry import registered


def source(features: FeatureSettings, folder: Path) -> AudioSource:
    return audio_source(features, Surroundings(FeatureCache(folder), Terminal(quiet=True), 600.0, on_cpu))


@pytest.fixture
def ready(tmp_path: Path) -> AudioSource:
    frames = np.array([[1.0, 4.0], [3.0, 4.0], [5.0, 6.0]])
    np.savez(tmp_path / "s.npz", track_id=["a", "b"], frames=frames, offsets=[0, 2, 3])
    return source(PrecomputedFeatures(path=str(tmp_path / "s.npz")), tmp_path)


def tracks(*ids: str) -> Tracks:
    return Tracks(pd.DataFrame({"genre": "x"}, index=pd.Index(ids, name="track_id")), "made")


def test_a_ready_file_has_sequences_of_its_tracks_and_knows_no_times(ready: AudioSource) -> None:
    assert ready.ids(tracks("b", "c", "a")) == ["b", "a"]
    np.testing.assert_array_equal(ready.sequences(tracks("b", "c"))["b"], [[5, 6]])
    assert ready.spans(30) == []
    assert ready.parameters() == 0


def test_statistics_over_time_stand_side_by_side_by_name(ready: AudioSource) -> None:
    found = summarise(ready, tracks("b", "a"), ["max", "mean", "std"])
    assert found.names == ["max_0", "max_1", "mean_0", "mean_1", "std_0", "std_1"]
    np.testing.assert_allclose(found.rows, [[5, 6, 5, 6, 0, 0], [3, 4, 2, 4, 1, 0]])


def test_tracks_that_a_file_lacks_are_named(ready: AudioSource) -> None:
    with pytest.raises(UserError, match=r"s\.npz lacks 1 of 2 tracks:\n +c"):
        summarise(ready, tracks("a", "c"), ["mean"])


def test_features_that_are_no_sequences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="features=mel gives no sequences: choose precomputed, audio_encoder or musicnn"
    ):
        source(MelFeatures(), tmp_path)


def test_every_refusal_names_a_source_that_another_package_adds(
    context: Context, ready: AudioSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @registered("features", "whistle")
    @dataclass
    class WhistleFeatures(FeatureSettings):
        are_sequences: ClassVar[bool] = True

    named, around = tracks("a"), {"max_seconds": 1, "workers": 1, "terminal": Terminal(quiet=True)}
    for refused in (
        lambda: audio_source(MelFeatures(), ready.surroundings),
        lambda: audio_side(CoattentionSettings(encoder=TextEncoderSettings()), HandcraftedFeatures(), context),
        lambda: require_readable_frames(HandcraftedFeatures(), "none"),
        lambda: read_vectors(MelFeatures(), named, context.cache, **around),
    ):
        with pytest.raises(UserError, match=r"precomputed, audio_encoder, musicnn(,| or) whistle"):
            refused()
