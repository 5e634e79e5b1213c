"""The wide hand-crafted set: the 97 published values, and families that the literature found to work for genre.

Every family is computed from the :class:`~genrefusion.features.handcrafted.Descriptors` of the one pass, none touches
the audio again. ``WIDE_FAMILIES`` gives the names by family, for ablations.

=============== ==================================================================================================
published       the 97 values of Bahuleyan (2018)
loudness        low-energy rate (Tzanetakis and Cook 2002) and percentiles of RMS in dB over its median
shape           spectral flatness, rise and fall of mel bands, higher moments of centroid, bandwidth, roll-off, …
mfcc            skew, kurtosis, 10th and 90th percentile of MFCC; spread of their first and second regression slopes
mfcc_pairs      correlations between MFCC: the Gaussian timbre model of Mandel and Ellis (2005)
mel             distribution of 32 mel bands: Statistical Spectrum Descriptors of Lidy and Rauber (2005)
modulation      strength of mel, MFCC and contrast modulation by rate: Rhythm Patterns of Lidy and Rauber (2005), and
                the modulation spectra of cepstral and spectral features of Lee et al. (2009)
rhythm          Rhythm Histogram (Lidy and Rauber 2005), moments of onset strength, pulse clarity (Lartillot et al.
                2008), its autocorrelation by tempo and at ratios of the tempo (Prockup et al. 2015)
tonal           tonnetz (Harte et al. 2006), and values that do not change with the key: sorted mean chroma, its
                Fourier magnitudes, entropy, change, co-occurrence of pitch classes by interval
percussive      share of percussive energy after median filtering (FitzGerald 2010) of mel bands
=============== ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.fft

from genrefusion.features.descriptors import BLOCK, HOP, Array, hann
from genrefusion.features.handcrafted import FEATURE_NAMES, Descriptors, checked_audio, describe, published_values

Values = npt.NDArray[np.float64]

SEGMENT = 256  # frames of one modulation spectrum: 5.9 s at 22 050 Hz, as in Rhythm Patterns
RATES = (1, 2, 4, 8, 16, 32, 64, 129)  # edges in bins of it: seven octaves, 0.17 to 21.5 Hz
TEMPI = np.geomspace(40, 300, 24)  # beats a minute
RATIOS = {"1_4": 1 / 4, "1_3": 1 / 3, "1_2": 1 / 2, "2_3": 2 / 3, "3_2": 3 / 2, "2": 2.0, "3": 3.0, "4": 4.0}
MFCC_PAIRS = np.triu_indices(20, 1)


def wide_features(audio: Array, *, sample_rate: int = 22050) -> Array:
    """Compute the wide set, in the order of ``WIDE_FEATURE_NAMES``; the first 97 are the published ones.

    Parameters
    ----------
    audio : Array, shape (samples,)
        Mono audio of any length.
    sample_rate : int
        In Hz, above 12 800. Rates and tempi are named for 22 050.

    Returns
    -------
    Array, shape (len(WIDE_FEATURE_NAMES),)
        Finite for every input that is accepted.

    Raises
    ------
    UserError
        If the audio is empty, not mono, not finite or louder than 1e6, or the sample rate too low.

    Examples
    --------
    >>> bool(np.isfinite(wide_features(np.zeros(22050, np.float32))).all())
    True
    """
    audio = checked_audio(audio, sample_rate=sample_rate)
    found = describe(audio, sample_rate=sample_rate)
    frame_rate = sample_rate / HOP
    families = (family(found, frame_rate) for _, family in _FAMILIES.values())
    return np.concatenate([published_values(audio, found), *families]).astype(np.float32)


def spectral_flatness(power: Array) -> Array:
    """Geometric over arithmetic mean of each power spectrum (bins, frames): 1 for noise, near 0 for tones."""
    rows = np.maximum(power.T, np.float32(1e-10))
    blocks = (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
    return np.concatenate([np.exp(np.log(block).mean(axis=1)) / block.mean(axis=1) for block in blocks])


def slope(values: Array, *, reach: int = 4) -> Array:
    """Regression slope of each row of values (n, frames) over ``2 * reach + 1`` frames, the edges repeated.

    It is librosa's ``feature.delta(values, mode="nearest")``; taken twice it is HTK's acceleration.
    """
    frames = values.shape[1]
    padded = np.pad(values, ((0, 0), (reach, reach)), mode="edge")
    rises = (
        step * (padded[:, reach + step : reach + step + frames] - padded[:, reach - step : reach - step + frames])
        for step in range(1, reach + 1)
    )
    total: Array = np.sum(list(rises), axis=0) / np.float32(2 * sum(step**2 for step in range(1, reach + 1)))
    return total


def tonnetz(chroma: Array) -> Array:
    """Project chroma (12, frames) on the circles of fifths, minor and major thirds, shape (6, frames)."""
    steps = np.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(12))
    steps[::2] -= 0.5
    circles = np.array([1, 1, 1, 1, 0.5, 0.5])[:, np.newaxis] * np.cos(np.pi * steps)
    total = chroma.sum(axis=0)
    return (circles @ chroma / np.where(total > 0, total, 1)).astype(np.float32)


def modulation_spectrum(values: Array) -> Array:
    """Amplitude by modulation rate of each row of values (n, frames), shape (n, 129).

    It is the mean over half-overlapping segments of 256 frames; shorter clips are continued with their last frame.
    """
    missing = max(0, SEGMENT - values.shape[1])
    padded = np.pad(values, ((0, 0), (0, missing)), mode="edge")
    segments = np.lib.stride_tricks.sliding_window_view(padded, SEGMENT, axis=1)[:, :: SEGMENT // 2]
    segments = (segments - segments.mean(axis=2, keepdims=True)) * hann(SEGMENT)
    # A sine of amplitude 1 gives 1.
    spectrum: Array = np.abs(scipy.fft.rfft(segments)).mean(axis=1) * np.float32(4 / SEGMENT)
    return spectrum


def percussive_share(mel: Array) -> Array:
    """Share of percussive energy in each value of a mel spectrum in dB (bands, frames), 0 to 1, same shape.

    What stands out of the median over frequency (9 bands) against that over time (17 frames) is percussive; the share
    is that of a Wiener filter. 0.5 where both are equal, as in silence.
    """
    level = {axis: _running_median(mel, length, axis=axis) for axis, length in ((0, 9), (1, 17))}
    difference = np.clip((level[1] - level[0]) / 5, -30, 30)  # Wiener: squares of powers, hence 5 and not 10
    return (1 / (1 + np.power(10, difference))).astype(np.float32)


def _running_median(values: Array, length: int, *, axis: int) -> Array:
    width = [(0, 0), (0, 0)]
    width[axis] = (length // 2, length // 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, width, mode="edge"), length, axis=axis)
    median: Array = np.sort(windows, axis=-1)[..., length // 2]
    return median


def _loudness(found: Descriptors, _: float) -> Values:
    level = np.sort(20 * np.log10(np.maximum(found.rms, 1e-5)))
    low_energy = np.mean(found.rms < found.rms.mean())
    return np.array([low_energy, *(_percentiles(level, 5, 25, 75, 95) - _percentiles(level, 50))])


def _shape(found: Descriptors, _: float) -> Values:
    flatness = spectral_flatness(found.power)
    change = np.abs(np.diff(found.mel, axis=1, prepend=found.mel[:, :1])).mean(axis=0)
    rows = np.stack([found.centroid, found.bandwidth[0], found.rolloff, found.zero_crossing_rate, found.rms])
    turns = np.abs(np.diff(rows, axis=1, prepend=rows[:, :1])).mean(axis=1)
    pair = np.stack([flatness, change])
    return np.concatenate([pair.mean(axis=1), pair.std(axis=1), *_skew_and_kurtosis(rows), turns])


def _mfcc(found: Descriptors, _: float) -> Values:
    rows = np.ascontiguousarray(found.mfcc)
    first = slope(rows)
    spread = (first.std(axis=1), slope(first).std(axis=1))
    return np.concatenate([*_skew_and_kurtosis(rows), *_percentiles(np.sort(rows), 10, 90), *spread])


def _mfcc_pairs(found: Descriptors, _: float) -> Values:
    rows = found.mfcc.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.vecdot(rows, rows))
    rows /= np.where(spread > 1e-6, spread, np.inf)[:, np.newaxis]
    pairs: Values = (rows @ rows.T)[MFCC_PAIRS]
    return pairs


def _mel(found: Descriptors, _: float) -> Values:
    bands = _merged(found.mel, 32)
    mean, ordered = bands.mean(axis=1), np.sort(bands)
    percentiles = _percentiles(ordered, 5, 25, 50, 75, 95) - mean
    return np.concatenate([mean, bands.std(axis=1), *_skew_and_kurtosis(bands), *percentiles])


def _modulation(found: Descriptors, _: float) -> Values:
    spectra = modulation_spectrum(np.concatenate([_merged(found.mel, 16), found.mfcc, found.contrast]))
    by_rate = np.add.reduceat(spectra[:, : RATES[-1]], RATES[:-1], axis=1) / np.diff(RATES)
    return (20 * np.log10(np.maximum(by_rate, 1e-3))).ravel().astype(np.float64)


def _rhythm(found: Descriptors, frame_rate: float) -> Values:
    histogram = modulation_spectrum(_merged(found.mel, 32))[:, 1:61].sum(axis=0).reshape(20, 3).sum(axis=1)
    onset = found.onset[np.newaxis]
    moments = (*onset.mean(axis=1), *onset.std(axis=1), *np.concatenate(_skew_and_kurtosis(onset)))
    lags = np.arange(len(found.autocorrelation))
    clarity = found.autocorrelation[int(60 * frame_rate / 320) + 1 :].max()
    wanted = 60 * frame_rate / np.concatenate([TEMPI, found.tempo * np.array(list(RATIOS.values()))])
    profile = np.interp(wanted, lags, found.autocorrelation)
    return np.array([*histogram / max(histogram.sum(), 1e-9), *moments, clarity, *profile])


def _tonal(found: Descriptors, _: float) -> Values:
    chroma = found.chroma.astype(np.float64)
    centres = tonnetz(found.chroma)
    mean = chroma.mean(axis=1)
    circle = np.abs(np.fft.rfft(mean))[1:] / max(mean.sum(), 1e-9)
    share = chroma / np.maximum(chroma.sum(axis=0), 1e-9)
    entropy = -(share * np.log2(np.maximum(share, 1e-9))).sum(axis=0)
    change = np.abs(np.diff(chroma, axis=1, prepend=chroma[:, :1])).mean(axis=0)
    together = chroma @ chroma.T / chroma.shape[1]
    intervals = [np.mean([together[i, (i + step) % 12] for i in range(12)]) for step in range(1, 7)]
    per_frame = (entropy.mean(), entropy.std(), change.mean(), change.std())
    return np.array(
        [*centres.mean(axis=1), *centres.std(axis=1), *np.sort(mean)[::-1], *circle, *per_frame, *intervals]
    )


def _percussive(found: Descriptors, _: float) -> Values:
    mel = _merged(found.mel, 64)[:, ::2]  # half the bands and frames: an eighth of the time, the same shares
    energy = np.power(10, mel.astype(np.float64) / 10)
    percussive = energy * percussive_share(mel)
    regions = percussive.reshape(4, -1).sum(axis=1) / energy.reshape(4, -1).sum(axis=1)
    per_frame = percussive.sum(axis=0) / energy.sum(axis=0)
    return np.array([*regions, percussive.sum() / energy.sum(), per_frame.std()])


def _merged(mel: Array, bands: int) -> Array:
    """Average neighbouring bands of a mel spectrum in dB to ``bands`` bands; each row contiguous."""
    return np.ascontiguousarray(mel.reshape(bands, -1, mel.shape[1]).mean(axis=1))


def _percentiles(ordered: Array, *percents: int) -> Array:
    """Nearest-rank percentiles of sorted values (..., frames), shape (percents, ...)."""
    last = ordered.shape[-1] - 1
    return np.moveaxis(ordered[..., [round(percent / 100 * last) for percent in percents]], -1, 0)


def _skew_and_kurtosis(rows: Array) -> tuple[Values, Values]:
    """Skew and excess kurtosis of each row, 0 where it is constant."""
    centred = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64)
    square = np.square(centred)
    variance = square.mean(axis=1)
    varies = variance > np.square(1e-6 * np.abs(rows).max(axis=1))
    safe = np.where(varies, variance, 1.0)
    skew = np.where(varies, np.vecdot(square, centred) / rows.shape[1] / safe**1.5, 0.0)
    return skew, np.where(varies, np.vecdot(square, square) / rows.shape[1] / safe**2 - 3, 0.0)


def _names(stem: str, count: int, *values: str) -> tuple[str, ...]:
    """Name ``values`` of ``count`` rows: all rows of the first value, then of the next."""
    return tuple(f"{stem}_{i}_{value}" for value in values for i in range(1, count + 1))


def _rate_names(stem: str, count: int) -> tuple[str, ...]:
    return tuple(f"{stem}_{i}_modulation_{rate}" for i in range(1, count + 1) for rate in range(1, len(RATES)))


_SHAPE = ("spectral_centroid", "spectral_bandwidth_2", "spectral_rolloff", "zcr", "rmse")

_FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[Descriptors, float], Values]]] = {
    "loudness": (("low_energy_rate", *(f"rmse_db_p{percent}" for percent in (5, 25, 75, 95))), _loudness),
    "shape": (
        (
            *("spectral_flatness_mean", "mel_change_mean", "spectral_flatness_std", "mel_change_std"),
            *(f"{stem}_{value}" for value in ("skew", "kurtosis", "change") for stem in _SHAPE),
        ),
        _shape,
    ),
    "mfcc": (_names("mfccs", 20, "skew", "kurtosis", "p10", "p90", "delta_std", "delta2_std"), _mfcc),
    "mfcc_pairs": (tuple(f"mfccs_{i + 1}_{j + 1}_correlation" for i, j in zip(*MFCC_PAIRS, strict=True)), _mfcc_pairs),
    "mel": (_names("mel", 32, "mean", "std", "skew", "kurtosis", "p5", "p25", "p50", "p75", "p95"), _mel),
    "modulation": (
        (*_rate_names("mel", 16), *_rate_names("mfccs", 20), *_rate_names("spectral_contrast", 7)),
        _modulation,
    ),
    "rhythm": (
        (
            *(f"rhythm_histogram_{i}" for i in range(1, 21)),
            *("onset_mean", "onset_std", "onset_skew", "onset_kurtosis", "pulse_clarity"),
            *(f"tempogram_{round(tempo)}" for tempo in TEMPI),
            *(f"tempogram_ratio_{ratio}" for ratio in RATIOS),
        ),
        _rhythm,
    ),
    "tonal": (
        (
            *_names("tonnetz", 6, "mean", "std"),
            *(f"chroma_sorted_{i}" for i in range(1, 13)),
            *(f"chroma_fourier_{i}" for i in range(1, 7)),
            *("chroma_entropy_mean", "chroma_entropy_std", "chroma_change_mean", "chroma_change_std"),
            *(f"chroma_interval_{step}" for step in range(1, 7)),
        ),
        _tonal,
    ),
    "percussive": (
        (*(f"percussive_share_{i}" for i in range(1, 5)), "percussive_share", "percussive_std"),
        _percussive,
    ),
}

WIDE_FAMILIES: dict[str, tuple[str, ...]] = {
    "published": FEATURE_NAMES,
    **{family: names for family, (names, _) in _FAMILIES.items()},
}
WIDE_FEATURE_NAMES: tuple[str, ...] = tuple(name for names in WIDE_FAMILIES.values() for name in names)
