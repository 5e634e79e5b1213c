"""Audio encoders from a folder: tiny networks with random weights, made here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio
from genrefusion.features.audio_encoder import AudioEncoder, cut_windows, load_audio_model
from genrefusion.features.cache import FeatureCache
from genrefusion.features.sources import Surroundings, audio_source
from genrefusion.features.text_encoder import on_cpu
from genrefusion.settings.features import AudioEncoderFeatures

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def wav2vec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wav2vec")
    convolutions = {"conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (5, 4), "num_feat_extract_layers": 2}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**SMALL, **convolutions, **positions)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("ast")
    ASTModel(ASTConfig(**SMALL, max_length=128, num_mel_bins=32)).save_pretrained(folder)
    ASTFeatureExtractor(max_length=128, num_mel_bins=32).save_pretrained(folder)
    return folder


def encoder(folder: Path, **settings: float) -> AudioEncoder:
    chosen = {"window_seconds": 1.0, "hop_seconds": 1.0} | settings
    return AudioEncoder(AudioEncoderFeatures(model=str(folder), **chosen), max_seconds=60)


@pytest.mark.parametrize("kind", ["wav2vec", "ast"])
def test_one_vector_for_each_window(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    vectors = encoder(request.getfixturevalue(kind))(write_tone(tmp_path / "tone.wav", seconds=3))
    assert vectors.shape == (3, 16)
    assert np.isfinite(vectors).all()


def test_a_vector_is_the_mean_of_the_last_hidden_states(
    wav2vec: Path, tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    path = write_tone(tmp_path / "tone.wav", seconds=1)
    prepare, network = load_audio_model(str(wav2vec))
    inputs = prepare(load_audio(path, sample_rate=16000), sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        states = network(**inputs).last_hidden_state
    np.testing.assert_allclose(encoder(wav2vec)(path)[0], states[0].mean(dim=0).numpy(), atol=1e-5)


def test_windows_of_a_source_lie_where_they_were_cut(wav2vec: Path, tmp_path: Path) -> None:
    features = AudioEncoderFeatures(model=str(wav2vec), window_seconds=5, hop_seconds=4)
    around = Surroundings(FeatureCache(tmp_path), Terminal(quiet=True), 60.0, on_cpu)
    source = audio_source(features, around)
    np.testing.assert_allclose(source.spans(12), [[0, 5], [4, 9], [7, 12]])
    assert len(source.channels) == 16
    assert source.parameters() == sum(p.numel() for p in load_audio_model(str(wav2vec))[1].parameters())


def test_an_encoder_computes_in_single_precision_whatever_training_does(
    wav2vec: Path, tmp_path: Path, write_tone: Callable[..., Path]
) -> None:
    song = write_tone(tmp_path / "tone.wav", seconds=2)
    features = AudioEncoderFeatures(model=str(wav2vec), window_seconds=1, hop_seconds=1)
    around = Surroundings(FeatureCache(tmp_path), Terminal(quiet=True), 60.0, on_cpu)
    usual, asked = (
        audio_source(features, replace(around, precision=precision)).extractor()
        for precision in ("float32", "bfloat16")
    )
    assert asked.parameters() == usual.parameters()
    np.testing.assert_array_equal(asked(song), usual(song))


@pytest.mark.parametrize(("length", "starts"), [(3, [0]), (4, [0]), (10, [0, 3, 6]), (11, [0, 3, 6, 7])])
def test_windows_cover_the_audio(length: int, starts: list[int]) -> None:
    audio = np.arange(1, length + 1, dtype=np.float32)
    windows = cut_windows(audio, 4, 3)
    assert [int(window[0]) - 1 for window in windows] == starts
    assert all(len(window) == 4 for window in windows)
    assert {int(value) for window in windows for value in window} >= set(range(1, length + 1))


def test_another_model_is_another_entry_of_the_cache(wav2vec: Path, ast: Path) -> None:
    assert encoder(wav2vec).parameters() != encoder(ast).parameters()
    assert encoder(wav2vec).parameters() == encoder(wav2vec).parameters()


@pytest.mark.parametrize("changed", [{"window_seconds": 2.0}, {"hop_seconds": 0.5}], ids=str)
def test_what_changes_the_vectors_is_part_of_the_cache_key(changed: dict[str, float], wav2vec: Path) -> None:
    assert encoder(wav2vec, **changed).parameters() != encoder(wav2vec).parameters()
    longer = AudioEncoder(encoder(wav2vec).settings, max_seconds=90)
    assert longer.parameters() != encoder(wav2vec).parameters()


def test_a_model_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"features\.model=no/such-model"):
        load_audio_model("no/such-model")
