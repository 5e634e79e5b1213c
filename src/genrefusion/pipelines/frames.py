"""Frames of songs for networks, and what frozen convolutions make of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import Array, FeatureCache, LazyArray, Recipe, decoders, extract, look_up
from genrefusion.features.mel import MelExtractor, cut_frame, frame_columns, frame_starts, trimmed_span
from genrefusion.features.sources import source_names
from genrefusion.models import msd
from genrefusion.models.crnn import LEAST_COLUMNS, MEL_BANDS, Trunk
from genrefusion.pipelines.base import Context
from genrefusion.settings.features import FeatureSettings, MelFeatures
from genrefusion.settings.pipelines import MultiframeSettings
from genrefusion.training.checkpoints import Checkpoint
from genrefusion.training.loop import Conditions

TRUNK_VERSION = 1
_CHUNK = 1500  # mel columns that pass the convolutions at once: their maps stay near the processor
_CHUNK_SEQUENCES = 512  # frames that pass a head at once, where their convolutions are computed


class SongFrames(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Frames of songs, one song after another.

    Parameters
    ----------
    arrays : dict of str to LazyArray
        By track id: mel-spectrograms, shape (bands, columns), if `features` is given; otherwise frames as they are,
        shape (frames, …).
    labels : list of int
        Class of each song.
    features : MelFeatures, optional
        How frames are cut.
    random_cuts : bool
        Take each frame from anywhere in its song, anew each time: the song's number of frames stays the same.
    """

    def __init__(
        self,
        arrays: Mapping[str, LazyArray],
        labels: list[int],
        features: MelFeatures | None = None,
        *,
        random_cuts: bool = False,
    ) -> None:
        self.arrays = arrays
        self.features = features
        self.columns = frame_columns(features) if features else 0
        self.random_cuts = random_cuts
        self.songs: list[str] = []
        self.labels: list[int] = []
        self.starts: list[int] = []
        for (song, array), label in zip(arrays.items(), labels, strict=True):
            starts = frame_starts(array.shape[1], features) if features else list(range(len(array)))
            self.starts += starts
            self.songs += [song] * len(starts)
            self.labels += [label] * len(starts)

    def __len__(self) -> int:
        return len(self.songs)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Frame and class."""
        array, start = self.arrays[self.songs[number]], self.starts[number]
        if self.random_cuts and self.features:
            first, last = trimmed_span(array.shape[1], self.features)
            start = first + int(torch.randint(max(1, last - first - self.columns + 1), ()))
        frame = cut_frame(array, start, self.columns) if self.columns else np.array(array[start])
        return torch.from_numpy(frame), torch.tensor(self.labels[number])


def trunk_outputs(
    trunk: Trunk, tracks: Tracks, features: MelFeatures, context: Context, *, outputs: FeatureCache | None = None
) -> dict[str, LazyArray]:
    """All levels of frozen convolutions for each frame of each track, from the cache where they are there.

    Parameters
    ----------
    trunk : Trunk
        The convolutions; their weights are part of the cache's key.
    tracks : Tracks
        Each with audio.
    features : MelFeatures
        Spectrogram and frames.
    context : Context
        Cache, device, terminal.
    outputs : FeatureCache, optional
        Where they are kept; by default in the cache of the context.

    Returns
    -------
    dict of str to LazyArray
        By track id, shape (frames, steps, channels): see `Trunk.sequence`.
    """
    extractor = MelExtractor(features, max_seconds=context.max_seconds)
    framing = {name: getattr(features, name) for name in ("frame_seconds", "frame_hop_seconds", "trim")}
    parameters = extractor.parameters() | framing | {"weights": _digest(trunk)}
    device = context.device().type  # processors and accelerators differ in the last digits
    recipe = Recipe("trunk", TRUNK_VERSION, parameters, decoders() | {"device": device})

    def begin(missing: list[str]) -> Callable[[str], Array]:
        mels = extract(
            tracks.subset(missing), extractor, context.cache, workers=context.workers, terminal=context.terminal
        )
        model = on_device(_Sequence(trunk), context)
        return lambda track: apply(model, SongFrames({track: mels[track]}, [-1], features)).numpy()

    # One worker: the convolutions themselves take all cores.
    return look_up(tracks, recipe, begin, outputs or context.cache, workers=1, terminal=context.terminal)


def require_readable_frames(features: FeatureSettings, weights: str) -> None:
    """Refuse what the convolutions cannot read, before anything is computed.

    Parameters
    ----------
    features : FeatureSettings
        Spectrogram and frames.
    weights : str
        Of the convolutions; ``none`` if they are trained here.

    Raises
    ------
    UserError
        There are no spectrograms, other bands than the network has inputs for, frames that pooling leaves nothing of,
        or others than the published weights were trained on.
    """
    if not isinstance(features, MelFeatures):
        raise UserError(
            f"features={features.name}: the network reads mel-spectrograms: features=mel, or sequences of vectors "
            f"({', '.join(source_names())})."
        )
    if weights != "none":
        msd.require_published_frames(features)
        return
    if features.n_mels != MEL_BANDS:
        raise UserError(f"features.n_mels={features.n_mels}: the network reads {MEL_BANDS} bands.")
    columns = frame_columns(features)
    if columns < LEAST_COLUMNS:
        least = math.ceil(100 * (LEAST_COLUMNS - 1) * features.hop / features.sample_rate) / 100
        raise UserError(
            f"features.frame_seconds={features.frame_seconds:g}: {columns} columns with "
            f"features.sample_rate={features.sample_rate} and features.hop={features.hop}; the network reads "
            f"{LEAST_COLUMNS} or more. Take frames of {least:g} s, or a smaller hop."
        )


def require_no_convolutions(settings: MultiframeSettings, features: FeatureSettings) -> None:
    """Refuse settings of convolutions where frames are the vectors of a source.

    Raises
    ------
    UserError
        Names the setting.
    """
    if settings.weights != "none":
        raise UserError(f"pipeline.weights={settings.weights}: are of convolutions, which read features=mel.")
    if settings.specaugment:
        raise UserError(f"pipeline.specaugment masks spectrograms, which features={features.name} has none of.")
    default = MultiframeSettings()
    for name in ("width", "freeze"):
        if getattr(settings, name) != getattr(default, name):
            raise UserError(f"pipeline.{name} is of convolutions, which read features=mel. Leave it out.")


def published_trunk(weights: str, context: Context) -> Trunk:
    """Convolutions with the published weights."""
    return msd.load_msd_crnn(msd.find_weights(weights, context.cache.directory / "weights")).trunk


def on_device(model: nn.Module, context: Context) -> nn.Module:
    """Move a network to the device of predictions, ready to predict.

    With the channels of a point beside each other the convolutions take half of the time or less.
    """
    convert_conv2d_weight_memory_format(model, torch.channels_last)
    return model.to(context.device()).eval()


def member_conditions(context: Context, member: int) -> Conditions:
    """How the network of a number is trained: with a seed and a checkpoint of its own; the first one is watched."""
    return conditions(context, f"member{member}", seed=context.seed * 1009 + member, watched=member == 0)


def conditions(context: Context, name: str, *, seed: int, watched: bool = True) -> Conditions:
    """How a network is trained in a context; the file of its checkpoint has the name."""
    checkpoint = None
    if context.checkpoints is not None:
        checkpoint = Checkpoint(context.checkpoints / f"{name}.safetensors", context.resume)
    watch = context.watch if watched else None
    tell = partial(context.tell, checkpoint.path) if context.tell and checkpoint else None
    return Conditions(seed, context.trainer, context.terminal, checkpoint, watch, tell, context.training)


@torch.inference_mode()
def apply(model: nn.Module, frames: SongFrames) -> Tensor:
    """Outputs for all frames, in order, on the CPU."""
    device = next(model.parameters()).device
    outputs = []
    chunk = max(1, _CHUNK // frames.columns) if frames.columns else _CHUNK_SEQUENCES
    for first in range(0, len(frames), chunk):
        inputs = torch.stack([frames[i][0] for i in range(first, min(first + chunk, len(frames)))])
        outputs.append(model(inputs.to(device)).float().cpu())
    return torch.cat(outputs)


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


class _Sequence(nn.Module):
    """`Trunk.sequence` as a module."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, mel: Tensor) -> Tensor:
        return self.trunk.sequence(mel)
