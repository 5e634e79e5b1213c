"""Single hand-crafted features: functions of a signal, of its magnitude or mel spectrum, of its onset strength.

Each computes what the librosa function of the same name does, in single precision and without a loop over frames;
`genrefusion.features.handcrafted` calls them on one short-time Fourier transform.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from genrefusion.core.folders import give_numba_a_folder

Array = npt.NDArray[np.float32]

N_FFT = 2048
HOP = 512
N_BINS = N_FFT // 2 + 1
BLOCK = 96  # frames in one block: 0.8 MB of spectrum, which stays in the processor's cache


def signal_moments(audio: Array) -> npt.NDArray[np.float64]:
    """Mean of |y|, standard deviation of y, skew of |y| and excess kurtosis of y, shape (4,); 0 for what has none."""
    loudness = np.abs(audio)
    mean, centre = float(loudness.mean()), float(audio.mean())
    loudness -= np.float32(mean)
    square = np.square(loudness)
    skew = _standardised(float(np.dot(square, loudness)) / len(audio), square.mean(), mean, order=3)
    np.square(np.subtract(audio, np.float32(centre), out=loudness), out=square)
    variance = square.mean()
    kurtosis = _standardised(float(np.dot(square, square)) / len(audio), variance, centre, order=4, normal=3.0)
    return np.array([mean, variance**0.5, skew, kurtosis])


def _standardised(moment: float, variance: float, mean: float, *, order: int, normal: float = 0.0) -> float:
    # scipy.stats answers NaN where the deviation is but rounding of the mean; below 1e-9, float32 loses fourth powers.
    deviation = float(variance) ** 0.5
    if deviation <= max(1.2e-7 * abs(mean), 1e-9):
        return 0.0
    return float(moment / deviation**order) - normal


def zero_crossing_rate(audio: Array) -> Array:
    """Share of the 2048 samples of a frame, hop 512, whose sign differs from the sample before, shape (frames,)."""
    negative = audio < -1e-10
    crossings = np.flatnonzero(negative[1:] != negative[:-1]) + 1 + N_FFT // 2
    starts = np.arange(1 + len(audio) // HOP) * HOP
    # The first sample of a frame has none before it, so 2047 count.
    counts = np.searchsorted(crossings, starts + N_FFT) - np.searchsorted(crossings, starts + 1)
    return (counts / N_FFT).astype(np.float32)


def rms(audio: Array) -> Array:
    """Root of the mean square of frames of 2048 samples, hop 512, zeros beyond the edges, shape (frames,)."""
    count = 1 + len(audio) // HOP
    energies = np.zeros(count + 3, np.float64)  # of pieces of one hop; a frame is four of them
    pieces = audio[: HOP * (count - 1)].reshape(-1, HOP)
    rest = audio[HOP * (count - 1) :]
    energies[2 : count + 1] = np.vecdot(pieces, pieces)
    energies[count + 1] = np.dot(rest, rest)
    return np.sqrt(np.convolve(energies, np.ones(4), mode="valid") / N_FFT).astype(np.float32)


def spectral_centroid(magnitude: Array, frequencies: Array) -> Array:
    """Mean frequency of each spectrum in Hz, 0 where it is silent.

    Parameters
    ----------
    magnitude : Array, shape (bins, frames)
        Non-negative spectral magnitudes; fastest when a frame's bins are neighbours in memory.
    frequencies : Array, shape (bins,)
        Centre of each bin in Hz, see :func:`bin_frequencies`.
    """
    rows = magnitude.T
    return _ratio(rows @ frequencies, rows.sum(axis=1))


def spectral_bandwidth(magnitude: Array, frequencies: Array, centroid: Array, *, order: int = 2) -> Array:
    """Spread of each spectrum around its centroid in Hz, ``(sum_k S_k |f_k - c|**order) ** (1 / order)``.

    ``S`` is the magnitude normalised to sum 1 in each frame, as librosa does; 0 where a frame is silent. Order 2 is the
    standard deviation. Parameters as for :func:`spectral_centroid`, and the centroids, shape (frames,), in Hz.
    """
    bandwidth: Array = _bandwidths(magnitude.T, frequencies, centroid, (order,))[0]
    return bandwidth


def _bandwidths(rows: Array, frequencies: Array, centroid: Array, orders: tuple[int, ...]) -> Array:
    # Bin by bin: sums of powers of the frequency itself would be cheaper, but cancel to nothing in float32.
    distance = frequencies - centroid[:, np.newaxis]
    np.abs(distance, out=distance)
    total, weighted, power = rows.sum(axis=1), rows * distance, 1
    moments = np.empty((len(orders), len(rows)), np.float32)
    for place, order in enumerate(orders):
        while power < order - 1:
            weighted *= distance
            power += 1
        moment = np.vecdot(weighted, distance) if order > 1 else weighted.sum(axis=1)
        moments[place] = _ratio(moment, total) ** (1 / order)
    return moments


def rolloff(magnitude: Array, frequencies: Array, *, share: float = 0.85) -> Array:
    """Frequency in Hz below which lies ``share`` of the summed magnitude of each frame, shape (frames,)."""
    rows, width = magnitude.T, 32
    line, last = np.arange(len(rows)), rows.shape[1] - 1
    # Sums of 32 bins find the place, a running sum within it the bin: a running sum over all takes twice as long.
    sums = np.cumsum(np.add.reduceat(rows, np.arange(0, last + 1, width), axis=1), axis=1)
    threshold = np.float32(share) * sums[:, -1]
    place = np.argmax(sums >= threshold[:, np.newaxis], axis=1)
    missing = threshold - np.where(place > 0, sums[line, place - 1], 0)
    bins = np.minimum(place[:, np.newaxis] * width + np.arange(width), last)
    within = np.cumsum(rows[line[:, np.newaxis], bins], axis=1)
    found = place * width + np.count_nonzero(within < missing[:, np.newaxis], axis=1)
    at: Array = frequencies[np.minimum(found, last)]
    return at


def spectral_contrast(magnitude: Array, *, sample_rate: int = 22050) -> Array:
    """Peaks over valleys in dB of seven bands, below 200 Hz and six octaves above it, shape (7, frames).

    A peak is the mean of the highest 2 % of a band's bins, a valley of the lowest 2 %, at least one bin each.
    Source: Jiang et al., "Music type classification by spectral contrast feature", ICME 2002.
    """
    peaks, valleys = _peaks_and_valleys(magnitude.T, sample_rate)
    return (power_to_db(peaks) - power_to_db(valleys)).T


def _peaks_and_valleys(rows: Array, sample_rate: int) -> tuple[Array, Array]:
    found = np.empty((2, len(rows), 7), np.float32)
    for band, (low, high, count) in enumerate(_octave_bands(sample_rate)):
        # A full sort is 6x as fast as np.partition here: numpy sorts float32 with vector instructions.
        values = np.sort(rows[:, low:high], axis=1)
        np.add.reduce(values[:, -count:], axis=1, out=found[0, :, band])
        np.add.reduce(values[:, :count], axis=1, out=found[1, :, band])
    found /= np.array([count for _, _, count in _octave_bands(sample_rate)], np.float32)
    return found[0], found[1]


@lru_cache(maxsize=8)
def _octave_bands(sample_rate: int) -> tuple[tuple[int, int, int], ...]:
    """First bin, end and number of extreme bins of each band, with librosa's overlaps."""
    edges = 200 * N_FFT / sample_rate * 2.0 ** np.arange(6)
    firsts, ends = (0, *np.ceil(edges).astype(int) - 1), (*edges.astype(int), N_BINS)
    # librosa counts the bin above a band too, where there is one.
    counts = (max(1, round(0.02 * (end - first + (end < N_BINS)))) for first, end in zip(firsts, ends, strict=True))
    return tuple((int(first), int(end), count) for first, end, count in zip(firsts, ends, counts, strict=True))


