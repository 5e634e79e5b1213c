"""Hand-crafted features of a clip: the 97 values of Bahuleyan (2018) from one short-time Fourier transform.

Kept of the publication: centroid, bandwidth and roll-off see the audio + 0.01, zero-crossing rate and RMS the audio
+ 0.0001, all else the audio itself; chroma has a hop of 1024 samples, the rest 512. Not kept: the script stores
bandwidth 3 as ``spectral_bandwidth_4`` (here it is of order 4) and rounds to three decimals; its librosa mirrored the
audio at the edges, where librosa puts zeros since 0.10. librosa's ``feature.rmse`` is now ``feature.rms``, and
``beat.tempo`` is ``feature.tempo``; the names of the values stay as published.

Parts take and return librosa's shape, (values, frames). The arrays made here lie frame after frame in memory, so that
sums over frequency run over neighbours, and are made in blocks that stay in the processor's cache.

Source: H. Bahuleyan, "Music Genre Classification using Machine Learning Techniques", arXiv:1804.01149, and its public
``feature_extraction.py``. The wider set is in :mod:`genrefusion.features.handcrafted_wide`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft

from genrefusion.core.errors import UserError
from genrefusion.features.descriptors import (
    BLOCK,
    HOP,
    N_BINS,
    N_FFT,
    Array,
    _bandwidths,
    _peaks_and_valleys,
    bin_frequencies,
    chroma,
    hann,
    mel_spectrogram,
    mfcc,
    onset_autocorrelation,
    onset_strength,
    power_to_db,
    rms,
    rolloff,
    signal_moments,
    spectral_centroid,
    tempo,
    zero_crossing_rate,
)


def _mean_and_std(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}_{i}_{value}" for value in ("mean", "std") for i in range(1, count + 1))


TIME_DOMAIN: tuple[str, ...] = (
    *("signal_mean", "signal_std", "signal_skew", "signal_kurtosis"),
    *("zcr_mean", "zcr_std", "rmse_mean", "rmse_std", "tempo"),
)
FREQUENCY_DOMAIN: tuple[str, ...] = (
    *("spectral_centroid_mean", "spectral_centroid_std"),
    *(f"spectral_bandwidth_{order}_{value}" for order in (2, 3, 4) for value in ("mean", "std")),
    *_mean_and_std("spectral_contrast", 7),
    *("spectral_rolloff_mean", "spectral_rolloff_std"),
    *_mean_and_std("mfccs", 20),
    *_mean_and_std("chroma_stft", 12),
)
FEATURE_NAMES: tuple[str, ...] = TIME_DOMAIN + FREQUENCY_DOMAIN


@dataclass(frozen=True)
class Descriptors:
    """What one pass over a clip finds, frame by frame: T frames of hop 512."""

    power: Array  # (1025, T) power spectrum
    mel: Array  # (128, T) mel spectrum in dB, at most 80 dB below its loudest value
    mfcc: Array  # (20, T)
    chroma: Array  # (12, ceil(T / 2)) pitch classes from C, the largest of a frame 1, hop 1024
    centroid: Array  # (T,) Hz
    bandwidth: Array  # (3, T) Hz, orders 2, 3 and 4
    contrast: Array  # (7, T) dB
    rolloff: Array  # (T,) Hz
    onset: Array  # (T,) mean rise in dB from the frame before
    autocorrelation: Array  # (lags,) of the onset strength, 1 at lag 0
    tempo: float  # beats a minute
    zero_crossing_rate: Array  # (T,) share of samples
    rms: Array  # (T,)


def handcrafted_features(audio: Array, *, sample_rate: int = 22050) -> Array:
    """Compute the 97 values of Bahuleyan (2018), in the order of ``FEATURE_NAMES``.

    Parameters
    ----------
    audio : Array, shape (samples,)
        Mono audio of any length; what is shorter than a window of 2048 samples is padded with zeros.
    sample_rate : int
        In Hz, above 12 800. The published set is at 22 050.

    Returns
    -------
    Array, shape (97,)
        Finite for every input that is accepted. Skew and kurtosis of constant audio, which have no value, are 0.

    Raises
    ------
    UserError
        If the audio is empty, not mono, not finite or louder than 1e6, or the sample rate too low.

    Examples
    --------
    >>> values = handcrafted_features(np.zeros(22050, np.float32))
    >>> dict(zip(FEATURE_NAMES, values.tolist()))["rmse_std"] < 1e-4
    True
    """
    audio = checked_audio(audio, sample_rate=sample_rate)
    return published_values(audio, describe(audio, sample_rate=sample_rate))


def published_values(audio: Array, found: Descriptors) -> Array:
    """Summarise descriptors to the 97 values; arguments as checked and described before."""
    time = (found.zero_crossing_rate[np.newaxis], found.rms[np.newaxis])
    shape = (found.centroid[np.newaxis], *found.bandwidth[:, np.newaxis], found.contrast, found.rolloff[np.newaxis])
    before, after = (
        [statistic(values, axis=1, dtype=np.float64) for values in group for statistic in (np.mean, np.std)]
        for group in (time, (*shape, found.mfcc, found.chroma))
    )
    return np.concatenate([signal_moments(audio), *before, [found.tempo], *after]).astype(np.float32)


def describe(audio: Array, *, sample_rate: int = 22050) -> Descriptors:
    """Compute all descriptors in one pass over ``audio``, which is as :func:`checked_audio` returns it."""
    count, frequencies = 1 + len(audio) // HOP, bin_frequencies(sample_rate)
    power, mel, peaks, valleys, shape = (np.empty((count, size), np.float32) for size in (N_BINS, 128, 7, 7, 5))
    for rows, magnitude, offset_magnitude in _spectra(audio):
        np.square(magnitude, out=power[rows])
        mel[rows] = mel_spectrogram(power[rows].T, sample_rate=sample_rate).T
        peaks[rows], valleys[rows] = _peaks_and_valleys(magnitude, sample_rate)
        centroid = spectral_centroid(offset_magnitude.T, frequencies)
        shape[rows, 0], shape[rows, 4] = centroid, rolloff(offset_magnitude.T, frequencies)
        shape[rows, 1:4] = _bandwidths(offset_magnitude, frequencies, centroid, (2, 3, 4)).T
    mel_in_db = power_to_db(mel.T)
    onset = onset_strength(mel_in_db)
    autocorrelation = onset_autocorrelation(onset, sample_rate=sample_rate)
    shifted = audio + np.float32(0.0001)
    return Descriptors(
        power=power.T,
        mel=mel_in_db,
        mfcc=mfcc(mel_in_db),
        chroma=chroma(power[::2].T, sample_rate=sample_rate),
        centroid=shape[:, 0],
        bandwidth=shape[:, 1:4].T,
        contrast=(power_to_db(peaks) - power_to_db(valleys)).T,
        rolloff=shape[:, 4],
        onset=onset,
        autocorrelation=autocorrelation,
        tempo=tempo(autocorrelation, sample_rate=sample_rate),
        zero_crossing_rate=zero_crossing_rate(shifted),
        rms=rms(shifted),
    )


def checked_audio(audio: Array, *, sample_rate: int) -> Array:
    """Return ``audio`` as contiguous float32, or raise the :class:`UserError` that says what is wrong with it."""
    audio = np.ascontiguousarray(audio, dtype=np.float32)
    if np.ndim(audio) != 1 or not len(audio):
        raise UserError(f"Features need mono audio of at least one sample; this has the shape {audio.shape}.")
    if not 12800 < sample_rate <= 192000:
        raise UserError(f"Features need a sample rate from 12801 to 192000 Hz, not {sample_rate}: resample to 22050.")
    if not max(audio.max(), -audio.min()) <= 1e6:  # beyond it, powers of float32 samples overflow
        raise UserError("The audio has samples that are not finite or beyond 1e6: scale it to -1 … 1.")
    return audio


def _spectra(audio: Array) -> Iterator[tuple[slice, Array, Array]]:
    """Yield blocks of frames: their slice, |STFT| of the audio and |STFT| of the audio + 0.01, both (frames, 1025).

    The transform of a constant under a Hann window has two bins that are not 0, so that the second costs next to
    nothing; only in the few frames that reach beyond the audio, where the constant ends, does it fill all bins.

    librosa transforms in float64, which takes twice as long. In float32 a bin is wrong by up to 1e-7 of the largest of
    its frame, which shows only in spectra that are empty elsewhere: tones, constants, stop bands of a resampler.
    """
    count = 1 + len(audio) // HOP
    padded, constant = np.zeros((2, HOP * (count - 1) + N_FFT), np.float32)
    within = slice(N_FFT // 2, N_FFT // 2 + len(audio))
    padded[within], constant[within] = audio, 0.01
    frames, constants = (np.lib.stride_tricks.sliding_window_view(x, N_FFT)[::HOP] for x in (padded, constant))
    window = hann(N_FFT)
    inside = scipy.fft.rfft(np.float64(0.01) * window)[:2].real.astype(np.float32)
    for start in range(0, count, BLOCK):
        rows = slice(start, min(start + BLOCK, count))
        spectrum = scipy.fft.rfft(frames[rows] * window)
        magnitude = np.abs(spectrum)
        offset_magnitude = magnitude.copy()
        offset_magnitude[:, :2] = np.abs(spectrum[:, :2] + inside)
        beyond = (constants[rows, 0] == 0) | (constants[rows, -1] == 0)
        offset_magnitude[beyond] = np.abs(spectrum[beyond] + scipy.fft.rfft(constants[rows][beyond] * window))
        yield rows, magnitude, offset_magnitude
