"""Dense co-attention: a network in which each part of the audio looks at each word of the lyrics, and back.

The audio comes from the convolutions of the multi-frame network (published weights, or trained on the training songs
first), or from a source (`genrefusion.features.sources`); the words from a frozen transformer. A song without
lyrics, or without audio, is predicted from the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.tracks import Tracks
from genrefusion.features.text_encoder import HalfArray, TokenEncoder
from genrefusion.metrics import scores
from genrefusion.metrics.predictions import Prediction
from genrefusion.models.coattention import CoAttentionNetwork, Pairs
from genrefusion.pipelines.attention import Attention, Probabilities, attend, predict
from genrefusion.pipelines.audio_side import Timeline, audio_side
from genrefusion.pipelines.base import Context, Pipeline, genres_to_learn, require_fitted
from genrefusion.pipelines.frames import member_conditions, on_device
from genrefusion.pipelines.lyrics import report_lyrics
from genrefusion.pipelines.saved import read_state, rebuild, write_description, write_state
from genrefusion.pipelines.sequences import Sequences, drop_sides, heard_alone, in_parts
from genrefusion.pipelines.weights import load_modules, save_modules
from genrefusion.settings.features import FeatureSettings
from genrefusion.settings.pipelines import CoattentionSettings
from genrefusion.training.loop import train_network


class CoattentionPipeline(Pipeline):
    """Networks that read two sequences, one of the audio and one of the words.

    Parameters
    ----------
    settings : CoattentionSettings
        Network, training, text encoder.
    features : MelFeatures, NoFeatures, or those of a source
        Where the audio side comes from; without any, the lyrics alone are read.
    context : Context
        Cache, device, terminal.

    Attributes
    ----------
    classes_ : list of str
        Sorted names of the genres; empty before the fit.
    history_ : DataFrame
        One row an epoch of the convolutions, where they are trained, and of each member.
    importance_ : DataFrame
        Empty.
    networks_ : list of CoAttentionNetwork
        One for each member.
    audio_ : AudioSide
        Where the audio comes from, with its convolutions.
    shape_ : dict
        Sizes of what the networks read, and the values of the text encoder.
    """

    name = "coattention"
    settings: CoattentionSettings
    features: FeatureSettings

    def __init__(self, settings: CoattentionSettings, features: FeatureSettings, context: Context) -> None:
        super().__init__(settings, features, context)
        self.networks_: list[CoAttentionNetwork] = []
        self.audio_ = audio_side(settings, features, context)
        self.shape_: dict[str, Any] = {}

    @property
    def uses(self) -> frozenset[str]:
        """Audio and lyrics, of which one is enough; a file of vectors may stand for the audio."""
        sides = self._sides
        return frozenset() if "audio" in sides and self.features.ready_file is not None else sides

    @property
    def reads_lyrics(self) -> bool:
        """Unless the audio is the only side."""
        return "lyrics" in self._sides

    @property
    def reads_lyrics_alone(self) -> bool:
        """Where they are read at all."""
        return self.reads_lyrics

    @property
    def encoder(self) -> TokenEncoder:
        """What the lyrics are read with."""
        return TokenEncoder(self.settings.encoder, *self.context.for_encoders)

    @property
    def _sides(self) -> frozenset[str]:
        return frozenset({"audio", "lyrics"} if self.settings.sides == "both" else {self.settings.sides})

    def read_features_from(self, path: str) -> None:
        """Read the vectors of the audio from another file."""
        super().read_features_from(path)
        self.audio_ = audio_side(self.settings, self.features, self.context)

    def require_attention(self) -> None:
        """Refuse to be explained where one side is read only."""
        if self.settings.sides != "both":
            raise UserError(
                f"explain: the run reads one side only (pipeline.sides={self.settings.sides}); there is nothing to "
                "attend to."
            )

    def require_corpus(self, tracks: Tracks) -> None:
        """Refuse to train on songs of which all lack a side: nothing could be learned of it."""
        if self._sides != {"audio", "lyrics"}:
            return
        if len(tracks.lacking("lyrics")) == len(tracks):
            raise UserError(
                f"No track of {tracks.corpus} has lyrics. Read the audio alone: pipeline.sides=audio, or "
                "experiment=multiframe"
            )
        if not self.audio_.ids(tracks):
            raise UserError(
                f"No track of {tracks.corpus} has audio. Read the lyrics alone: pipeline.sides=lyrics, or "
                "experiment=lyrics"
            )

    def prepare(self, tracks: Tracks) -> None:
        """Embed the lyrics, and compute what of the audio does not depend on the training."""
        self._require(tracks)
        if self.reads_lyrics:
            coverage = self.encoder.coverage([text for text in tracks.lyrics if text])
            report_lyrics(tracks, str(coverage), self.context)
            _ = self.encoder.transformer  # a fit asks it for its sizes: it is loaded here, so that no fit waits for it
        self.audio_.prepare(tracks)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on `train`; the epoch with the lowest log loss over `val`, as it is learnt, is kept."""
        self.classes_ = genres_to_learn(train, val)
        histories = [self.audio_.fit(train, val)]
        songs, val_songs = self._songs(train), self._songs(val)
        self.shape_ = {
            "levels": self.audio_.level_sizes(songs.channels),
            "text_width": self.encoder.width if self.reads_lyrics else 1,
            "encoder_parameters": self.encoder.parameter_count() if self.reads_lyrics else 0,
        }
        torch.manual_seed(self.context.seed)
        self.networks_ = self._new_networks()
        for network in self.networks_:
            network.audio.set_scale(*songs.audio_scale())
        histories += [self._fit_member(member, songs, val_songs) for member in range(self.settings.members)]
        self.history_ = pd.concat([rows for rows in histories if len(rows)], ignore_index=True)
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each track; in the views, from the audio and from the lyrics alone where there are both."""
        require_fitted(self, tracks)
        songs = self._songs(tracks)
        table = self._table(songs)
        both = songs.both
        if not both or not self.context.views:
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
        return self.audio_.timelines(tracks)

    def with_both_sides(self, tracks: Tracks) -> Tracks:
        """Those in which words and seconds can attend to each other."""
        read = set(tracks.ids) - set(tracks.lacking("lyrics"))
        return tracks.subset([track for track in self.audio_.ids(tracks) if track in read])

    def save(self, directory: Path) -> None:
        """Write weights and settings; the frozen text encoder is found by its name."""
        require_fitted(self)
        directory.mkdir(parents=True, exist_ok=True)
        save_modules(self._modules(), directory)
        write_state(directory, self.shape_)
        write_description(directory, self)

    @classmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, context)
        pipeline.shape_ = read_state(directory)
        if pipeline.features.ready_file is not None:  # up to 0.3 the width was noted here alone
            pipeline.features = replace(pipeline.features, channels=sum(pipeline.shape_["levels"]))  # type: ignore[call-arg]
            pipeline.audio_ = audio_side(pipeline.settings, pipeline.features, pipeline.context)
        pipeline.networks_ = pipeline._new_networks()
        pipeline.audio_.make_room()
        load_modules(pipeline._modules(), directory)
        return pipeline

    def parameter_count(self) -> int:
        """Values in the networks, in what the audio comes from, and in the text encoder."""
        own = sum(p.numel() for network in self.networks_ for p in network.parameters())
        return own + self.audio_.parameter_count() + int(self.shape_["encoder_parameters"])

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {f"network{i}": network for i, network in enumerate(self.networks_)}
        return modules if self.audio_.trunk is None else {"trunk": self.audio_.trunk, **modules}

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

    def _songs(self, tracks: Tracks) -> Sequences:
        """Both sides of the tracks as the network reads them."""
        self._require(tracks)
        nothing = [np.zeros((0, 1), np.float16)] * len(tracks)
        embedded = self.encoder.embed(tracks.lyrics) if self.reads_lyrics else nothing
        labels = tracks.labels(self.classes_).tolist()
        words = dict(zip(tracks.ids, embedded, strict=True))
        songs = Sequences(tracks.ids, self.audio_.sequences(tracks), words, labels)
        if self.shape_:
            songs.channels = sum(self.shape_["levels"])
        return songs

    def _require(self, tracks: Tracks) -> None:
        """Refuse tracks with nothing to read."""
        audio = set(self.audio_.ids(tracks))
        read = set(tracks.ids) - set(tracks.lacking("lyrics")) if self.reads_lyrics else set()
        known = audio | read
        nothing = [track for track in tracks.ids if track not in known]
        if nothing:
            sides = " and no ".join(sorted(self._sides))
            raise UserError(
                f"{len(nothing)} of {len(tracks)} tracks of {tracks.corpus} have no {sides}, of which one is needed "
                f"here:\n{bullet_list(nothing)}\nAdd it, or take the tracks out of the table."
            )

    def _fit_member(self, member: int, songs: Sequences, val: Sequences) -> pd.DataFrame:
        network = self.networks_[member]
        # The epoch is chosen by what is learnt: as the lyrics are learnt sooner, the audio alone would be read poorly.
        held = [val, val.part(val.both, without="lyrics")] if self.settings.heard_alone and val.both else [val]
        truth = [np.array(songs.labels) for songs in held]

        def validate(model: nn.Module) -> dict[str, float]:
            found = [predict([model], songs) for songs in held]
            return {
                "accuracy": scores.accuracy(truth[0], found[0]),
                "log_loss": scores.log_loss(np.concatenate(truth), np.concatenate(found)),
            }

        history = train_network(
            network,
            songs,
            loss=self._loss,
            validate=validate,
            settings=self.settings,
            conditions=member_conditions(self.context, member),
            collate=songs.collate,
        )
        return history.assign(member=str(member))

    def _loss(self, model: nn.Module, pairs: Pairs, classes: Tensor) -> Tensor:
        """Cross-entropy of the songs, some of them without a side, and of their audio alone if that is asked for."""
        parts = in_parts(drop_sides(pairs, self.settings.drop_side))
        if self.settings.heard_alone:
            parts += heard_alone(pairs)
        batches, places = zip(*parts, strict=True)
        return nn.functional.cross_entropy(
            model(*batches), classes[torch.cat(places)], label_smoothing=self.settings.label_smoothing
        )

    def _models(self) -> list[nn.Module]:
        return [on_device(network, self.context) for network in self.networks_]

    def _table(self, songs: Sequences) -> pd.DataFrame:
        index = pd.Index(songs.ids, name="track_id")
        return pd.DataFrame(predict(self._models(), songs), index=index, columns=self.classes_)
