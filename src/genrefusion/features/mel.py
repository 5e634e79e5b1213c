"""Log mel-spectrograms of whole songs, and the frames that networks read from them.

The scale is the one that Choi et al. (2017, arXiv 1609.04243) trained their convolutional recurrent network on: 12 kHz,
windows of 512 samples every 256, 96 mel bands, and decibels of the *squared* mel power.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from genrefusion.data.audio import load_audio, samples_in
from genrefusion.features.cache import LazyArray
from genrefusion.features.descriptors import hann, mel_filters
from genrefusion.settings.features import MelFeatures

Array = npt.NDArray[np.float32]

FLOOR = 1e-10
"""Smallest squared mel power before the logarithm: -100 dB."""

DYNAMIC_RANGE = 80.0
"""Decibels under the loudest point of a frame that are kept."""


class MelExtractor:
    """Log mel-spectrogram of a file; what `genrefusion.features.cache.extract` calls for each track."""

    version = 1
    name = "mel"

    def __init__(self, settings: MelFeatures, *, max_seconds: float = 600.0) -> None:
        self.settings = settings
        self.max_seconds = max_seconds

    def parameters(self) -> dict[str, Any]:
        """Everything beside the audio that decides the result: part of the cache key."""
        spectrum = {key: asdict(self.settings)[key] for key in ("sample_rate", "n_fft", "hop", "n_mels")}
        return spectrum | {"max_seconds": self.max_seconds}

    def __call__(self, path: Path) -> Array:
        """Decode and transform; shape (mel bands, columns)."""
        s = self.settings
        audio = load_audio(path, sample_rate=s.sample_rate, max_seconds=self.max_seconds)
        return log_mel(audio, sample_rate=s.sample_rate, n_fft=s.n_fft, hop=s.hop, n_mels=s.n_mels)


def log_mel(audio: Array, *, sample_rate: int = 12000, n_fft: int = 512, hop: int = 256, n_mels: int = 96) -> Array:
    """Decibels of the squared mel power spectrogram, without a limit on the dynamic range.

    ``10 log10(max(M**2, 1e-10))`` with ``M = F |STFT|**2``, a periodic Hann window, centred windows with zeros outside
    the signal and Slaney's mel filters of unit area, as ``librosa.feature.melspectrogram`` does.

    Parameters
    ----------
    audio : Array, shape (samples,)
        Mono samples.
    sample_rate : int
        In Hz.
    n_fft, hop : int
        Window length and step in samples.
    n_mels : int
        Number of mel bands from 0 Hz to half the sample rate.

    Returns
    -------
    Array, shape (n_mels, 1 + samples // hop)
        In dB.
    """
    padded = np.pad(audio, n_fft // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    spectrum = scipy.fft.rfft(windows * hann(n_fft), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    mel = mel_filters(sample_rate, n_fft, n_mels) @ power.T
    decibels = 10.0 * np.log10(np.maximum(mel * mel, FLOOR))
    return np.ascontiguousarray(decibels, dtype=np.float32)


def frame_columns(settings: MelFeatures) -> int:
    """Mel columns in one frame: 1366 for 29.12 s at 12 kHz and hop 256."""
    return 1 + round(settings.frame_seconds * settings.sample_rate) // settings.hop


def frame_starts(columns: int, settings: MelFeatures) -> list[int]:
    """First column of each frame of a song with that many mel columns.

    Frames lie `frame_hop_seconds` apart (without overlap by default) between the trimmed ends. What is left over at the
    end of the song is covered by one more frame flush with the end if it is at least half a hop, so that songs a little
    shorter than a multiple of the frame keep their ending. A song shorter than one frame has one frame.

    Parameters
    ----------
    columns : int
        Length of the song's mel-spectrogram.
    settings : MelFeatures
        `frame_seconds`, `frame_hop_seconds`, `trim`.

    Returns
    -------
    list of int
        At least one start; the frame may reach past the end (see `cut_frame`).
    """
    length = frame_columns(settings)
    rate = settings.sample_rate / settings.hop
    hop = length if settings.frame_hop_seconds is None else max(1, round(settings.frame_hop_seconds * rate))
    first, last = trimmed_span(columns, settings)
    starts = list(range(first, max(first + 1, last - length + 1), hop))
    left_over = last - (starts[-1] + length)
    if left_over >= hop / 2:
        starts.append(last - length)
    return starts


def frame_spans(seconds: float, settings: MelFeatures) -> list[tuple[float, float]]:
    """When the frames of a song are heard: beginning and end of each of `frame_starts` in seconds.

    Parameters
    ----------
    seconds : float
        Length of the song, as it was decoded. No frame ends later.
    settings : MelFeatures
        Spectrogram and frames.
    """
    columns = 1 + samples_in(seconds, settings.sample_rate) // settings.hop
    begins = [start * settings.hop / settings.sample_rate for start in frame_starts(columns, settings)]
    return [(begin, min(begin + settings.frame_seconds, seconds)) for begin in begins]


def trimmed_span(columns: int, settings: MelFeatures) -> tuple[int, int]:
    """First column of a song that frames may cover, and the one after the last: without `trim` seconds at both ends.

    A song that trimming would leave shorter than one frame is used whole.
    """
    trim = round(settings.trim * settings.sample_rate / settings.hop)
    return (trim, columns - trim) if columns - 2 * trim >= frame_columns(settings) else (0, columns)


def cut_frame(mel: LazyArray, start: int, columns: int) -> Array:
    """Cut one frame out of a song's mel-spectrogram.

    Past the end of the song the floor of the scale is filled in, the value of digital silence. The frame keeps the 80
    dB under its loudest point, so that it does not depend on the rest of the song.

    Parameters
    ----------
    mel : LazyArray, shape (bands, song columns)
        In dB.
    start : int
        First column.
    columns : int
        Length of the frame.

    Returns
    -------
    Array, shape (bands, columns)
        In dB.
    """
    piece: Array = np.asarray(mel[:, start : start + columns])
    if piece.shape[1] < columns:
        silence = np.float32(10.0 * np.log10(FLOOR))
        piece = np.pad(piece, ((0, 0), (0, columns - piece.shape[1])), constant_values=silence)
    kept: Array = np.maximum(piece, piece.max() - np.float32(DYNAMIC_RANGE))
    return kept
