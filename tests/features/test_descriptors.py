"""Single descriptors against SciPy, librosa or a plain loop: random input, silence, one frame, little audio."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
import scipy.stats

from genrefusion.features import descriptors as d

RATE = 22050
LENGTHS = (1, 2, 511, 512, 513, 2047, 2048, 2049, 20_000)
RATES = (16000, 22050, 44100)


def noise(samples: int, *, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def spectrum(frames: int, *, seed: int = 0, silent: tuple[int, ...] = ()) -> np.ndarray:
    """Random magnitudes of very different size; some frames are silent."""
    magnitude = np.random.default_rng(seed).random((d.N_BINS, frames)).astype(np.float32) ** 6
    magnitude[:, list(silent)] = 0
    return magnitude


def frames_of(audio: np.ndarray) -> list[np.ndarray]:
    """Windows of 2048 samples every 512, centred, zeros beyond the edges."""
    padded = np.pad(audio.astype(np.float64), d.N_FFT // 2)
    return [padded[start : start + d.N_FFT] for start in range(0, len(padded) - d.N_FFT + 1, d.HOP)]


@pytest.mark.parametrize("offset", [0, 0.2, -1])
@pytest.mark.parametrize("samples", [3, 100, 20_000])
def test_moments_agree_with_scipy(samples: int, offset: float) -> None:
    audio = noise(samples) ** 2 + np.float32(offset)
    loudness = np.abs(audio.astype(np.float64))
    expected = [
        loudness.mean(),
        audio.astype(np.float64).std(),
        scipy.stats.skew(loudness),
        scipy.stats.kurtosis(audio.astype(np.float64)),
    ]
    np.testing.assert_allclose(d.signal_moments(audio), expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1e-12, 0.3, -0.3, 1])
@pytest.mark.parametrize("samples", [1, 5000])
def test_constant_audio_has_no_higher_moments(samples: int, level: float) -> None:
    moments = d.signal_moments(np.full(samples, level, np.float32))
    np.testing.assert_allclose(moments, [abs(level), 0, 0, 0], atol=1e-6)
    assert not moments[2:].any()


def test_moments_leave_the_audio_as_it_is() -> None:
    audio = noise(1000)
    d.signal_moments(audio)
    np.testing.assert_array_equal(audio, noise(1000))


@pytest.mark.parametrize("samples", LENGTHS)
def test_zero_crossings_agree_with_a_loop(samples: int) -> None:
    audio = noise(samples)
    padded = np.pad(audio, d.N_FFT // 2, mode="edge")
    expected = []
    for start in range(0, len(padded) - d.N_FFT + 1, d.HOP):
        signs = [x < 0 for x in padded[start : start + d.N_FFT]]
        expected.append(sum(a != b for a, b in pairwise(signs)) / d.N_FFT)
    np.testing.assert_allclose(d.zero_crossing_rate(audio), expected, atol=1e-7)


@pytest.mark.parametrize("level", [0, 1e-11, -1e-11, 0.5, -0.5])
def test_neither_silence_nor_a_constant_crosses_zero(level: float) -> None:
    audio = np.full(5000, level, np.float32)
    audio[::2] = 0 if abs(level) < 1e-9 else level
    assert not d.zero_crossing_rate(audio).any()


@pytest.mark.parametrize("samples", LENGTHS)
def test_rms_agrees_with_a_loop(samples: int) -> None:
    audio = noise(samples)
    expected = [np.sqrt(np.mean(frame**2)) for frame in frames_of(audio)]
    np.testing.assert_allclose(d.rms(audio), expected, rtol=1e-5)


@pytest.mark.parametrize("extract", [d.zero_crossing_rate, d.rms])
@pytest.mark.parametrize("samples", LENGTHS)
def test_silence_has_a_value_of_0_a_frame(extract: Callable[[np.ndarray], np.ndarray], samples: int) -> None:
    np.testing.assert_array_equal(extract(np.zeros(samples, np.float32)), np.zeros(1 + samples // d.HOP, np.float32))


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("rate", RATES)
def test_centroid_is_the_weighted_mean_of_the_frequencies(frames: int, rate: int) -> None:
    magnitude, frequencies = spectrum(frames), np.arange(1025) * rate / 2048
    np.testing.assert_allclose(d.bin_frequencies(rate), frequencies, rtol=1e-6)
    expected = [np.average(frequencies, weights=column.astype(np.float64)) for column in magnitude.T]
    np.testing.assert_allclose(d.spectral_centroid(magnitude, d.bin_frequencies(rate)), expected, rtol=1e-5)


@pytest.mark.parametrize("bin_number", [0, 1, 31, 32, 1024])
def test_a_single_bin_is_its_own_centroid_and_rolloff_without_spread(bin_number: int) -> None:
    magnitude = np.zeros((d.N_BINS, 1), np.float32)
    magnitude[bin_number] = 2
    frequencies = d.bin_frequencies(RATE)
    centroid = d.spectral_centroid(magnitude, frequencies)
    assert centroid == pytest.approx([frequencies[bin_number]])
    assert d.rolloff(magnitude, frequencies) == pytest.approx([frequencies[bin_number]])
    for order in (1, 2, 3, 4):
        assert d.spectral_bandwidth(magnitude, frequencies, centroid, order=order) == pytest.approx([0], abs=1e-2)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.85, 0.99])
def test_rolloff_agrees_with_a_running_sum(share: float) -> None:
    magnitude, frequencies = spectrum(40, silent=(3,)), d.bin_frequencies(RATE)
    magnitude[500:, 7] = 0
    running = np.cumsum(magnitude, axis=0, dtype=np.float64)
    expected = (running >= share * running[-1]).argmax(axis=0)
    found = np.searchsorted(frequencies, d.rolloff(magnitude, frequencies, share=share))
    assert np.abs(found - expected).max() <= 1  # float32 may meet the share one bin beside
    assert (found == expected).mean() > 0.9


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.filterwarnings("error")
def test_contrast_agrees_with_librosa_at_any_rate(rate: int, frames: int) -> None:
    magnitude = spectrum(frames, seed=rate, silent=(2,) if frames > 2 else ())
    expected = librosa.feature.spectral_contrast(S=magnitude, sr=rate)
    np.testing.assert_allclose(d.spectral_contrast(magnitude, sample_rate=rate), expected, atol=1e-3)


def test_contrast_of_silence_is_0() -> None:
    np.testing.assert_array_equal(d.spectral_contrast(np.zeros((d.N_BINS, 3), np.float32)), np.zeros((7, 3)))


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels"), [(12000, 512, 96), (22050, 2048, 128), (16000, 400, 64), (44100, 1024, 40)]
)
def test_mel_filters_are_librosas(rate: int, n_fft: int, n_mels: int) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_array_equal(d.mel_filters(rate, n_fft, n_mels), expected)


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("rate", RATES)
def test_mel_agrees_with_librosa_at_any_rate(rate: int, frames: int) -> None:
    power = spectrum(frames, seed=rate)
    expected = librosa.feature.melspectrogram(S=power, sr=rate, n_fft=2048)
    np.testing.assert_allclose(d.mel_spectrogram(power, sample_rate=rate), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("power", "decibels"),
    [
        ([1, 10, 1000], [0, 10, 30]),
        ([0, 0], [-100, -100]),
        ([1e-12, 1e-9], [-100, -90]),
        ([0, 1e-12, 100], [-60, -60, 20]),
        ([7e3], [10 * np.log10(7e3)]),
    ],
)
def test_decibels_have_a_floor_and_a_range_of_80(power: list[float], decibels: list[float]) -> None:
    np.testing.assert_allclose(d.power_to_db(np.array([power], np.float32)), [decibels], atol=1e-4)


@pytest.mark.parametrize("count", [1, 13, 20, 128])
@pytest.mark.parametrize("frames", [1, 6])
def test_mfcc_agrees_with_the_transform_of_scipy(count: int, frames: int) -> None:
    mel = np.random.default_rng(count).uniform(-80, 0, (128, frames)).astype(np.float32)
    expected = scipy.fft.dct(mel.astype(np.float64), axis=0, norm="ortho")[:count]
    np.testing.assert_allclose(d.mfcc(mel, count=count), expected, atol=1e-3)


@pytest.mark.parametrize("rate", RATES)
def test_chroma_of_random_spectra_agrees_with_librosa(rate: int) -> None:
    power = spectrum(6, seed=rate, silent=(2,))
    found = d.chroma(power, sample_rate=rate)
    np.testing.assert_allclose(found, librosa.feature.chroma_stft(S=power, sr=rate), atol=1e-4)
    np.testing.assert_array_equal(found.max(axis=0), [1, 1, 0, 1, 1, 1])


@pytest.mark.parametrize("step", range(12))
def test_chroma_of_a_note_is_largest_at_its_pitch_class(step: int) -> None:
    tone = np.sin(2 * np.pi * 440 * 2 ** ((step - 9) / 12) * np.arange(8192) / RATE).astype(np.float32)
    power = np.abs(librosa.stft(tone)) ** 2
    assert (d.chroma(power).argmax(axis=0) == step).all()


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [1, 8])
def test_tuning_of_random_spectra_agrees_with_librosa(frames: int, rate: int) -> None:
    power = spectrum(frames, seed=frames + rate)
    expected = librosa.estimate_tuning(S=power, sr=rate, bins_per_octave=12)
    assert d.estimate_tuning(power, sample_rate=rate) == pytest.approx(expected, abs=1e-9)


def test_without_a_peak_the_tuning_is_0() -> None:
    assert d.estimate_tuning(np.zeros((d.N_BINS, 3), np.float32)) == 0
    rising = np.linspace(0, 1, d.N_BINS, dtype=np.float32)[:, np.newaxis]
    assert d.estimate_tuning(rising) == 0


def test_two_equal_bins_are_one_peak() -> None:
    power = np.zeros((d.N_BINS, 1), np.float32)
    power[60:62] = 1
    expected = librosa.estimate_tuning(S=power, sr=RATE, bins_per_octave=12)
    assert expected != 0
    assert d.estimate_tuning(power) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 60])
def test_onset_strength_is_the_mean_rise_three_frames_later(frames: int) -> None:
    mel = np.random.default_rng(frames).uniform(-80, 0, (128, frames)).astype(np.float32)
    expected = np.zeros(frames)
    for at in range(3, frames):
        rises = [max(0.0, float(band[at - 2]) - float(band[at - 3])) for band in mel]
        expected[at] = np.mean(rises)
    np.testing.assert_allclose(d.onset_strength(mel), expected, atol=1e-4)


def test_onset_strength_leaves_the_spectrum_as_it_is() -> None:
    mel = np.random.default_rng(0).uniform(-80, 0, (128, 9)).astype(np.float32)
    before = mel.copy()
    d.onset_strength(mel)
    np.testing.assert_array_equal(mel, before)


@pytest.mark.parametrize("frames", [1, 2, 40, 500])
@pytest.mark.parametrize("rate", [16000, 22050])
def test_autocorrelation_agrees_with_a_loop_over_the_lags(frames: int, rate: int) -> None:
    onset = np.random.default_rng(frames).random(frames).astype(np.float32)
    length = 8 * rate // d.HOP
    padded = np.pad(onset.astype(np.float64), length // 2, mode="linear_ramp")
    window = scipy.signal.get_window("hann", length)
    expected = np.zeros(length)
    for at in range(frames):
        piece = padded[at : at + length] * window
        products = np.correlate(piece, piece, "full")[length - 1 :]
        expected += products / products[0] / frames
    np.testing.assert_allclose(d.onset_autocorrelation(onset, sample_rate=rate), expected, atol=1e-5)


def test_without_an_onset_there_is_no_autocorrelation_and_a_tempo_of_about_120() -> None:
    autocorrelation = d.onset_autocorrelation(np.zeros(300, np.float32))
    assert not autocorrelation.any()
    assert d.tempo(autocorrelation) == pytest.approx(120, rel=0.03)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [1, 30, 400])
def test_tempo_of_random_onsets_agrees_with_librosa(frames: int, rate: int) -> None:
    onset = np.random.default_rng(frames + rate).random(frames).astype(np.float32)
    expected = librosa.feature.tempo(onset_envelope=onset, sr=rate)[0]
    found = d.tempo(d.onset_autocorrelation(onset, sample_rate=rate), sample_rate=rate)
    assert found == pytest.approx(expected)


def test_tempo_is_below_320() -> None:
    autocorrelation = np.zeros(344, np.float32)
    autocorrelation[[0, 6, 10]] = [1, 1, 1e-3]  # 431 and 258 beats a minute
    assert d.tempo(autocorrelation) == pytest.approx(60 * RATE / (d.HOP * 10))


@pytest.mark.parametrize("beats", [75, 100, 120])
def test_tempo_of_regular_onsets_is_their_rate(beats: int) -> None:
    period = 60 * RATE / (d.HOP * beats)
    onset = np.zeros(900, np.float32)
    onset[np.arange(0, 900, period).astype(int)] = 1
    assert d.tempo(d.onset_autocorrelation(onset)) == pytest.approx(beats, rel=0.04)


@pytest.mark.parametrize("length", [1, 2, 344, 2048])
def test_the_window_is_scipys(length: int) -> None:
    expected = scipy.signal.get_window("hann", length) if length > 1 else [0]
    np.testing.assert_allclose(d.hann(length), expected, atol=1e-7)
