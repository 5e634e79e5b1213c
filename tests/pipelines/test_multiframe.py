from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from conftest import REPOSITORY
from genrefusion.data.tracks import Tracks
from genrefusion.features.mel import frame_starts
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.multiframe import SongFrames
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.settings.features import MelFeatures

# 12.8 kHz and a hop of 256 make 50 columns a second; a frame of 2 s has 101.
TRIMMED = MelFeatures(sample_rate=12800, frame_seconds=2, trim=1)
OUTSIDE = 60.0


def cut_often(columns: int, span: tuple[int, int]) -> torch.Tensor:
    """1,000 random cuts, one after another, of a song whose columns count up in tenths within a span."""
    counted = np.arange(columns, dtype=np.float32) / 10
    outside = (np.arange(columns) < span[0]) | (np.arange(columns) >= span[1])
    song = np.tile(np.where(outside, np.float32(OUTSIDE), counted), (96, 1))
    torch.manual_seed(0)
    frames = SongFrames({"a": song}, [0], TRIMMED, random_cuts=True)
    return torch.stack([frames[0][0] for _ in range(1000)])


@pytest.mark.parametrize(
    ("columns", "span", "starts"),
    [
        pytest.param(250, (50, 200), range(50, 100), id="trimmed"),
        pytest.param(201, (50, 151), range(50, 51), id="trimmed to one frame"),
        pytest.param(180, (0, 180), range(80), id="used whole as trimming leaves too little"),
        pytest.param(60, (0, 60), range(1), id="shorter than a frame"),
    ],
)
def test_random_cuts_reach_all_of_the_trimmed_song_and_nothing_else(
    columns: int, span: tuple[int, int], starts: range
) -> None:
    cuts = cut_often(columns, span)
    assert cuts.shape == (1000, 96, 101)
    assert cuts.max() < OUTSIDE
    assert set((10 * cuts[:, 0, 0]).round().int().tolist()) == set(starts)


def test_cuts_that_are_not_random_stay_where_they_are() -> None:
    song = np.random.default_rng(0).uniform(-50, 0, (96, 400)).astype(np.float32)
    frames = SongFrames({"a": song}, [3], TRIMMED)
    assert frames.starts == frame_starts(400, TRIMMED)
    for number, start in enumerate(frames.starts):
        frame, label = frames[number]
        np.testing.assert_array_equal(frame, song[:, start : start + 101])
        assert label == 3


def test_the_neighbours_are_prepared_once_for_many_predictions(
    demo: Tracks, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, plain = [], KNeighborsClassifier.fit
    monkeypatch.setattr(KNeighborsClassifier, "fit", lambda self, *a: (fitted.append(self), plain(self, *a))[1])
    run = REPOSITORY / "tests" / "fixtures" / "cea9ebd" / "runs" / "multiframe_knn"
    pipeline = read_pipeline(run / "model", context)
    whole = pipeline.predict_proba(demo.subset(demo.ids[:3])).tracks
    for track in demo.ids[:3]:
        np.testing.assert_allclose(pipeline.predict_proba(demo.subset([track])).tracks, whole.loc[[track]])
    assert len(fitted) == 1
