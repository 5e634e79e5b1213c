"""Spectrograms that the convolutions cannot read are refused before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genrefusion.core.errors import UserError
from genrefusion.features.cache import FeatureCache
from genrefusion.features.mel import frame_columns
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines.base import Context, make_pipeline
from genrefusion.pipelines.frames import require_readable_frames
from genrefusion.settings.features import FeatureSettings, HandcraftedFeatures, MelFeatures
from genrefusion.settings.pipelines import (
    CoattentionSettings,
    MultiframeSettings,
    PipelineSettings,
    TextEncoderSettings,
)

MULTIFRAME = MultiframeSettings()
COATTENTION = CoattentionSettings(encoder=TextEncoderSettings())


@pytest.mark.parametrize("pipeline", [MULTIFRAME, COATTENTION], ids=["multiframe", "coattention"])
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (MelFeatures(n_mels=128), "features.n_mels=128: the network reads 96 bands."),
        (MelFeatures(frame_seconds=2), "features.frame_seconds=2: 94 columns with .* Take frames of 2.03 s"),
        (MelFeatures(hop=512, frame_seconds=4), "features.frame_seconds=4: 94 columns with .* Take frames of 4.06 s"),
        (MelFeatures(sample_rate=100), "features.frame_seconds=29.1.*: 12 columns"),
    ],
    ids=["bands", "short frames", "long hops", "low rate"],
)
def test_unreadable_spectrograms_are_refused_when_a_pipeline_is_made(
    pipeline: PipelineSettings, features: FeatureSettings, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        make_pipeline(pipeline, features, Context(FeatureCache(tmp_path)))


def test_other_features_than_spectrograms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="features=handcrafted: the network reads mel-spectrograms: features=mel"):
        make_pipeline(MULTIFRAME, HandcraftedFeatures(), Context(FeatureCache(tmp_path)))


def test_the_advised_length_is_the_shortest_that_the_network_reads() -> None:
    features = MelFeatures(hop=512, frame_seconds=4.06)
    require_readable_frames(features, "none")
    trunk = Trunk(width=2).eval()
    assert trunk(torch.zeros(1, 96, frame_columns(features))).shape[1] == 1
    with pytest.raises(RuntimeError, match="too small"):
        trunk(torch.zeros(1, 96, frame_columns(features) - 1))
