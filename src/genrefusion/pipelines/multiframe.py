"""Multi-frame network: each frame of a song is classified, and the frames decide together.

Three modes. The whole CRNN is trained on mel-spectrograms; or, with published weights and ``freeze``, the convolutions
stay as they are and only the head is trained, on outputs that are computed once and cached; or a head is trained on the
vectors of a source (`genrefusion.features.sources`), each of which is a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import LazyArray, extract
from genrefusion.features.mel import MelExtractor, frame_spans
from genrefusion.features.sources import AudioSource, audio_source
from genrefusion.metrics import scores
from genrefusion.metrics.predictions import Prediction
from genrefusion.models import msd
from genrefusion.models.crnn import FrameClassifier
from genrefusion.models.window_head import WindowHead
from genrefusion.pipelines.base import Context, Pipeline, genres_to_learn, mean_over_frames, require_fitted
from genrefusion.pipelines.frames import (
    SongFrames,
    apply,
    member_conditions,
    on_device,
    published_trunk,
    require_no_convolutions,
    require_readable_frames,
    trunk_outputs,
)
from genrefusion.pipelines.saved import read_state, rebuild, write_description, write_state
from genrefusion.pipelines.weights import load_modules, save_modules
from genrefusion.settings.features import FeatureSettings, MelFeatures
from genrefusion.settings.pipelines import MultiframeSettings
from genrefusion.training.loop import train_network
from genrefusion.training.losses import classification_loss


class MultiframePipeline(Pipeline):
    """A network on the frames of a song, and their mean or their vote.

    Parameters
    ----------
    settings : MultiframeSettings
        Network, training and vote.
    features : MelFeatures, or those of a source
        Spectrogram and frames; or what gives vectors of frames.
    context : Context
        Cache, device, terminal.

    Attributes
    ----------
    classes_ : list of str
        Sorted names of the genres; empty before the fit.
    history_ : DataFrame
        One row an epoch of a member.
    importance_ : DataFrame
        Empty.
    networks_ : list of FrameClassifier or WindowHead
        One for each member; frozen convolutions are those of the first.
    bank_ : dict of str to Tensor
        ``points`` and ``labels`` of the training frames that vote; empty without a vote.
    """

    name = "multiframe"
    settings: MultiframeSettings
    features: FeatureSettings
    reads_lyrics = False

    def __init__(self, settings: MultiframeSettings, features: FeatureSettings, context: Context) -> None:
        super().__init__(settings, features, context)
        self.source: AudioSource | None = None
        if features.are_sequences:
            require_no_convolutions(settings, features)
            self.source = audio_source(features, context.surroundings())
        else:
            require_readable_frames(features, settings.weights)
        if settings.weights != "none" and settings.specaugment and settings.freeze:
            raise UserError(
                "pipeline.specaugment masks spectrograms, which frozen convolutions see only once: "
                "pipeline.freeze=false."
            )
        self.networks_: list[Any] = []
        self.bank_: dict[str, Tensor] = {}
        self._channels = 0
        self._neighbours: Any = None

    @property
    def uses(self) -> frozenset[str]:
        """The audio, unless a file has its vectors."""
        return frozenset({"audio"}) if self.features.ready_file is None else frozenset()

    def read_features_from(self, path: str) -> None:
        """Read the vectors from another file."""
        super().read_features_from(path)
        self.source = audio_source(self.features, self.context.surroundings())

    def prepare(self, tracks: Tracks) -> None:
        """Compute spectrograms or, where they do not depend on the training, the vectors of the frames."""
        if self._fixed:
            self._vectors(tracks)
        else:
            self._mels(tracks)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on the frames of `train`; the epoch with the lowest log loss on the songs of `val` is kept."""
        self.classes_ = genres_to_learn(train, val)
        self._channels = 0 if self.source is None else len(self.source.channels)
        self.networks_ = self._new_networks()
        train_frames, val_frames = self._frames(train, random_cuts=not self._fixed), self._frames(val)
        histories = [
            self._fit_member(member, train_frames, val_frames).assign(member=member)
            for member in range(self.settings.members)
        ]
        self.history_ = pd.concat(histories, ignore_index=True)
        if self.settings.vote == "knn":
            frames = self._frames(train)
            self.bank_ = {"points": torch.from_numpy(self._points(frames)), "labels": torch.tensor(frames.labels)}
            self._neighbours = None
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each frame, and their mean for each song."""
        require_fitted(self, tracks)
        frames = self._frames(tracks)
        if self.settings.vote == "knn":
            probabilities = self._voters().predict_proba(self._points(frames))
        else:
            probabilities = self._probabilities(frames)
        prediction = mean_over_frames(probabilities, frames.songs, self.classes_)
        return Prediction(prediction.tracks.loc[tracks.ids], prediction.frames)

    def frame_spans(self, seconds: float) -> list[tuple[float, float]]:
        """When the frames of a song of that length are heard; empty where a file of vectors does not say."""
        heard = min(seconds, self.context.max_seconds)
        return frame_spans(heard, self._framing) if self.source is None else self.source.spans(heard)

    def save(self, directory: Path) -> None:
        """Write settings, weights and, for the vote, the training frames' points."""
        require_fitted(self)
        save_modules(self._modules(), directory, bank=self.bank_)
        if self.source is not None:
            write_state(directory, {"channels": self._channels})
        write_description(directory, self)

    @classmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote; neither the training corpus nor published convolutions are needed."""
        pipeline = rebuild(cls, directory, context)
        if pipeline.source is not None:
            pipeline._channels = read_state(directory)["channels"]
        pipeline.networks_ = pipeline._empty_networks()
        pipeline.bank_ = load_modules(pipeline._modules(), directory)
        return pipeline

    def parameter_count(self) -> int:
        """Values in the convolutions, or the network of the source, and the heads."""
        read = 0 if self.source is None else self.source.parameters()
        return read + sum(p.numel() for module in self._modules().values() for p in module.parameters())

    @property
    def _fixed(self) -> bool:
        """Whether frames are vectors that training does not change."""
        return self.source is not None or (self.settings.weights != "none" and self.settings.freeze)

    @property
    def _framing(self) -> MelFeatures:
        assert isinstance(self.features, MelFeatures)
        return self.features

    def _modules(self) -> dict[str, nn.Module]:
        """Parts to save: frozen convolutions are the same in all members."""
        if not self._fixed:
            return {f"network{i}": network for i, network in enumerate(self.networks_)}
        heads = {f"head{i}": self._trained_part(network) for i, network in enumerate(self.networks_)}
        return heads if self.source is not None else {"trunk": self.networks_[0].trunk, **heads}

    def _empty_networks(self) -> list[Any]:
        s = self.settings
        if self.source is not None:
            return [WindowHead(self._channels, len(self.classes_), dropout=s.dropout) for _ in range(s.members)]
        published = s.weights != "none"
        width = msd.WIDTH if published else s.width
        networks = [
            FrameClassifier(len(self.classes_), width=width, column_norm=published, dropout=s.dropout)
            for _ in range(s.members)
        ]
        if self._fixed:
            for network in networks:
                network.trunk = networks[0].trunk
        return networks

    def _new_networks(self) -> list[Any]:
        torch.manual_seed(self.context.seed)
        networks = self._empty_networks()
        if self.settings.weights != "none":
            path = msd.find_weights(self.settings.weights, self.context.cache.directory / "weights")
            published = msd.load_msd_crnn(path)
            for network in networks:
                network.copy_published(published)
        return networks

    def _fit_member(self, member: int, train: SongFrames, val: SongFrames) -> pd.DataFrame:
        model = self._trained_part(self.networks_[member])
        label = dict(zip(val.songs, val.labels, strict=True))
        truth = np.array(list(label.values()))

        def validate(current: nn.Module) -> dict[str, float]:
            frames = apply(current, val).softmax(dim=1).numpy()
            songs = mean_over_frames(frames, val.songs, self.classes_).tracks.to_numpy()
            return {name: scores.METRICS[name](truth, songs) for name in ("accuracy", "macro_f1", "log_loss")}

        s = self.settings
        return train_network(
            model,
            train,
            loss=classification_loss(label_smoothing=s.label_smoothing, mixup=s.mixup, specaugment=s.specaugment),
            validate=validate,
            settings=s,
            conditions=member_conditions(self.context, member),
        )

    def _trained_part(self, network: Any) -> nn.Module:
        part: nn.Module = network.head if self._fixed and self.source is None else network
        return part

    def _probabilities(self, frames: SongFrames) -> npt.NDArray[np.float64]:
        """Mean of the members, shape (frames, classes)."""
        models = [on_device(self._trained_part(network), self.context) for network in self.networks_]
        members = [apply(model, frames).double().softmax(dim=1).numpy() for model in models]
        return np.asarray(np.mean(np.stack(members), axis=0))

    def _voters(self) -> Any:
        """The training frames in a tree, which is made once: `predict` asks for a few songs at a time."""
        from sklearn.neighbors import KNeighborsClassifier  # a second's import: only where there is a vote

        if self._neighbours is None:
            points, labels = self.bank_["points"].numpy(), self.bank_["labels"].numpy()
            # Every class is among the labels: a genre has at least one training frame.
            nearest = KNeighborsClassifier(min(self.settings.knn.neighbours, len(points)))
            self._neighbours = nearest.fit(points, labels)
        return self._neighbours

    def _points(self, frames: SongFrames) -> npt.NDArray[np.float64]:
        """Coordinates of frames for the vote, shape (frames, dimensions); those of all members side by side."""
        if self.settings.knn.space == "probabilities":
            return self._probabilities(frames)
        members = []
        for network in self.networks_:
            model = on_device(_Embedding(self._trained_part(network)), self.context)
            members.append(apply(model, frames).double().numpy())
        return np.concatenate(members, axis=1)

    def _frames(self, tracks: Tracks, *, random_cuts: bool = False) -> SongFrames:
        """Frames of all tracks: vectors, or mel-spectrograms."""
        labels = tracks.labels(self.classes_).tolist()
        if self._fixed:
            return SongFrames(self._vectors(tracks), labels)
        return SongFrames(self._mels(tracks), labels, self._framing, random_cuts=random_cuts)

    def _vectors(self, tracks: Tracks) -> dict[str, LazyArray]:
        """What the source, or frozen convolutions, make of each frame."""
        if self.source is not None:
            self.source.require(tracks)
            return self.source.sequences(tracks)
        trunk = self.networks_[0].trunk if self.networks_ else published_trunk(self.settings.weights, self.context)
        return trunk_outputs(trunk, tracks, self._framing, self.context)

    def _mels(self, tracks: Tracks) -> dict[str, LazyArray]:
        context = self.context
        extractor = MelExtractor(self._framing, max_seconds=context.max_seconds)
        mels = extract(tracks, extractor, context.cache, workers=context.workers, terminal=context.terminal)
        return {track: mels[track] for track in tracks.ids}


class _Embedding(nn.Module):
    """What a network, or a head, makes of frames before its last layer."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.part = part

    def forward(self, inputs: Tensor) -> Tensor:
        embedding: Tensor = self.part.embed(inputs)
        return embedding
