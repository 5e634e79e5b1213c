"""Networks that are trained in bfloat16 on a processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import TINY_DATA, TINY_NETWORK, compose_train
from genrefusion.data.splits import split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.pipelines.base import Context, Pipeline, make_pipeline
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.settings.trainer import TrainerSettings

SMALL = ["pipeline.epochs=8", "pipeline.patience=8", "pipeline.batch_size=8", "pipeline.lr=3e-3"]
CONVOLUTIONS = ["features.frame_seconds=3", "pipeline.width=16", "pipeline.trunk.width=4", "pipeline.trunk.epochs=2"]
NETWORKS = {
    "convolutions": ["experiment=multiframe", *TINY_NETWORK, *SMALL],
    "co-attention": ["experiment=coattention", *CONVOLUTIONS, *SMALL, "pipeline.drop_side=0"],
    "head": ["experiment=lyrics_frozen", *SMALL],
    "transformer": ["experiment=lyrics_finetuned", *SMALL, "text_encoder.model={tiny}"],
}


def fit(words: list[str], tracks: Tracks, cache: Path, precision: str) -> tuple[Pipeline, Tracks]:
    config = compose_train(*TINY_DATA, *words)
    context = Context(FeatureCache(cache / "features"), trainer=TrainerSettings("cpu", mixed_precision=precision))
    fold = split_tracks(tracks, config.split, seed=0).folds[0]
    pipeline = make_pipeline(config.pipeline, config.features, context)
    return pipeline.fit(tracks.subset(fold.train), tracks.subset(fold.val)), tracks.subset(fold.val)


@pytest.mark.parametrize("words", NETWORKS.values(), ids=NETWORKS)
def test_bfloat16_trains_on_a_processor(
    words: list[str], demo: Tracks, cache: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    easy = demo.subset(demo.table.index[demo.table["genre"].isin(["country", "hiphop", "metal"])])
    words = [word.format(tiny=tiny_encoder) for word in words]
    single, val = fit(words, easy, cache, "no")
    half, _ = fit(words, easy, cache, "bf16")
    losses = half.history_.groupby("member")["loss"].agg(["first", "last"])
    assert (losses["last"] < losses["first"]).all()
    assert not half.history_["loss"].equals(single.history_["loss"]), "it was trained in another precision"
    found = half.predict_proba(val).tracks
    assert np.abs(found - single.predict_proba(val).tracks).mean(axis=None) < 0.1
    half.save(tmp_path / "model")
    assert_single_precision(tmp_path / "model")
    loaded = read_pipeline(tmp_path / "model", Context(FeatureCache(cache / "features")))
    assert loaded.context.precision == "bfloat16", "what it reads is made as in its training, whatever trainer says"
    pd.testing.assert_frame_equal(loaded.predict_proba(val).tracks, found, atol=1e-6)


def assert_single_precision(model: Path) -> None:
    weights = load_file(model / "weights.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}
    rounded = [value.bfloat16().float().equal(value) for value in weights.values() if value.ndim > 1]
    assert not any(rounded), "no weight was rounded"
