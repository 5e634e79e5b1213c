"""Costs of a prediction: multiply-adds against sums by hand, files, and a cache that stays as it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conftest import TINY_DATA, TINY_NETWORK, compose_train
from genrefusion.core.errors import UserError
from genrefusion.core.machine import machine
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.mel import MelExtractor, frame_columns, frame_starts
from genrefusion.features.text_encoder import load_pretrained
from genrefusion.features.transformer import Transformer
from genrefusion.models.coattention import BidirectionalLstm
from genrefusion.models.crnn import POOLS, KerasGru, Trunk
from genrefusion.pipelines.base import Context, Pipeline, make_pipeline
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.runs.costs import count_macs, measure_alone, measure_costs
from genrefusion.settings.pipelines import TextEncoderSettings

pytestmark = pytest.mark.slow

KEYS = {"ms_per_song", "macs", "file_bytes", "parameters", "peak_memory_mb"}


def costs_of(pipeline: Pipeline, tracks: Tracks, folder: Path, *, songs: int = 8) -> dict[str, Any]:
    """What a trained pipeline costs once it is saved in a folder."""
    pipeline.save(folder)
    context = pipeline.context
    return measure_costs(folder, tracks, trainer=context.trainer, max_seconds=context.max_seconds, songs=songs)


@pytest.fixture(scope="module")
def parts(demo: Tracks) -> tuple[Tracks, Tracks]:
    two = demo.subset(demo.table.index[demo.table["genre"].isin(["country", "metal"])])
    return two.subset(two.ids[::2]), two.subset(two.ids[1::2])


@pytest.fixture(scope="module")
def fit(parts: tuple[Tracks, Tracks], cache: Path) -> Callable[..., Pipeline]:
    """Train what the overrides say, on two genres."""

    def fit(*overrides: str) -> Pipeline:
        config = compose_train(*TINY_DATA, *overrides)
        return make_pipeline(config.pipeline, config.features, Context(FeatureCache(cache / "features"))).fit(*parts)

    return fit


@pytest.fixture(scope="module")
def coattention(fit: Callable[..., Pipeline], tiny_encoder: Path) -> Pipeline:
    sizes = ["pipeline.width=16", "pipeline.trunk.width=4", "features.frame_seconds=3"]
    short = ["pipeline.epochs=1", "pipeline.trunk.epochs=1"]
    return fit("experiment=coattention", *sizes, *short, f"text_encoder.model={tiny_encoder}")


LAYERS = {
    "linear": (nn.Linear(6, 5), (2, 7, 6), 2 * 7 * 6 * 5),
    "convolution": (nn.Conv2d(3, 4, 3, padding=1), (2, 3, 5, 6), 2 * 5 * 6 * 4 * 3 * 9),
    "long short-term memory": (nn.LSTM(6, 5, batch_first=True), (2, 7, 6), 2 * 7 * 4 * 5 * (6 + 5)),
    "two layers of it, both ways": (
        nn.LSTM(6, 5, num_layers=2, bidirectional=True),
        (7, 2, 6),
        2 * 7 * 2 * 4 * 5 * ((6 + 5) + (10 + 5)),
    ),
    "gated recurrent": (nn.GRU(6, 5, batch_first=True), (2, 7, 6), 2 * 7 * 3 * 5 * (6 + 5)),
    "gated recurrent of Keras": (KerasGru(6, 5), (2, 7, 6), 2 * 7 * 3 * 5 * (6 + 5)),
}


@pytest.mark.parametrize(("layer", "shape", "expected"), LAYERS.values(), ids=LAYERS)
def test_multiply_adds_of_a_layer_are_those_by_hand(layer: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert count_macs(lambda: layer.eval()(torch.randn(shape))) == expected


def test_multiply_adds_of_a_network_are_the_sum_of_its_layers() -> None:
    linear, lstm = nn.Linear(6, 4), BidirectionalLstm(4, 3)
    inputs, lengths = torch.randn(2, 7, 6), torch.tensor([7, 3])
    expected = 2 * 7 * 6 * 4 + 2 * (2 * 7 * 4 * 3 * (4 + 3))
    assert count_macs(lambda: lstm(linear(inputs), lengths)) == expected


@pytest.mark.parametrize("masked", [False, True])
def test_multiply_adds_of_attention_are_those_by_hand(masked: bool) -> None:
    query, key, value = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 8)
    mask = torch.ones(2, 1, 5, 7, dtype=torch.bool) if masked else None
    found = count_macs(lambda: nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask))
    assert found == 2 * 3 * 5 * 7 * (8 + 8)


def test_multiply_adds_of_a_transformer_are_those_by_hand(tiny_encoder: Path) -> None:
    transformer = Transformer(TextEncoderSettings(), *load_pretrained(str(tiny_encoder)))
    text = "rain on the road and the river below"
    n, width = len(transformer.tokens(text)) + 2, 32
    expected = 4 * n * width**2 + 2 * n**2 * width + 2 * n * width * 32 + width**2  # at last the pooler of one token
    assert count_macs(lambda: transformer.encode([text])) == expected


def test_multiply_adds_of_a_multiframe_prediction_are_those_by_hand(
    fit: Callable[..., Pipeline], parts: tuple[Tracks, Tracks], tmp_path: Path
) -> None:
    pipeline = fit("experiment=multiframe", *TINY_NETWORK, "pipeline.epochs=1")
    song = parts[1].subset(parts[1].ids[:1])
    found = costs_of(pipeline, song, tmp_path / "costs")
    mel = MelExtractor(pipeline.features)(song.paths()[song.ids[0]])
    bands, columns, below, frame = 96, frame_columns(pipeline.features), 1, 0
    for above, (by_bands, by_columns) in zip(Trunk(width=4).channels, POOLS, strict=True):
        frame += bands * columns * below * above * 9
        bands, columns, below = bands // by_bands, columns // by_columns, above
    inputs = 4 + 3 * 8
    frame += columns * 3 * 32 * ((inputs + 32) + (32 + 32))  # two recurrent layers
    frame += 2 * (32 + 2 * inputs)  # two genres
    assert found["macs"] == frame * len(frame_starts(mel.shape[1], pipeline.features))


def test_costs_of_a_network_are_whole_and_leave_it_and_its_cache_alone(
    coattention: Pipeline, parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path
) -> None:
    expected = coattention.predict_proba(parts[1])
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    found = costs_of(coattention, parts[1], tmp_path / "costs", songs=2)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
    assert set(found) == KEYS
    assert found["ms_per_song"] > 0
    assert found["file_bytes"] == sum(path.stat().st_size for path in (tmp_path / "costs").iterdir())
    assert found["parameters"] == coattention.parameter_count()
    again = coattention.predict_proba(parts[1])
    assert set(again.views) == {"both sides", "audio alone", "lyrics alone"}
    pd.testing.assert_frame_equal(again.tracks, expected.tracks)


def test_multiply_adds_begin_with_the_file_and_the_lyrics_and_leave_views_out(
    coattention: Pipeline, parts: tuple[Tracks, Tracks], tmp_path: Path
) -> None:
    song = parts[1].subset(parts[1].ids[:1])
    found = costs_of(coattention, song, tmp_path / "costs")["macs"]
    coattention.save(tmp_path / "model")
    loaded = read_pipeline(tmp_path / "model", Context(FeatureCache(tmp_path), views=False))
    assert count_macs(lambda: loaded.predict_proba(song)) == found
    from_the_cache = count_macs(lambda: loaded.predict_proba(song))
    assert 0 < from_the_cache < found
    loaded.context = replace(loaded.context, views=True)
    assert count_macs(lambda: loaded.predict_proba(song)) > from_the_cache


def test_a_pipeline_without_a_network_has_no_multiply_adds_and_never_imports_pytorch(
    fit: Callable[..., Pipeline], parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path
) -> None:
    fit("experiment=xgboost_97", "pipeline.rounds=3").save(tmp_path / "model")
    parts[1].table.to_pickle(tmp_path / "tracks.pkl")
    code = f"""
