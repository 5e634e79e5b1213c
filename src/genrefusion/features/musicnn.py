"""Vectors of songs by the published tag network musicnn."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

from genrefusion.data.audio import load_audio, samples_in, sha256_of
from genrefusion.features.descriptors import hann, mel_filters
from genrefusion.features.musicnn_weights import PUBLISHED, find_weights, identity, load_musicnn, require_same
from genrefusion.features.sources import AudioSource
from genrefusion.features.text_encoder import MADE_ON, Device, on_cpu
from genrefusion.models.msd import TAGS
from genrefusion.models.musicnn import BANDS, COLUMNS, Musicnn
from genrefusion.settings.features import MusicnnFeatures

Array = npt.NDArray[np.float32]

RATE, N_FFT, HOP = 16_000, 512, 256

_PATCHES, _SPAN = 64, 64 * COLUMNS
"""Patches that are computed together, and columns within which they begin: they bound the memory of a long song."""


def log_mel(audio: Array) -> Array:
    """Spectrogram as the network reads it: ``log10(10000 M + 1)`` of the mel power.

    Windows of 512 samples every 256 at 16 kHz, centred, with zeros outside the signal, and 96 bands of Slaney's scale.
    The published code rounds the power to half precision first, where loud bands become infinite; that is left out.

    Parameters
    ----------
    audio : Array, shape (samples,)
        Mono, at 16 kHz.

    Returns
    -------
    Array, shape (1 + samples // 256, 96)
    """
    return _columns(audio, 0, 1 + len(audio) // HOP)


def _columns(audio: Array, first: int, count: int) -> Array:
    """Some columns of the spectrogram, as `log_mel` has them; there may be more than the audio is long."""
    begin = first * HOP - N_FFT // 2
    end = begin + (count - 1) * HOP + N_FFT
    padded = np.pad(audio[max(0, begin) : end], (max(0, -begin), max(0, end - len(audio))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = scipy.fft.rfft(windows * hann(N_FFT), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    mel: Array = np.log10(10_000 * (power @ mel_filters(RATE, N_FFT, BANDS).T) + 1)
    return mel


def patch_starts(columns: int, hop_seconds: float) -> list[int]:
    """First column of each patch; one more is flush with the end if half a hop is left there.

    A song that is shorter than a patch has one, which reaches past its end.
    """
    hop = max(1, int(hop_seconds * RATE / HOP))
    starts = list(range(0, max(1, columns - COLUMNS + 1), hop))
    if columns - (starts[-1] + COLUMNS) >= hop / 2:
        starts.append(columns - COLUMNS)
    return starts


class MusicnnExtractor:
    """What the network makes of each patch of a song; see `genrefusion.features.cache.Extractor`.

    Parameters
    ----------
    settings : MusicnnFeatures
        Layers and distance of the patches.
    weights : Path
        See `genrefusion.features.musicnn_weights.find_weights`.
    max_seconds : float
        Only the beginning of a longer song is read.
    device : callable
        Where the network computes; asked once, when the first song is.
    precision : str
        In which its first layer is computed: ``float32`` or ``bfloat16``.
    """

    name = "musicnn"
    version = 2

    def __init__(
        self,
        settings: MusicnnFeatures,
        weights: Path,
        *,
        max_seconds: float,
        device: Device = on_cpu,
        precision: str = "float32",
    ) -> None:
        self.settings = settings
        self.max_seconds = max_seconds
        self._device = device
        self.precision = precision
        self.weights = weights

    def parameters(self) -> Mapping[str, Any]:
        """What decides the result beside the audio."""
        found = {
            "layers": list(self.settings.layers),
            "hop_seconds": self.settings.hop_seconds,
            "weights": sha256_of(self.weights),
            "max_seconds": self.max_seconds,
        } | MADE_ON
        return found if self.precision == "float32" else found | {"precision": self.precision}

    @functools.cached_property
    def device(self) -> Any:
        """Where the network computes."""
        return self._device()

    @functools.cached_property
    def network(self) -> Musicnn:
        """The network on its device; loaded when a song is not in the cache."""
        return load_musicnn(self.weights).to(self.device)

    def __call__(self, path: Path) -> Array:
        """Decode and encode; shape (patches, channels of the layers side by side)."""
        audio = load_audio(path, sample_rate=RATE, max_seconds=self.max_seconds)
        return np.concatenate(list(self._vectors(audio)))

    def _vectors(self, audio: Array) -> Iterator[Array]:
        """A few patches at once: neither spectrogram nor maps of a long song are in memory as a whole."""
        for starts in _together(patch_starts(1 + len(audio) // HOP, self.settings.hop_seconds)):
            first = starts[0]
            mel = torch.from_numpy(_columns(audio, first, starts[-1] - first + COLUMNS)).to(self.device)
            with torch.inference_mode():
                answers = self.network(mel, [start - first for start in starts], getattr(torch, self.precision))
            layers = [getattr(answers, _ATTRIBUTES[layer]) for layer in self.settings.layers]
            yield torch.cat(layers, dim=1).cpu().numpy()


_ATTRIBUTES = {"tags": "log_tags", "penultimate": "penultimate", "pooled": "pooled"}
"""Of `genrefusion.models.musicnn.Answers`, by layer."""


def _together(starts: list[int]) -> Iterator[list[int]]:
    """Patches that are computed at once: neighbours, not too many and not too far apart."""
    places = enumerate(starts)
    for _, some in itertools.groupby(places, key=lambda place: (place[0] // _PATCHES, place[1] // _SPAN)):
        yield [start for _, start in some]


class TagSequences(AudioSource):
    """A vector for each patch of a song: what the network makes of three seconds."""

    features: MusicnnFeatures

    @property
    def channels(self) -> Sequence[str]:
        """Tags by their names, other values by layer and number."""
        names = {
            "tags": list(TAGS),
            "penultimate": [f"penultimate_{unit}" for unit in range(200)],
            "pooled": [f"pooled_{unit}" for unit in range(1506)],
        }
        return [name for layer in self.features.layers for name in names[layer]]

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """Beginning and end of each patch; see `patch_starts`."""
        starts = patch_starts(1 + samples_in(seconds, RATE) // HOP, self.features.hop_seconds)
        return [(start * HOP / RATE, min((start + COLUMNS) * HOP / RATE, seconds)) for start in starts]

    def parameters(self) -> int:
        """Values of the network, with the statistics that its normalisations apply."""
        return sum(value.numel() for value in Musicnn().state_dict().values() if value.is_floating_point())

    def load(self) -> None:
        """Load the network; its weights are fetched first, if they were not before."""
        load_musicnn(self._weights)

    def noted(self) -> MusicnnFeatures:
        """By their name where the weights are the published ones, wherever they were; others with their digest."""
        given = self.features
        known = given.weights == "musicnn" or given.weights_sha256 is not None
        if known or not Path(given.weights).expanduser().is_file():
            return given
        found = identity(given.weights)
        return replace(given, weights="musicnn") if found == PUBLISHED else replace(given, weights_sha256=found)

    def extractor(self) -> MusicnnExtractor:
        """The network; its weights are fetched here, if they were not before."""
        around = self.surroundings
        return MusicnnExtractor(
            self.features,
            self._weights,
            max_seconds=around.max_seconds,
            device=around.device,
            precision=around.precision,
        )

    @property
    def _weights(self) -> Path:
        """Where the weights are that the settings name; they may lie elsewhere, but have to be the same."""
        around, named = self.surroundings, self.features
        if around.weights is not None:
            require_same(around.weights, PUBLISHED if named.weights == "musicnn" else named.weights_sha256)
        folder = around.cache.directory / "weights"
        return find_weights(around.weights or named.weights, folder, around.terminal, sha256=named.weights_sha256)
