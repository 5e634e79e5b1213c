"""Multi-frame CRNN: a network classifies each frame of a song, and the frames decide together.

Two modes. With published weights and ``freeze``, the convolutions stay as they are and only the head is trained, on
outputs that are computed once and cached. Otherwise the whole network is trained on mel-spectrograms.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.evaluation import metrics
from genrefusion.evaluation.predictions import Prediction
from genrefusion.features.cache import Array, extract, feature_key
from genrefusion.features.mel import MelExtractor, cut_frame, frame_columns, frame_starts, trimmed_span
from genrefusion.models import msd
from genrefusion.models.crnn import FrameClassifier, Trunk
from genrefusion.pipelines.base import Workbench, genres_to_learn, mean_over_frames, rebuild, write_description
from genrefusion.settings import MelFeatures, MultiframeSettings
from genrefusion.training.augment import classification_loss
from genrefusion.training.loop import Checkpoint, make_accelerator, train_network

TRUNK_VERSION = 1
_CHUNK = 8  # frames that pass the convolutions at once: some 300 MB at full width


class MultiframePipeline:
    """See `genrefusion.pipelines.base.Pipeline` for what the methods promise.

    Parameters
    ----------
    settings : MultiframeSettings
        Network, training and vote.
    features : MelFeatures
        Spectrogram and frames.
    bench : Workbench
        Cache, device, terminal.
    """

    name = "multiframe"
    uses = frozenset({"audio"})

    def __init__(self, settings: MultiframeSettings, features: MelFeatures, bench: Workbench) -> None:
        self.settings = settings
        self.features = features
        self.bench = bench
        self.classes_: list[str] = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()
        self.networks_: list[FrameClassifier] = []
        self.bank_: dict[str, Tensor] = {}

    def prepare(self, tracks: Tracks) -> None:
        """Compute spectrograms and, where they are frozen, the convolutions' outputs."""
        _check_mode(self.settings, self.features)
        self.classes_ = tracks.genres
        self.networks_ = self._new_networks()
        self._frames(tracks)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on the frames of `train`; the epoch with the lowest log loss on the songs of `val` is kept."""
        _check_mode(self.settings, self.features)
        self.classes_ = genres_to_learn(train, val)
        self.networks_ = self._new_networks()
        train_frames, val_frames = self._frames(train, random_cuts=not self._frozen), self._frames(val)
        histories = [
            self._fit_member(member, train_frames, val_frames).assign(member=member)
            for member in range(self.settings.members)
        ]
        self.history_ = pd.concat(histories, ignore_index=True)
        if self.settings.vote == "knn":
            frames = self._frames(train)
            self.bank_ = {"points": torch.from_numpy(self._points(frames)), "labels": torch.tensor(frames.labels)}
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each frame, and their mean for each song."""
        frames = self._frames(tracks)
        if self.settings.vote == "knn":
            points, labels = self.bank_["points"].numpy(), self.bank_["labels"].numpy()
            neighbours = min(self.settings.knn.neighbours, len(points))
            # Every class is among the labels: a genre has at least one training frame.
            probabilities = KNeighborsClassifier(neighbours).fit(points, labels).predict_proba(self._points(frames))
        else:
            probabilities = self._probabilities(frames)
        prediction = mean_over_frames(probabilities, frames.songs, self.classes_)
        return Prediction(prediction.tracks.loc[tracks.ids], prediction.frames)

    def save(self, directory: Path) -> None:
        """Write settings, weights and, for the vote, the training frames' points."""
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{name}.{key}": value.contiguous()
            for name, module in self._modules().items()
            for key, value in module.state_dict().items()
        }
        save_file(tensors | {f"bank.{name}": values for name, values in self.bank_.items()}, directory / _WEIGHTS)
        write_description(directory, self, self.settings, self.features)

    @classmethod
    def load(cls, directory: Path, bench: Workbench) -> Self:
        """Read what `save` wrote; neither the training corpus nor the published weights are needed."""
        pipeline = rebuild(cls, directory, bench)
        pipeline.networks_ = pipeline._empty_networks()
        try:
            tensors = load_file(directory / _WEIGHTS)
            for name, module in pipeline._modules().items():
                module.load_state_dict(_below(tensors, f"{name}."))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise UserError(f"{directory / _WEIGHTS}: not the weights of this pipeline ({error}).") from error
        pipeline.bank_ = _below(tensors, "bank.")
        return pipeline

    def parameter_count(self) -> int:
        """Values in the convolutions and the heads."""
        return sum(p.numel() for module in self._modules().values() for p in module.parameters())

    @property
    def _frozen(self) -> bool:
        return self.settings.weights != "none" and self.settings.freeze

    def _modules(self) -> dict[str, nn.Module]:
        """Parts to save: frozen convolutions are the same in all members."""
        if not self._frozen:
            return {f"network{i}": network for i, network in enumerate(self.networks_)}
        heads = {f"head{i}": network.head for i, network in enumerate(self.networks_)}
        return {"trunk": self.networks_[0].trunk, **heads}

    def _empty_networks(self) -> list[FrameClassifier]:
        published = self.settings.weights != "none"
        width = msd.WIDTH if published else self.settings.width
        networks = [
            FrameClassifier(len(self.classes_), width=width, column_norm=published, dropout=self.settings.dropout)
            for _ in range(self.settings.members)
        ]
        if self._frozen:
            for network in networks:
                network.trunk = networks[0].trunk
        return networks

    def _new_networks(self) -> list[FrameClassifier]:
        torch.manual_seed(self.bench.seed)
        networks = self._empty_networks()
        if self.settings.weights != "none":
            path = msd.find_weights(self.settings.weights, self.bench.cache.directory / "weights")
            published = msd.load_msd_crnn(path)
            for network in networks:
                network.copy_published(published)
        return networks

    def _fit_member(self, member: int, train: SongFrames, val: SongFrames) -> pd.DataFrame:
        model = self._trained_part(self.networks_[member])
        first_frames = [val.songs.index(song) for song in dict.fromkeys(val.songs)]
        truth = np.array(val.labels)[first_frames]

        def validate(current: nn.Module) -> dict[str, float]:
            frames = _apply(current, val).softmax(dim=1).numpy()
            songs = mean_over_frames(frames, val.songs, self.classes_).tracks.to_numpy()
            return {name: metrics.FIGURES[name](truth, songs) for name in ("accuracy", "macro_f1", "log_loss")}

        checkpoint = None
        if self.bench.checkpoints is not None:
            checkpoint = Checkpoint(self.bench.checkpoints / f"member{member}.safetensors", self.bench.resume)
        s = self.settings
        return train_network(
            model,
            train,
            loss=classification_loss(label_smoothing=s.label_smoothing, mixup=s.mixup, specaugment=s.specaugment),
            validate=validate,
            settings=s,
            trainer=self.bench.trainer,
            seed=self.bench.seed * 1009 + member,
            terminal=self.bench.terminal,
            checkpoint=checkpoint,
        )

    def _trained_part(self, network: FrameClassifier) -> nn.Module:
        return network.head if self._frozen else network

    def _probabilities(self, frames: SongFrames) -> npt.NDArray[np.float64]:
        """Mean of the members, shape (frames, classes)."""
        models = [self._on_device(self._trained_part(network)) for network in self.networks_]
        members = [_apply(model, frames).double().softmax(dim=1).numpy() for model in models]
        return np.asarray(np.mean(np.stack(members), axis=0))

    def _points(self, frames: SongFrames) -> npt.NDArray[np.float64]:
        """Coordinates of frames for the vote, shape (frames, dimensions); those of all members side by side."""
        if self.settings.knn.space == "probabilities":
            return self._probabilities(frames)
        members = []
        for network in self.networks_:
            model = self._on_device(_Embedding(network, self._frozen))
            members.append(_apply(model, frames).double().numpy())
        return np.concatenate(members, axis=1)

    def _on_device(self, model: nn.Module) -> nn.Module:
        return model.to(make_accelerator(self.bench.trainer).device).eval()

    def _frames(self, tracks: Tracks, *, random_cuts: bool = False) -> SongFrames:
        """Frames of all tracks: outputs of the frozen convolutions, or mel-spectrograms."""
        extractor = MelExtractor(self.features, max_seconds=self.bench.max_seconds)
        bench = self.bench
        known = {genre: number for number, genre in enumerate(self.classes_)}
        labels = [known.get(genre, -1) for genre in tracks.table["genre"]]
        if self._frozen:
            return SongFrames(self._trunk_outputs(tracks, extractor), labels)
        mels = extract(tracks, extractor, bench.cache, workers=bench.workers, terminal=bench.terminal)
        return SongFrames({track: mels[track] for track in tracks.ids}, labels, self.features, random_cuts=random_cuts)

    def _trunk_outputs(self, tracks: Tracks, extractor: MelExtractor) -> dict[str, Array]:
        """All levels of the frozen convolutions for each frame of each track, from the cache where they are there."""
        trunk = self.networks_[0].trunk
        f, bench = self.features, self.bench
        framing = {"frame_seconds": f.frame_seconds, "frame_hop_seconds": f.frame_hop_seconds, "trim": f.trim}
        parameters = extractor.parameters() | framing | {"weights": _digest(trunk)}
        digests = tracks.table["sha256"]
        keys = {track: feature_key(digests[track], "crnn-trunk", TRUNK_VERSION, parameters) for track in tracks.ids}
        found = {track: bench.cache.get(key) for track, key in keys.items()}
        missing = [track for track, array in found.items() if array is None]
        if not missing:
            return {track: array for track, array in found.items() if array is not None}
        mels = extract(tracks.subset(missing), extractor, bench.cache, workers=bench.workers, terminal=bench.terminal)
        model = _Sequence(trunk)
        self._on_device(model)
        for track in bench.terminal.track(missing, "trunk", len(missing), "songs"):
            frames = SongFrames({track: mels[track]}, [-1], f)
            found[track] = bench.cache.put(keys[track], _apply(model, frames).numpy())
        bench.terminal.say("trunk", f"{len(found)} songs ({len(found) - len(missing)} from cache)")
        return {track: array for track, array in found.items() if array is not None}


