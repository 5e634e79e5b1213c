from __future__ import annotations

import zipfile
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from conftest import shared
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio
from genrefusion.features.cache import FeatureCache
from genrefusion.features.musicnn import (
    MusicnnExtractor,
    find_weights,
    load_musicnn,
    log_mel,
    patch_starts,
)
from genrefusion.features.sources import Surroundings, audio_source
from genrefusion.features.text_encoder import on_cpu
from genrefusion.models.musicnn import COLUMNS
from genrefusion.settings.features import MusicnnFeatures

QUIET = Terminal(quiet=True)


def noise(path: Path, seconds: float) -> Path:
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    soundfile.write(path, samples, 16_000)
    return path


def test_the_spectrogram_is_librosas() -> None:
    audio = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=audio, sr=16_000, n_fft=512, hop_length=256, n_mels=96, pad_mode="constant")
    np.testing.assert_allclose(log_mel(audio), np.log10(10_000 * mel.T + 1), atol=1e-4)


@pytest.mark.parametrize("clip", ["cute", "dubstep", "thejazzpiano"])
def test_the_spectrogram_of_a_file_is_that_of_the_published_code(clip: str) -> None:
    mel = log_mel(load_audio(shared(f"bensound/{clip}.mp3"), sample_rate=16_000))
    with np.load(shared("musicnn/reference.npz")) as reference:
        for source, patch in zip(reference["source"], reference["patches"], strict=True):
            if source.startswith(clip):
                first = int(source.split()[1]) * COLUMNS
                np.testing.assert_allclose(mel[first : first + COLUMNS], patch, atol=1e-4)


@pytest.mark.parametrize(
    ("columns", "hop_seconds", "starts"),
    [
        pytest.param(100, None, [0], id="shorter than a patch"),
        pytest.param(187, None, [0], id="one patch"),
        pytest.param(2 * 187 + 93, None, [0, 187], id="less than half a patch left"),
        pytest.param(2 * 187 + 94, None, [0, 187, 281], id="half a patch left"),
        pytest.param(187 + 62, 1.0, [0, 62], id="a second apart"),
    ],
)
def test_patches_lie_side_by_side_or_a_hop_apart(columns: int, hop_seconds: float | None, starts: list[int]) -> None:
    assert patch_starts(columns, hop_seconds) == starts


def test_layers_lie_side_by_side_and_a_long_song_is_read_in_pieces(tmp_path: Path, musicnn_weights: Path) -> None:
    song = noise(tmp_path / "song.wav", 100)
    settings = MusicnnFeatures(layers=["penultimate", "tags"], hop_seconds=2)
    vectors = MusicnnExtractor(settings, musicnn_weights, max_seconds=600)(song)
    mel = torch.from_numpy(log_mel(load_audio(song, sample_rate=16_000)))
    whole = load_musicnn(musicnn_weights)(mel, patch_starts(len(mel), 2))
    assert vectors.shape == (50, 250)
    np.testing.assert_allclose(vectors, torch.cat([whole.penultimate, whole.tags], dim=1), atol=1e-5)


def test_a_song_shorter_than_a_patch_is_followed_by_silence(tmp_path: Path, musicnn_weights: Path) -> None:
    extractor = MusicnnExtractor(MusicnnFeatures(), musicnn_weights, max_seconds=600)
    samples, rate = soundfile.read(noise(tmp_path / "short.wav", 1))
    soundfile.write(tmp_path / "padded.wav", np.pad(samples, (0, 2 * rate)), rate)
    np.testing.assert_allclose(extractor(tmp_path / "short.wav"), extractor(tmp_path / "padded.wav"), atol=1e-6)


def test_a_source_says_when_each_vector_is_heard_and_what_its_values_are(tmp_path: Path, musicnn_weights: Path) -> None:
    features = MusicnnFeatures(layers=["tags", "penultimate"], hop_seconds=2, weights=str(musicnn_weights))
    around = Surroundings(FeatureCache(tmp_path), QUIET, 600.0, on_cpu)
    source = audio_source(features, around)
    vectors = source.extractor()(noise(tmp_path / "song.wav", 10.5))
    spans = source.spans(10.5)
    assert vectors.shape == (len(spans), len(source.channels)) == (5, 250)
    np.testing.assert_allclose(spans, [[0, 2.992], [2, 4.992], [4, 6.992], [6, 8.992], [7.52, 10.5]], atol=0.02)
    assert source.channels[0] == "rock"
    assert source.parameters() == 792_079


def test_the_licence_lies_beside_the_weights(musicnn_weights: Path) -> None:
    licence = musicnn_weights.with_name("musicnn.LICENSE.md").read_text("utf-8")
    assert "Permission to use, copy, modify, and/or distribute" in licence


def test_without_a_network_one_sentence_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(UserError, match=r"musicnn==0\.1\.0 cannot be fetched[\s\S]*features\.weights=PATH"):
        find_weights("musicnn", tmp_path, QUIET)
    assert not list(tmp_path.glob("*.safetensors"))


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "musicnn-0.1.0.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("musicnn/MSD_musicnn/.index", b"")
    with pytest.raises(UserError, match="not the wheel"):
        find_weights(str(wheel), tmp_path, QUIET)


@pytest.mark.parametrize("content", [b"", b"text"], ids=["empty", "text"])
def test_a_file_that_holds_no_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not the weights of musicnn==0\.1\.0"):
        load_musicnn(path)