def mel_spectrogram(power: Array, *, sample_rate: int = 22050) -> Array:
    """Sum a power spectrum (1025, frames) under 128 Slaney mel filters, shape (128, frames)."""
    mel = [power[low:high].T @ filters for low, high, filters in _mel_filters(sample_rate)]
    return np.concatenate(mel, axis=1).T


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int) -> tuple[tuple[int, int, Array], ...]:
    """Split the filter bank into pieces of 32 filters with the bins they read: a quarter of the multiplications."""
    pieces = []
    for filters in np.split(mel_filters(sample_rate, N_FFT, 128), 4):
        bins = np.flatnonzero(filters.any(axis=0))
        pieces.append((int(bins[0]), int(bins[-1]) + 1, np.ascontiguousarray(filters[:, bins[0] : bins[-1] + 1].T)))
    return tuple(pieces)


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Array:
    """Triangular filters of Slaney's mel scale, each of unit area, from 0 Hz to half the sample rate.

    The scale is linear to 1 kHz and logarithmic above it. These are librosa's filters to the last bit, without its
    import, which takes longer than the spectrogram of a song.

    Parameters
    ----------
    sample_rate : int
        In Hz, above 2000.
    n_fft : int
        Window length in samples.
    n_mels : int
        Number of filters.

    Returns
    -------
    Array, shape (n_mels, 1 + n_fft // 2)
    """
    per_mel, knee, log_step = 200.0 / 3, 1000.0, np.log(6.4) / 27.0
    mels = np.linspace(0.0, knee / per_mel + np.log(sample_rate / 2 / knee) / log_step, n_mels + 2)
    corners = per_mel * mels
    above = mels >= knee / per_mel
    corners[above] = knee * np.exp(log_step * (mels[above] - knee / per_mel))
    ramps = np.subtract.outer(corners, np.fft.rfftfreq(n_fft, 1.0 / sample_rate))
    widths = np.diff(corners)[:, np.newaxis]
    rising, falling = -ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]
    filters: Array = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (corners[2:] - corners[:-2]))[:, np.newaxis]
    return filters


