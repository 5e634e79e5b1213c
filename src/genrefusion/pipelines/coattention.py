"""Dense co-attention: a network in which each part of the audio looks at each word of the lyrics, and back.

The audio comes from the convolutions of the multi-frame network (published weights, or trained on the training songs
first), from a ready file of vectors, or from an audio encoder; the words from a frozen transformer. A song without
lyrics, or without audio, is predicted from the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import LazyArray, ScratchCache
from genrefusion.features.text_encoder import HalfArray, TokenEncoder
from genrefusion.metrics import scores
from genrefusion.metrics.predictions import Prediction
from genrefusion.models.coattention import CoAttentionNetwork, Pairs
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines.base import Workbench, genres_to_learn, read_state, rebuild, write_description, write_state
from genrefusion.pipelines.frames import member_conditions, on_device
from genrefusion.pipelines.lyrics import report_lyrics
from genrefusion.pipelines.multiframe import MultiframePipeline
from genrefusion.pipelines.sequences import (
    Sequences,
    Timeline,
    audio_sequences,
    batches,
    drop_sides,
    ids_with_audio,
    published_trunk,
    timelines,
)
from genrefusion.pipelines.weights import load_modules, save_modules
from genrefusion.settings.features import AudioEncoderFeatures, MelFeatures, NoFeatures, PrecomputedFeatures
from genrefusion.settings.pipelines import CoattentionSettings, MultiframeSettings
from genrefusion.training.loop import train_network

Features = MelFeatures | PrecomputedFeatures | AudioEncoderFeatures | NoFeatures
Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Attention:
    """What the networks looked at in one song, averaged over them.

    Attributes
    ----------
    track : str
        Its id.
    probabilities : Array, shape (classes,)
        What they made of it.
    over_words : Array, shape (positions, tokens)
        Attention of each position of the audio over the words, in the last layer; a row sums to 1 with what went to the
        vectors that stand for nothing.
    audio_weights, text_weights : Array, shapes (positions,) and (tokens,)
        Share of each position and token in the pooled vector of its side; they sum to 1.
    """

    track: str
    probabilities: Probabilities
    over_words: Probabilities
    audio_weights: Probabilities
    text_weights: Probabilities


class CoattentionPipeline:
    """See `genrefusion.pipelines.base.Pipeline` for what the methods promise.

    Parameters
    ----------
    settings : CoattentionSettings
        Network, training, text encoder.
    features : MelFeatures, PrecomputedFeatures, AudioEncoderFeatures or NoFeatures
        Where the audio side comes from; without any, the lyrics alone are read.
    bench : Workbench
        Cache, device, terminal.
    """

    name = "coattention"

    def __init__(self, settings: CoattentionSettings, features: Features, bench: Workbench) -> None:
        self.settings = settings
        self.features = features
        self.bench = bench
        self.classes_: list[str] = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()
        self.networks_: list[CoAttentionNetwork] = []
        self.trunk_: Trunk | None = None
        self.shape_: dict[str, Any] = {}

    @property
    def uses(self) -> frozenset[str]:
        """Audio and lyrics, of which one is enough; a file of vectors may stand for the audio."""
        sides = self._sides
        if "audio" in sides and isinstance(self.features, PrecomputedFeatures):
            return frozenset()
        return sides

    @property
    def reads_lyrics(self) -> bool:
        """Unless the audio is the only side."""
        return "lyrics" in self._sides

    @property
    def _sides(self) -> frozenset[str]:
        if isinstance(self.features, NoFeatures) and self.settings.sides != "lyrics":
            raise UserError(f"pipeline.sides={self.settings.sides} needs audio, but there is features=none.")
        return frozenset({"audio", "lyrics"} if self.settings.sides == "both" else {self.settings.sides})

    def require_corpus(self, tracks: Tracks) -> None:
        """Refuse to train on songs of which all lack a side: nothing could be learned of it."""
        if self._sides != {"audio", "lyrics"}:
            return
        if len(tracks.lacking("lyrics")) == len(tracks):
            raise UserError(
                f"No track of {tracks.corpus} has lyrics. Read the audio alone: pipeline.sides=audio, or "
                "experiment=multiframe"
            )
        if not ids_with_audio(self.features, tracks):
            raise UserError(
                f"No track of {tracks.corpus} has audio. Read the lyrics alone: pipeline.sides=lyrics, or "
                "experiment=lyrics"
            )

    def prepare(self, tracks: Tracks) -> None:
        """Embed the lyrics, and compute what of the audio does not depend on the training."""
        self._require(tracks)
        if "lyrics" in self._sides:
            coverage = self._encoder.coverage([text for text in tracks.lyrics if text])
            report_lyrics(tracks, str(coverage), self.bench)
            _ = self._encoder.transformer  # a fit asks it for its sizes: it is loaded here, so that no fit waits for it
        if "audio" in self._sides and self._trains_trunk:
            assert isinstance(self.features, MelFeatures)
            heard = tracks.subset(ids_with_audio(self.features, tracks))
            MultiframePipeline(self._trunk_settings(), self.features, self.bench).prepare(heard)
        elif "audio" in self._sides:
            self.trunk_ = self._published_trunk()
            self._audio(tracks)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on `train`; the epoch with the lowest log loss over `val` is kept."""
        self.classes_ = genres_to_learn(train, val)
        histories = []
        if "audio" in self._sides:
            self.trunk_ = self._published_trunk()
            if self._trains_trunk:
                histories.append(self._fit_trunk(train, val))
        songs, val_songs = self._songs(train), self._songs(val)
        self.shape_ = {
            "levels": self._level_sizes(songs),
            "text_width": self._encoder.width if "lyrics" in self._sides else 1,
            "encoder_parameters": self._encoder.parameter_count() if "lyrics" in self._sides else 0,
        }
        torch.manual_seed(self.bench.seed)
        self.networks_ = self._new_networks()
        for network in self.networks_:
            network.audio.set_scale(*songs.audio_scale())
        histories += [self._fit_member(member, songs, val_songs) for member in range(self.settings.members)]
        self.history_ = pd.concat(histories, ignore_index=True)
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each track; in the views, from the audio and from the lyrics alone where there are both."""
        songs = self._songs(tracks)
        table = self._table(songs)
        both = [song for song in songs.ids if song in songs.audio and len(songs.text[song])]
        if not both or not self.bench.views:
            return Prediction(table)
        views = {
            "both sides": table.loc[both],
            "audio alone": self._table(songs.part(both, without="lyrics")),
            "lyrics alone": self._table(songs.part(both, without="audio")),
        }
        return Prediction(table, views=views)

    def attend(self, tracks: Tracks) -> Iterator[Attention]:
        """Say of each track, in order, what was looked at; each needs both sides."""
        return attend(self._models(), self._songs(tracks), none=self.settings.none)

    def predict_lyrics(self, tracks: Tracks, lyrics: Iterable[Sequence[HalfArray]]) -> Iterator[Probabilities]:
        """Predict each track, in order, with other lyrics in the place of its own.

        Parameters
        ----------
        tracks : Tracks
            Their audio is read.
        lyrics : iterable of sequence of HalfArray
            For each track any number of lyrics, as token embeddings of shape (tokens, width).

        Yields
        ------
        Probabilities, shape (lyrics, classes)
            Of one track.
        """
        songs, models = self._songs(tracks), self._models()
        for song, texts in zip(songs.ids, lyrics, strict=True):
            names = [str(number) for number in range(len(texts))]
            audio = {name: songs.audio[song] for name in names if song in songs.audio}
            versions = Sequences(names, audio, dict(zip(names, texts, strict=True)), [-1] * len(names))
            versions.channels = songs.channels
            yield predict(models, versions)

    def timelines(self, tracks: Tracks) -> dict[str, Timeline]:
        """Spectrogram of each track, and when its positions are heard; empty for ready vectors."""
        return timelines(self.features, self.trunk_, tracks, self.bench)

    def save(self, directory: Path) -> None:
        """Write weights and settings; the frozen text encoder is found by its name."""
        directory.mkdir(parents=True, exist_ok=True)
        save_modules(self._modules(), directory)
        write_state(directory, self.shape_)
        write_description(directory, self, self.settings, self.features)

    @classmethod
    def load(cls, directory: Path, bench: Workbench) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, bench)
        pipeline.shape_ = read_state(directory)
        pipeline.networks_ = pipeline._new_networks()
        if isinstance(pipeline.features, MelFeatures) and "audio" in pipeline._sides:
            pipeline.trunk_ = pipeline._empty_trunk()
        load_modules(pipeline._modules(), directory)
        return pipeline

    def parameter_count(self) -> int:
        """Values in the networks, the convolutions and the text encoder."""
        own = sum(p.numel() for module in self._modules().values() for p in module.parameters())
        return own + int(self.shape_["encoder_parameters"])

    @property
    def _encoder(self) -> TokenEncoder:
        return TokenEncoder(self.settings.encoder, self.bench.cache, self.bench.terminal)

    @property
    def _trains_trunk(self) -> bool:
        return isinstance(self.features, MelFeatures) and self.settings.weights == "none"

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {f"network{i}": network for i, network in enumerate(self.networks_)}
        return modules if self.trunk_ is None else {"trunk": self.trunk_, **modules}

    def _new_networks(self) -> list[CoAttentionNetwork]:
        s = self.settings
        return [
            CoAttentionNetwork(
                len(self.classes_),
                levels=self.shape_["levels"],
                text_width=self.shape_["text_width"],
                width=s.width,
                heads=s.heads,
                none=s.none,
                layers=s.layers,
                dropout=s.dropout,
                join=s.join,
            )
            for _ in range(s.members)
        ]

    def _published_trunk(self) -> Trunk | None:
        if not isinstance(self.features, MelFeatures) or self._trains_trunk:
            return None
        return published_trunk(self.settings.weights, self.features, self.bench)

    def _trunk_settings(self) -> MultiframeSettings:
        trunk = self.settings.trunk
        return MultiframeSettings(width=trunk.width, epochs=trunk.epochs, lr=trunk.lr)

    def _empty_trunk(self) -> Trunk:
        if self._trains_trunk:
            return Trunk(width=self.settings.trunk.width)
        return Trunk(column_norm=True)

    def _fit_trunk(self, train: Tracks, val: Tracks) -> pd.DataFrame:
        """Train a multi-frame network on the songs with audio; its convolutions are what is kept."""
        assert isinstance(self.features, MelFeatures)
        checkpoints = self.bench.checkpoints and self.bench.checkpoints / "trunk"
        bench = replace(self.bench, checkpoints=checkpoints, watch=None)
        heard = [part.subset(ids_with_audio(self.features, part)) for part in (train, val)]
        if not all(map(len, heard)):
            raise UserError(
                "No training or no validation track has audio. Read the lyrics alone: pipeline.sides=lyrics"
            )
        pipeline = MultiframePipeline(self._trunk_settings(), self.features, bench).fit(*heard)
        self.trunk_ = pipeline.networks_[0].trunk.eval()
        return pipeline.history_.assign(member="convolutions")

    def _level_sizes(self, songs: Sequences) -> list[int]:
        if self.trunk_ is None or self.settings.levels == "last":
            return [songs.channels]
        return list(self.trunk_.channels)

    def _audio(self, tracks: Tracks) -> dict[str, LazyArray]:
        if "audio" not in self._sides:
            return {}
        # What convolutions make of the songs that were trained here serves no other run: it stays in memory.
        outputs = ScratchCache(self.bench.cache.directory) if self._trains_trunk else self.bench.cache
        levels = self.settings.levels
        return audio_sequences(self.features, self.trunk_, tracks, self.bench, levels=levels, outputs=outputs)

    def _songs(self, tracks: Tracks) -> Sequences:
        """Both sides of the tracks as the network reads them."""
        self._require(tracks)
        nothing = [np.zeros((0, 1), np.float16)] * len(tracks)
        embedded = self._encoder.embed(tracks.lyrics) if "lyrics" in self._sides else nothing
        labels = tracks.labels(self.classes_).tolist()
        words = dict(zip(tracks.ids, embedded, strict=True))
        songs = Sequences(tracks.ids, self._audio(tracks), words, labels)
        if self.shape_:
            songs.channels = sum(self.shape_["levels"])
        return songs

    def _require(self, tracks: Tracks) -> None:
        """Refuse tracks with nothing to read."""
        audio = set(ids_with_audio(self.features, tracks)) if "audio" in self._sides else set()
        read = set(tracks.ids) - set(tracks.lacking("lyrics")) if "lyrics" in self._sides else set()
        nothing = [track for track in tracks.ids if track not in audio | read]
        if nothing:
            sides = " and no ".join(sorted(self._sides))
            raise UserError(
                f"{len(nothing)} of {len(tracks)} tracks of {tracks.corpus} have no {sides}, of which one is needed "
                f"here:\n{bullet_list(nothing)}\nAdd it, or take the tracks out of the table."
            )

    def _fit_member(self, member: int, songs: Sequences, val: Sequences) -> pd.DataFrame:
        network = self.networks_[member]
        truth = np.array(val.labels)

        def validate(model: nn.Module) -> dict[str, float]:
            probabilities = predict([model], val)
            return {
                "accuracy": scores.accuracy(truth, probabilities),
                "log_loss": scores.log_loss(truth, probabilities),
            }

        def loss(model: nn.Module, pairs: Pairs, classes: Tensor) -> Tensor:
            logits = model(drop_sides(pairs, self.settings.drop_side))
            return nn.functional.cross_entropy(logits, classes, label_smoothing=self.settings.label_smoothing)

        history = train_network(
            network,
            songs,
            loss=loss,
            validate=validate,
            settings=self.settings,
            conditions=member_conditions(self.bench, member),
            collate=songs.collate,
        )
        return history.assign(member=str(member))

    def _models(self) -> list[nn.Module]:
        return [on_device(network, self.bench) for network in self.networks_]

    def _table(self, songs: Sequences) -> pd.DataFrame:
        index = pd.Index(songs.ids, name="track_id")
        return pd.DataFrame(predict(self._models(), songs), index=index, columns=self.classes_)


@torch.inference_mode()
def predict(models: list[nn.Module], songs: Sequences) -> Probabilities:
    """Mean of the networks' probabilities, shape (songs, classes)."""
    rows = []
    for pairs in batches(songs, next(models[0].parameters()).device):
        members = [model(pairs).double().softmax(dim=1).cpu().numpy() for model in models]
        rows.append(np.mean(members, axis=0))
    return np.concatenate(rows)


@torch.inference_mode()
def attend(models: list[nn.Module], songs: Sequences, *, none: int) -> Iterator[Attention]:
    """What networks with `none` vectors for "nothing" look at in each song, averaged over them, without the padding."""
    first = 0
    for pairs in batches(songs, next(models[0].parameters()).device):
        readings = [cast(CoAttentionNetwork, model).read(pairs) for model in models]
        probabilities = _mean([reading.logits.double().softmax(dim=1) for reading in readings])
        over_words = _mean([reading.over_words[:, :, none:] for reading in readings])
        audio_weights = _mean([reading.audio_weights for reading in readings])
        text_weights = _mean([reading.text_weights for reading in readings])
        for row in range(len(probabilities)):
            there, read = (mask[row].cpu().numpy() for mask in (pairs.audio_mask, pairs.text_mask))
            yield Attention(
                songs.ids[first + row],
                probabilities[row],
                over_words[row][there][:, read],
                audio_weights[row][there],
                text_weights[row][read],
            )
        first += len(probabilities)


def _mean(tensors: list[Tensor]) -> Probabilities:
    return np.mean([tensor.double().cpu().numpy() for tensor in tensors], axis=0)  # type: ignore[no-any-return]