import sys
from pathlib import Path
import pandas as pd
from genrefusion.runs.costs import measure_costs
from genrefusion.data.tracks import Tracks
from genrefusion.settings.trainer import TrainerSettings
tracks = Tracks(pd.read_pickle({str(tmp_path / "tracks.pkl")!r}), "demo")
found = measure_costs(Path({str(tmp_path / "model")!r}), tracks, trainer=TrainerSettings(), max_seconds=600, songs=2)
assert found["macs"] is None and found["ms_per_song"] > 0 and found["file_bytes"] > 0 and found["parameters"] > 0, found
assert "torch" not in sys.modules
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_a_pipeline_without_a_network_has_no_multiply_adds_where_pytorch_is_loaded_too(
    fit: Callable[..., Pipeline], parts: tuple[Tracks, Tracks], tmp_path: Path
) -> None:
    assert costs_of(fit("experiment=lyrics_tfidf"), parts[1], tmp_path, songs=1)["macs"] is None


@pytest.mark.long
def test_memory_is_that_of_the_prediction_whatever_the_asking_process_holds(
    fit: Callable[..., Pipeline], parts: tuple[Tracks, Tracks], tmp_path: Path
) -> None:
    pipeline = fit("experiment=xgboost_97", "pipeline.rounds=3")
    pipeline.save(tmp_path)
    before = measure_alone(tmp_path, pipeline.context, parts[1])
    held = bytearray(b"1" * 300_000_000)
    after = measure_alone(tmp_path, pipeline.context, parts[1])
    assert abs(after["peak_memory_mb"] - before["peak_memory_mb"]) < 0.1 * len(held) / 2**20
    assert set(after) == KEYS | {"peak_memory_mb", "threads", "machine"}
    assert after["file_bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert after["machine"]["processor"] == machine()["processor"]


def test_a_model_that_cannot_be_measured_says_why(parts: tuple[Tracks, Tracks], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trained pipeline"):
        measure_alone(tmp_path, Context(FeatureCache(tmp_path)), parts[1])


def test_ready_features_are_read_for_the_song_alone(
    fit: Callable[..., Pipeline], parts: tuple[Tracks, Tracks], tiny_encoder: Path, tmp_path: Path
) -> None:
    ids = [*parts[0].ids, *parts[1].ids]
    values = np.arange(3.0 * len(ids)).reshape(-1, 3)
    pd.DataFrame(values, index=pd.Index(ids, name="track_id")).to_csv(tmp_path / "table.csv")
    table = fit("experiment=xgboost", "features=table", f"features.path={tmp_path / 'table.csv'}", "pipeline.rounds=3")
    heard = ids[:-3]  # the last songs have lyrics alone
    offsets = np.arange(len(heard) + 1)
    np.savez(tmp_path / "vectors.npz", track_id=heard, frames=values[: len(heard)], offsets=offsets)
    vectors = fit(
        "experiment=coattention",
        "features=precomputed",
        f"features.path={tmp_path / 'vectors.npz'}",
        "pipeline.width=16",
        "pipeline.epochs=1",
        f"text_encoder.model={tiny_encoder}",
    )
    for pipeline, has_network in ((table, False), (vectors, True)):
        path = pipeline.features.path
        found = costs_of(pipeline, parts[1], tmp_path / f"costs{has_network}")
        assert found["ms_per_song"] > 0
        assert (found["macs"] is not None) == has_network
        assert pipeline.features.path == path
