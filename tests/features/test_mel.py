from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest

from genrefusion.data.audio import load_audio
from genrefusion.features.mel import (
    DYNAMIC_RANGE,
    MelExtractor,
    cut_frame,
    frame_columns,
    frame_spans,
    frame_starts,
    log_mel,
    trimmed_span,
)
from genrefusion.settings.features import MelFeatures

# 12.8 kHz and a hop of 256 make 50 columns a second; a frame of 2 s has 101.
SIMPLE = MelFeatures(sample_rate=12800, frame_seconds=2)
SILENCE = -100.0


def noise_with_tone(samples: int, rate: int) -> np.ndarray:
    rng = np.random.default_rng(samples)
    tone = np.sin(2 * np.pi * 880 * np.arange(samples) / rate)
    return (0.3 * tone + 0.1 * rng.standard_normal(samples)).astype(np.float32)


def random_mel(columns: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-70, 30, (96, columns)).astype(np.float32)


def librosas_way(audio: np.ndarray, rate: int, *, n_fft: int, hop: int, n_mels: int) -> np.ndarray:
    mel = librosa.feature.melspectrogram(y=audio, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels)
    return librosa.power_to_db(mel**2, top_db=None)


@pytest.mark.parametrize("samples", [1, 255, 512, 12000, 12000 * 3 + 17])
@pytest.mark.parametrize(
    ("rate", "n_fft", "hop", "n_mels"), [(12000, 512, 256, 96), (22050, 2048, 512, 128), (16000, 400, 160, 64)]
)
@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")
def test_log_mel_agrees_with_librosa(samples: int, rate: int, n_fft: int, hop: int, n_mels: int) -> None:
    audio = noise_with_tone(samples, rate)
    found = log_mel(audio, sample_rate=rate, n_fft=n_fft, hop=hop, n_mels=n_mels)
    assert found.shape == (n_mels, 1 + samples // hop)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, librosas_way(audio, rate, n_fft=n_fft, hop=hop, n_mels=n_mels), atol=0.01)


def test_silence_is_the_floor_of_the_scale() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(12000, np.float32)), SILENCE)


