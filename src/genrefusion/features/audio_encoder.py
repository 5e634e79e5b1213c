"""Vectors of songs by a frozen audio encoder from Hugging Face."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.core.errors import UserError
from genrefusion.data.audio import load_audio, samples_in
from genrefusion.features.hugging_face import load_transformers
from genrefusion.features.sources import AudioSource
from genrefusion.features.text_encoder import MADE_ON, Device, model_identity, on_cpu
from genrefusion.settings.features import AudioEncoderFeatures

Array = npt.NDArray[np.float32]

_BATCH = 8  # windows


class AudioEncoder:
    """One vector for each window of a song; see `genrefusion.features.cache.Extractor`.

    It computes in single precision: how far any encoder's vectors move in another nobody has measured.
    The last hidden states of a window are averaged over everything but their channels. That means the same for encoders
    that go through time (wav2vec 2, HuBERT, MERT) and for those that see patches of a spectrogram (AST, CLAP), whose
    positions are no sequence in time.
    """

    name = "audio_encoder"
    version = 1

    def __init__(self, settings: AudioEncoderFeatures, *, max_seconds: float, device: Device = on_cpu) -> None:
        self.settings = settings
        self.max_seconds = max_seconds
        self._device = device

    @functools.cached_property
    def device(self) -> Any:
        """Where the network computes; asked once, when the first song is."""
        return self._device()

    def parameters(self) -> Mapping[str, Any]:
        """What decides the result beside the audio."""
        s = self.settings
        return {
            "model": model_identity(str(s.model)),
            "window": s.window_seconds,
            "hop": s.hop_seconds,
            "max_seconds": self.max_seconds,
        } | MADE_ON

    def __call__(self, path: Path) -> Array:
        """Decode, cut, encode; shape (windows, channels)."""
        import torch

        prepare, network = load_audio_model(str(self.settings.model))
        network.to(self.device)
        rate = int(prepare.sampling_rate)
        audio = load_audio(path, sample_rate=rate, max_seconds=self.max_seconds)
        windows = cut_windows(
            audio, round(self.settings.window_seconds * rate), round(self.settings.hop_seconds * rate)
        )
        vectors = []
        for first in range(0, len(windows), _BATCH):
            inputs = prepare(windows[first : first + _BATCH], sampling_rate=rate, return_tensors="pt", padding=True)
            with torch.inference_mode():
                states = network(**{k: v.to(self.device) for k, v in inputs.items() if k in _INPUTS}).last_hidden_state
            vectors.append(_channel_means(states, int(network.config.hidden_size)).cpu().numpy())
        return np.concatenate(vectors)


_INPUTS = ("input_values", "input_features", "is_longer", "attention_mask")


def cut_windows(audio: Array, length: int, hop: int) -> list[Array]:
    """Windows of a length at `window_starts`; audio that is shorter than one has zeros behind it."""
    if len(audio) <= length:
        return [np.pad(audio, (0, length - len(audio)))]
    return [audio[start : start + length] for start in window_starts(len(audio), length, hop)]


def window_starts(samples: int, length: int, hop: int) -> list[int]:
    """First sample of each window, `hop` apart; a last one flush with the end covers what is left over."""
    if samples <= length:
        return [0]
    starts = list(range(0, samples - length + 1, hop))
    return starts if starts[-1] + length >= samples else [*starts, samples - length]


def _channel_means(states: Any, width: int) -> Any:
    """Average over all axes but the first and that of the channels, wherever it is; shape (windows, channels)."""
    axis = next(axis for axis in range(states.ndim - 1, 0, -1) if states.shape[axis] == width)
    return states.movedim(axis, -1).flatten(1, -2).mean(dim=1)


class EncodedWindows(AudioSource):
    """A vector for each window of a song."""

    features: AudioEncoderFeatures

    @property
    def channels(self) -> Sequence[str]:
        """Numbers of the encoder's channels."""
        return [str(channel) for channel in range(int(self._network.config.hidden_size))]

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """Beginning and end of each window; see `window_starts`."""
        s, rate = self.features, int(load_audio_model(str(self.features.model))[0].sampling_rate)
        samples = samples_in(seconds, rate)
        starts = window_starts(samples, round(s.window_seconds * rate), round(s.hop_seconds * rate))
        return [(start / rate, min(start / rate + s.window_seconds, seconds)) for start in starts]

    def parameters(self) -> int:
        """Values of the encoder."""
        return sum(p.numel() for p in self._network.parameters())

    def extractor(self) -> AudioEncoder:
        """The encoder, which is loaded when a song is not in the cache."""
        around = self.surroundings
        return AudioEncoder(self.features, max_seconds=around.max_seconds, device=around.device)

    def load(self) -> None:
        """Load the encoder."""
        load_audio_model(str(self.features.model))

    @property
    def _network(self) -> Any:
        return load_audio_model(str(self.features.model))[1]


@functools.lru_cache(maxsize=1)
def load_audio_model(model: str) -> tuple[Any, Any]:
    """Load feature extractor and network of an encoder.

    Raises
    ------
    UserError
        There is none of this name, or it is no encoder of audio.
    """
    transformers = load_transformers()
    where = str(Path(model).expanduser())
    try:
        is_clap = transformers.AutoConfig.from_pretrained(where).model_type.startswith("clap")
        # Weights in safetensors only: the older format is a pickle.
        kind = transformers.ClapAudioModel if is_clap else transformers.AutoModel
        network = kind.from_pretrained(where, use_safetensors=True)
        return transformers.AutoFeatureExtractor.from_pretrained(where), network.eval()
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"features.model={model}: no folder with model.safetensors, and nothing that Hugging Face gives under this "
            f"name ({type(error).__name__})."
        ) from error