def power_to_db(power: Array) -> Array:
    """``10 log10`` of a power, not below 1e-10 nor 80 dB below the loudest value, as librosa's defaults."""
    decibels: Array = np.log(
        np.maximum(power, np.float32(1e-10))
    )  # numpy has vector instructions for log, none for log10
    decibels *= np.float32(10 / np.log(10))
    np.maximum(decibels, decibels.max() - np.float32(80), out=decibels)
    return decibels


def mfcc(mel: Array, *, count: int = 20) -> Array:
    """Cepstral coefficients of a mel spectrum in dB (bands, frames): its orthonormal cosine transform."""
    transform = scipy.fft.dct(np.eye(len(mel), dtype=np.float32), axis=0, norm="ortho")[:count]
    coefficients: Array = mel.T @ transform.T
    return coefficients.T


def chroma(power: Array, *, sample_rate: int = 22050) -> Array:
    """Sum a power spectrum (1025, frames) by pitch class from C, tuned to the clip, shape (12, frames).

    The largest value of a frame is 1, a silent frame is 0. The tuning is librosa's to the hundredth of a semitone,
    since the same peaks are counted.
    """
    filters = _chroma_filters(sample_rate, estimate_tuning(power, sample_rate=sample_rate))
    raw: Array = power.T @ filters
    return _ratio(raw, raw.max(axis=1, keepdims=True)).T


@lru_cache(maxsize=256)
def _chroma_filters(sample_rate: int, tuning: float) -> Array:
    give_numba_a_folder()
    from librosa.filters import chroma as chroma_bank  # slow: it brings numba

    return np.ascontiguousarray(chroma_bank(sr=sample_rate, n_fft=N_FFT, tuning=tuning).T)


