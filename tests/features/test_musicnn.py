from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from conftest import shared
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio
from genrefusion.features.cache import FeatureCache
from genrefusion.features.musicnn import MusicnnExtractor, log_mel, patch_starts
from genrefusion.features.musicnn_weights import load_musicnn
from genrefusion.features.sources import Surroundings, audio_source
from genrefusion.features.text_encoder import on_cpu
from genrefusion.models.musicnn import COLUMNS
from genrefusion.settings.features import MusicnnFeatures


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
    ("columns", "hop", "starts"),
    [
        pytest.param(100, 3, [0], id="shorter than a patch"),
        pytest.param(187, 3, [0], id="one patch"),
        pytest.param(2 * 187 + 93, 3, [0, 187], id="less than half a patch left"),
        pytest.param(2 * 187 + 94, 3, [0, 187, 281], id="half a patch left"),
        pytest.param(187 + 62, 1, [0, 62], id="a second apart"),
    ],
)
def test_patches_lie_side_by_side_or_a_hop_apart(columns: int, hop: float, starts: list[int]) -> None:
    assert patch_starts(columns, hop) == starts


@pytest.mark.parametrize(("seconds", "hop"), [(80, 1), (400, 45)], ids=["overlapping", "far apart"])
def test_layers_lie_side_by_side_and_a_long_song_is_read_in_pieces(
    seconds: int, hop: int, tmp_path: Path, musicnn_weights: Path
) -> None:
    song = noise(tmp_path / "song.wav", seconds)
    settings = MusicnnFeatures(layers=["penultimate", "tags"], hop_seconds=hop)
    vectors = MusicnnExtractor(settings, musicnn_weights, max_seconds=600)(song)
    mel = torch.from_numpy(log_mel(load_audio(song, sample_rate=16_000)))
    whole = load_musicnn(musicnn_weights)(mel, patch_starts(len(mel), hop))
    np.testing.assert_allclose(vectors, torch.cat([whole.penultimate, whole.log_tags], dim=1), atol=1e-5)


def test_of_the_precisions_one_is_usual_and_the_other_a_part_of_the_key(tmp_path: Path, musicnn_weights: Path) -> None:
    song = noise(tmp_path / "song.wav", 6)
    usual, rounded = (
        MusicnnExtractor(MusicnnFeatures(), musicnn_weights, max_seconds=600, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert rounded.parameters() == dict(usual.parameters()) | {"precision": "bfloat16"}
    assert np.abs(np.exp(rounded(song)) - np.exp(usual(song))).max() <= 0.003


def test_a_song_shorter_than_a_patch_is_followed_by_silence(tmp_path: Path, musicnn_weights: Path) -> None:
    extractor = MusicnnExtractor(MusicnnFeatures(), musicnn_weights, max_seconds=600)
    samples, rate = soundfile.read(noise(tmp_path / "short.wav", 1))
    soundfile.write(tmp_path / "padded.wav", np.pad(samples, (0, 2 * rate)), rate)
    np.testing.assert_allclose(extractor(tmp_path / "short.wav"), extractor(tmp_path / "padded.wav"), atol=1e-6)


def test_a_source_says_when_each_vector_is_heard_and_what_its_values_are(tmp_path: Path, musicnn_weights: Path) -> None:
    features = MusicnnFeatures(layers=["tags", "penultimate"], hop_seconds=2, weights=str(musicnn_weights))
    around = Surroundings(FeatureCache(tmp_path), Terminal(quiet=True), 600.0, on_cpu)
    source = audio_source(features, around)
    vectors = source.extractor()(noise(tmp_path / "song.wav", 10.5))
    spans = source.spans(10.5)
    assert vectors.shape == (len(spans), len(source.channels)) == (5, 250)
    np.testing.assert_allclose(spans, [[0, 2.992], [2, 4.992], [4, 6.992], [6, 8.992], [7.52, 10.5]], atol=0.02)
    assert source.channels[0] == "rock"
    assert source.parameters() == 792_079


def test_a_song_with_half_a_sample_at_16_khz_has_as_many_spans_as_vectors(
    tmp_path: Path, musicnn_weights: Path
) -> None:
    song, samples = tmp_path / "song.wav", 262_143
    soundfile.write(song, np.full(samples, 0.1), 32_000)
    around = Surroundings(FeatureCache(tmp_path), Terminal(quiet=True), 600.0, on_cpu)
    # With these patches the half decides whether one more begins.
    source = audio_source(MusicnnFeatures(hop_seconds=1.49, weights=str(musicnn_weights)), around)
    assert len(source.spans(samples / 32_000)) == len(source.extractor()(song))


PEAK = """
import sys
from pathlib import Path
from genrefusion.core.machine import peak_memory_mb
from genrefusion.features.musicnn import MusicnnExtractor
from genrefusion.settings.features import MusicnnFeatures

MusicnnExtractor(MusicnnFeatures(hop_seconds=6), Path(sys.argv[1]), max_seconds=7200)(Path(sys.argv[2]))
print(peak_memory_mb())
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_patches_of_a_song(tmp_path: Path, musicnn_weights: Path) -> None:
    minutes, peaks = (7, 35), []
    for length in minutes:
        song = noise(tmp_path / f"{length}.wav", 60 * length)
        command = [sys.executable, "-c", PEAK, str(musicnn_weights), str(song)]
        peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    decoded = 60 * (minutes[1] - minutes[0]) * 16_000 * 4 / 2**20
    assert peaks[1] - peaks[0] < 2 * decoded + 30  # decoding holds the samples twice