_WEIGHTS = "weights.safetensors"


class SongFrames(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Frames of songs, one song after another.

    Parameters
    ----------
    arrays : dict of str to Array
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
        arrays: dict[str, Array],
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


class _Sequence(nn.Module):
    """`Trunk.sequence` as a module."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, mel: Tensor) -> Tensor:
        return self.trunk.sequence(mel)


class _Embedding(nn.Module):
    """Embedding of mel frames, or of what frozen convolutions made of them."""

    def __init__(self, network: FrameClassifier, frozen: bool) -> None:
        super().__init__()
        self.network = network
        self.frozen = frozen

    def forward(self, inputs: Tensor) -> Tensor:
        sequence = inputs if self.frozen else self.network.trunk.sequence(inputs)
        return self.network.head.embed(sequence)


@torch.inference_mode()
def _apply(model: nn.Module, frames: SongFrames) -> Tensor:
    """Outputs for all frames, in order, on the CPU."""
    device = next(model.parameters()).device
    outputs = []
    chunk = _CHUNK if frames.columns else 64 * _CHUNK
    for first in range(0, len(frames), chunk):
        inputs = torch.stack([frames[i][0] for i in range(first, min(first + chunk, len(frames)))])
        outputs.append(model(inputs.to(device)).float().cpu())
    return torch.cat(outputs)


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _check_mode(settings: MultiframeSettings, features: MelFeatures) -> None:
    """Refuse settings that contradict each other."""
    if settings.weights == "none":
        return
    if abs(features.frame_seconds - msd.FRAME_SECONDS) > 0.02:
        raise UserError(
            f"features.frame_seconds={features.frame_seconds:g}: the published weights read frames of "
            f"{msd.FRAME_SECONDS} s."
        )
    if (features.sample_rate, features.n_fft, features.hop, features.n_mels) != (12000, 512, 256, 96):
        raise UserError("The published weights read mel-spectrograms with the default features.* settings only.")
    if settings.specaugment and settings.freeze:
        raise UserError(
            "pipeline.specaugment masks spectrograms, which frozen convolutions see only once: pipeline.freeze=false."
        )