def estimate_tuning(power: Array, *, sample_rate: int = 22050) -> float:
    """Deviation from A = 440 Hz in semitones, -0.5 to 0.49: the commonest among the louder half of spectral peaks.

    Peaks are the local maxima between 150 and 4000 Hz above a tenth of their frame's maximum, placed by a parabola
    (librosa's ``piptrack``), of a power spectrum (1025, frames) as in librosa's ``chroma_stft``.
    """
    rows = power.T
    low, high = (int(np.ceil(hertz * N_FFT / sample_rate)) for hertz in (150, 4000))
    middle, left, right = rows[:, low:high], rows[:, low - 1 : high - 1], rows[:, low + 1 : high + 1]
    threshold = np.float32(0.1) * rows.max(axis=1, keepdims=True)
    is_peak = (middle > threshold) & (middle > left) & (middle >= right)
    frame, place = np.divmod(np.flatnonzero(is_peak), high - low)
    if not len(frame):
        return 0.0
    height, left, right = middle[frame, place], left[frame, place], right[frame, place]
    slope, curve = (right - left) / 2, right + left - 2 * height
    shift = np.where(np.abs(slope) < np.abs(curve), -slope / np.where(curve, curve, 1), 0)
    height += slope * shift / 2
    louder = height >= np.median(height)
    pitch = (place[louder] + low + shift[louder]) * sample_rate / N_FFT
    deviation = np.mod(12 * np.log2(pitch / 27.5) + 0.5, 1.0) - 0.5
    counts, edges = np.histogram(deviation, bins=100, range=(-0.5, 0.5))
    return float(edges[np.argmax(counts)])


def onset_strength(mel: Array) -> Array:
    """Mean rise in dB over the bands of a mel spectrum (bands, frames), shape (frames,), delayed as librosa does."""
    rows = mel.T
    rise = rows[1:] - rows[:-1]
    strength = np.maximum(rise, 0, out=rise).mean(axis=1)
    delay = 1 + N_FFT // (2 * HOP)  # one frame for the difference, and half a window
    return np.pad(strength, (delay, 0))[: len(rows)]


def onset_autocorrelation(onset: Array, *, sample_rate: int = 22050) -> Array:
    """Mean over frames of the normalised autocorrelation of 8 s of onset strength around them, shape (lags,).

    It is librosa's ``tempogram(...).mean(axis=-1)``. The mean goes into the product of the windowed frames with
    themselves, whose diagonals are the lags: no Fourier transform, and no rounding where the true value is 0.
    """
    length = 8 * sample_rate // HOP
    padded = np.pad(onset, length // 2, mode="linear_ramp")
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[: len(onset)] * hann(length)
    frames *= _ratio(np.float32(1), np.sqrt(np.vecdot(frames, frames) * len(onset)))[:, np.newaxis]
    # Rows of 2 n + 1 values read the diagonals of a matrix with rows of 2 n as columns.
    skewed = np.zeros(length * (2 * length + 1), np.float32)
    skewed[: 2 * length**2].reshape(length, 2 * length)[:, :length] = frames.T @ frames
    lags: Array = skewed.reshape(length, 2 * length + 1)[:, :length].sum(axis=0)
    return lags


def tempo(autocorrelation: Array, *, sample_rate: int = 22050) -> float:
    """Beats a minute of the strongest lag of an onset autocorrelation, below 320 and preferably near 120."""
    lags = np.arange(1, len(autocorrelation))
    beats_per_minute = 60 * sample_rate / (HOP * lags)
    score = np.log1p(1e6 * autocorrelation[1:].astype(np.float64)) - np.log2(beats_per_minute / 120) ** 2 / 2
    return float(beats_per_minute[np.argmax(np.where(beats_per_minute < 320, score, -np.inf))])


@lru_cache(maxsize=8)
def bin_frequencies(sample_rate: int) -> Array:
    """Centre of each bin of the transform in Hz, shape (1025,)."""
    return (np.arange(N_BINS) * sample_rate / N_FFT).astype(np.float32)


@lru_cache(maxsize=8)
def hann(length: int) -> Array:
    """Periodic Hann window, shape (length,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def _ratio(numerator: Array | np.float32, denominator: Array) -> Array:
    """Divide, and give 0 where the denominator is 0."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), 0).astype(np.float32)
