"""Vectors of songs by a frozen audio encoder from Hugging Face."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.core.errors import UserError
from genrefusion.data.audio import load_audio
from genrefusion.features.hugging_face import load_transformers
from genrefusion.features.text_encoder import MADE_ON, Device, model_identity, on_cpu
from genrefusion.settings.features import AudioEncoderFeatures

Array = npt.NDArray[np.float32]

_BATCH = 8  # windows


class AudioEncoder:
    """One vector for each window of a song; see `genrefusion.features.cache.Extractor`.

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
        device = self.device
        network.to(device)
        rate = int(prepare.sampling_rate)
        audio = load_audio(path, sample_rate=rate, max_seconds=self.max_seconds)
        windows = cut_windows(
            audio, round(self.settings.window_seconds * rate), round(self.settings.hop_seconds * rate)
        )
        vectors = []
        for first in range(0, len(windows), _BATCH):
            inputs = prepare(windows[first : first + _BATCH], sampling_rate=rate, return_tensors="pt", padding=True)
            with torch.inference_mode():
                states = network(**{k: v.to(device) for k, v in inputs.items() if k in _INPUTS}).last_hidden_state
            vectors.append(_channel_means(states, int(network.config.hidden_size)).float().cpu().numpy())
        return np.concatenate(vectors)


_INPUTS = ("input_values", "input_features", "is_longer", "attention_mask")


def cut_windows(audio: Array, length: int, hop: int) -> list[Array]:
    """Windows of a length, `hop` apart; a last one flush with the end covers what is left over.

    Audio that is shorter than a window gives one window with zeros behind it.
    """
    if len(audio) <= length:
        return [np.pad(audio, (0, length - len(audio)))]
    starts = list(range(0, len(audio) - length + 1, hop))
    if starts[-1] + length < len(audio):
        starts.append(len(audio) - length)
    return [audio[start : start + length] for start in starts]


def _channel_means(states: Any, width: int) -> Any:
    """Average over all axes but the first and that of the channels, wherever it is; shape (windows, channels)."""
    axis = next(axis for axis in range(states.ndim - 1, 0, -1) if states.shape[axis] == width)
    return states.movedim(axis, -1).flatten(1, -2).mean(dim=1)


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