def test_the_extractor_transforms_the_resampled_file(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", rate=44100)
    expected = log_mel(load_audio(path, sample_rate=12000))
    np.testing.assert_array_equal(MelExtractor(MelFeatures())(path), expected)


def test_the_extractor_reads_no_more_than_its_limit(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", seconds=5)
    assert MelExtractor(MelFeatures(), max_seconds=2)(path).shape == (96, 1 + 24000 // 256)


@pytest.mark.parametrize(("setting", "value"), [("sample_rate", 16000), ("n_fft", 1024), ("hop", 128), ("n_mels", 64)])
def test_the_parameters_name_what_changes_a_spectrum(setting: str, value: int) -> None:
    settings = MelFeatures()
    changed = replace(settings, **{setting: value})
    assert MelExtractor(settings).parameters() != MelExtractor(changed).parameters()
    assert MelExtractor(settings).parameters() != MelExtractor(settings, max_seconds=30).parameters()


def test_the_parameters_leave_out_how_frames_are_cut() -> None:
    settings = MelFeatures()
    changed = replace(settings, frame_seconds=3, frame_hop_seconds=1, trim=2)
    assert MelExtractor(settings).parameters() == MelExtractor(changed).parameters()


def test_a_frame_of_the_published_length_has_1366_columns() -> None:
    assert frame_columns(MelFeatures(frame_seconds=29.12)) == 1366


@pytest.mark.parametrize("seconds", [0.5, 3, 29.12])
def test_a_frame_has_as_many_columns_as_audio_of_its_length(seconds: float) -> None:
    audio = np.zeros(round(seconds * 12000), np.float32)
    assert frame_columns(MelFeatures(frame_seconds=seconds)) == log_mel(audio).shape[1]


@pytest.mark.parametrize(
    ("columns", "changes", "starts"),
    [
        pytest.param(1, {}, [0], id="one column"),
        pytest.param(60, {}, [0], id="shorter than a frame"),
        pytest.param(101, {}, [0], id="one frame"),
        pytest.param(202, {}, [0, 101], id="two frames exactly"),
        pytest.param(151, {}, [0], id="left over less than half a frame"),
        pytest.param(152, {}, [0, 51], id="left over half a frame or more"),
        pytest.param(201, {}, [0, 100], id="left over one column less than a frame"),
        pytest.param(303, {}, [0, 101, 202], id="three frames"),
        pytest.param(202, {"frame_hop_seconds": 1}, [0, 50, 100], id="overlap"),
        pytest.param(230, {"frame_hop_seconds": 1}, [0, 50, 100, 129], id="overlap with left over"),
        pytest.param(404, {"frame_hop_seconds": 4}, [0, 200, 303], id="gaps"),
        pytest.param(302, {"trim": 1}, [50, 151], id="trimmed at both ends"),
        pytest.param(201, {"trim": 1}, [50], id="trimmed to one frame"),
        pytest.param(200, {"trim": 1}, [0, 99], id="used whole as trimming leaves too little"),
        pytest.param(60, {"trim": 300}, [0], id="short and trimmed"),
    ],
)
def test_frames_start_where_they_should(columns: int, changes: dict[str, float], starts: list[int]) -> None:
    assert frame_starts(columns, replace(SIMPLE, **changes)) == starts


@pytest.mark.parametrize(
    ("columns", "trim", "span"),
    [
        pytest.param(300, 0, (0, 300), id="nothing trimmed"),
        pytest.param(300, 1, (50, 250), id="trimmed at both ends"),
        pytest.param(300, 0.25, (12, 288), id="part of a second"),
        pytest.param(201, 1, (50, 151), id="one frame is left"),
        pytest.param(200, 1, (0, 200), id="less than a frame would be left"),
        pytest.param(60, 300, (0, 60), id="less than nothing would be left"),
    ],
)
def test_a_song_is_trimmed_unless_no_frame_would_be_left(columns: int, trim: float, span: tuple[int, int]) -> None:
    assert trimmed_span(columns, replace(SIMPLE, trim=trim)) == span


@pytest.mark.parametrize("columns", range(101, 600, 37))
@pytest.mark.parametrize("hop", [None, 0.5, 1.7])
@pytest.mark.parametrize("trim", [0, 0.5])
def test_no_frame_of_a_long_song_reaches_past_its_ends(columns: int, hop: float | None, trim: float) -> None:
    starts = frame_starts(columns, replace(SIMPLE, frame_hop_seconds=hop, trim=trim))
    assert starts == sorted(set(starts))
    assert starts[0] >= 0
    assert starts[-1] + 101 <= columns


@pytest.mark.parametrize("columns", range(101, 900, 61))
def test_less_than_half_a_frame_of_a_song_is_left_out(columns: int) -> None:
    heard = {column for start in frame_starts(columns, SIMPLE) for column in range(start, start + 101)}
    assert columns - len(heard) < 101 / 2


def test_a_frame_is_cut_where_asked() -> None:
    mel = random_mel(300)
    piece = cut_frame(mel, 120, 101)
    np.testing.assert_array_equal(piece, np.maximum(mel[:, 120:221], mel[:, 120:221].max() - 80))


def test_a_short_song_is_filled_up_with_silence() -> None:
    mel = np.full((96, 40), -60, np.float32)
    piece = cut_frame(mel, 0, 101)
    assert piece.shape == (96, 101)
    assert piece.dtype == np.float32
    np.testing.assert_array_equal(piece[:, :40], mel)
    np.testing.assert_array_equal(piece[:, 40:], SILENCE)


def test_a_frame_keeps_the_80_db_under_its_loudest_point() -> None:
    mel = np.full((96, 101), SILENCE, np.float32)
    mel[3, 5] = 25
    mel[4, 5] = -54
    piece = cut_frame(mel, 0, 101)
    assert piece.max() == 25
    assert piece.min() == 25 - DYNAMIC_RANGE
    assert piece[4, 5] == -54


def test_the_limit_of_a_frame_agrees_with_librosa() -> None:
    audio = noise_with_tone(12000, 12000) * np.linspace(0, 1, 12000, dtype=np.float32) ** 8
    mel = librosa.feature.melspectrogram(y=audio, sr=12000, n_fft=512, hop_length=256, n_mels=96)
    expected = librosa.power_to_db(mel**2, top_db=80)
    np.testing.assert_allclose(cut_frame(log_mel(audio), 0, mel.shape[1]), expected, atol=0.01)


def test_a_frame_does_not_depend_on_the_rest_of_its_song() -> None:
    mel = random_mel(300)
    louder = mel.copy()
    louder[:, :100] += 60
    louder[:, 201:] += 60
    np.testing.assert_array_equal(cut_frame(mel, 100, 101), cut_frame(louder, 100, 101))


def test_cutting_a_frame_leaves_the_song_as_it_is() -> None:
    mel = random_mel(300)
    mel.flags.writeable = False
    piece = cut_frame(mel, 0, 101)
    piece += 1
    np.testing.assert_array_equal(mel, random_mel(300))


@pytest.mark.parametrize("rate", [8000, 12000, 22050, 44100, 48000])
@pytest.mark.parametrize(
    "settings", [MelFeatures(frame_seconds=1), MelFeatures(frame_seconds=1, frame_hop_seconds=0.3, trim=0.2)]
)
def test_there_are_as_many_spans_as_frames(
    rate: int, settings: MelFeatures, write_tone: Callable[..., Path], tmp_path: Path
) -> None:
    """For lengths around those at which another column, and with it another frame, begins."""
    lengths = [(n * 256 + offset) / 12000 for n in (70, 71, 94, 141) for offset in (-1.6, -0.5, 0, 0.5, 1.6)]
    for length in lengths:
        path = write_tone(tmp_path / "song.wav", seconds=length, rate=rate)
        columns = MelExtractor(settings)(path).shape[1]
        seconds = round(length * rate) / rate
        spans = frame_spans(seconds, settings)
        begins = [start * 256 / 12000 for start in frame_starts(columns, settings)]
        np.testing.assert_allclose([begin for begin, _ in spans], begins)
        assert all(begin < end <= seconds for begin, end in spans)


def test_spans_are_seconds_of_the_song() -> None:
    settings = replace(SIMPLE, trim=0.5)
    np.testing.assert_allclose(frame_spans(6.2, settings), [(0.5, 2.5), (2.52, 4.52), (3.68, 5.68)], atol=0.021)
    assert frame_spans(1.5, SIMPLE) == [(0, 1.5)]
