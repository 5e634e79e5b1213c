"""Where the audio of songs comes from as sequences of vectors: convolutions that are trained here, or a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError, among
from genrefusion.data.audio import header_seconds
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import LazyArray, LazyView, ScratchCache, extract
from genrefusion.features.mel import MelExtractor, frame_columns, frame_starts
from genrefusion.features.sources import audio_source, source_names
from genrefusion.models.crnn import Trunk
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.frames import published_trunk, require_readable_frames, trunk_outputs
from genrefusion.pipelines.multiframe import MultiframePipeline
from genrefusion.settings.features import FeatureSettings, MelFeatures
from genrefusion.settings.pipelines import CoattentionSettings, MultiframeSettings

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Timeline:
    """A song's spectrogram, and where in it the positions of its audio side lie.

    Attributes
    ----------
    mel : Array, shape (bands, columns)
        In dB.
    column_seconds : float
        From one column to the next.
    spans : Array, shape (positions, 2)
        Beginning and end of each position in seconds; a frame may reach past the end of the song.
    """

    mel: Array
    column_seconds: float
    spans: Array


class AudioSide:
    """What is heard of songs; here nothing, as where the lyrics alone are read.

    Attributes
    ----------
    trunk : Trunk or None
        Convolutions that the sequences come from, once they are there.
    """

    trunk: Trunk | None = None

    def ids(self, tracks: Tracks) -> list[str]:
        """Tracks of which something is heard."""
        return []

    def prepare(self, tracks: Tracks) -> None:
        """Compute and cache what does not depend on the training."""
        self.sequences(tracks)

    def fit(self, train: Tracks, val: Tracks) -> pd.DataFrame:
        """Train what the sequences come from; returns a row for each epoch, none where nothing is trained."""
        return pd.DataFrame()

    def make_room(self) -> None:
        """Make convolutions whose saved weights are read next, where there are any."""

    def sequences(self, tracks: Tracks) -> dict[str, LazyArray]:
        """Compute or look up the tracks of which something is heard, shape (frames, positions, channels) each."""
        return {}

    def level_sizes(self, channels: int) -> list[int]:
        """Channels of each level that lies beside the others in a sequence of so many channels."""
        return [channels]

    def timelines(self, tracks: Tracks) -> dict[str, Timeline]:
        """When the positions of each track's sequence are heard; empty where nobody says it, as of ready vectors."""
        return {}

    def parameter_count(self) -> int:
        """Values of the network that the sequences come from; here none."""
        return 0


class SourceSide(AudioSide):
    """Vectors of a source, each a position of one frame."""

    def __init__(self, settings: CoattentionSettings, features: FeatureSettings, context: Context) -> None:
        if settings.levels == "last":
            raise UserError(
                f"pipeline.levels=last: the audio of features={features.name} has one level. Leave "
                "the setting out, or choose features=mel."
            )
        self.context = context
        self.source = audio_source(features, context.surroundings())

    def ids(self, tracks: Tracks) -> list[str]:
        """Those of the source."""
        return self.source.ids(tracks)

    def sequences(self, tracks: Tracks) -> dict[str, LazyArray]:
        """One frame of as many positions as there are vectors."""
        found = self.source.sequences(tracks)
        return {track: LazyView(found[track], np.s_[None]) for track in tracks.ids if track in found}

    def timelines(self, tracks: Tracks) -> dict[str, Timeline]:
        """The vectors, in a spectrogram that is made for the eye alone; empty where the source knows no times."""
        if not self.source.spans(1.0):
            return {}
        settings = MelFeatures()
        column = settings.hop / settings.sample_rate
        audio = dict(zip(tracks.ids, tracks.table["audio"].tolist(), strict=True))
        found = {}
        for track, mel in _mels(settings, tracks, self.context).items():
            seconds = min(header_seconds(Path(audio[track])) or mel.shape[1] * column, self.context.max_seconds)
            found[track] = Timeline(mel, column, np.array(self.source.spans(seconds)))
        return found

    def parameter_count(self) -> int:
        """Values of the source's network."""
        return self.source.parameters()


class Convolutions(AudioSide):
    """Outputs of a multi-frame network's convolutions, with published weights or trained on the training songs."""

    def __init__(self, settings: CoattentionSettings, features: MelFeatures, context: Context) -> None:
        require_readable_frames(features, settings.weights)
        self.settings = settings
        self.features = features
        self.context = context
        self.published = settings.weights != "none"

    def ids(self, tracks: Tracks) -> list[str]:
        """Tracks with a file."""
        return _with_file(tracks)

    def prepare(self, tracks: Tracks) -> None:
        """Compute spectrograms and, where they are published, the convolutions' outputs."""
        if self.published:
            self.trunk = published_trunk(self.settings.weights, self.context)
            self.sequences(tracks)
        else:
            MultiframePipeline(self._training, self.features, self.context).prepare(tracks.subset(self.ids(tracks)))

    def fit(self, train: Tracks, val: Tracks) -> pd.DataFrame:
        """Train a multi-frame network on the songs with audio; its convolutions are what is kept."""
        if self.published:
            self.trunk = published_trunk(self.settings.weights, self.context)
            return pd.DataFrame()
        heard = [part.subset(self.ids(part)) for part in (train, val)]
        if not all(map(len, heard)):
            raise UserError(
                "No training or no validation track has audio. Read the lyrics alone: pipeline.sides=lyrics"
            )
        checkpoints = self.context.checkpoints and self.context.checkpoints / "trunk"
        context = replace(self.context, checkpoints=checkpoints, watch=None, training="trunk")
        pipeline = MultiframePipeline(self._training, self.features, context).fit(*heard)
        self.trunk = pipeline.networks_[0].trunk.eval()
        return pipeline.history_.assign(member="convolutions")

    def parameter_count(self) -> int:
        """Values of the convolutions."""
        return 0 if self.trunk is None else sum(p.numel() for p in self.trunk.parameters())

    def make_room(self) -> None:
        """Make them as they were trained, or published."""
        self.trunk = Trunk(column_norm=True) if self.published else Trunk(width=self.settings.trunk.width)

    def sequences(self, tracks: Tracks) -> dict[str, LazyArray]:
        """All levels of the convolutions side by side, or the last alone; the cache has all of them."""
        known = tracks.subset(self.ids(tracks))
        if not len(known):
            return {}
        assert self.trunk is not None
        # What convolutions make of the songs that were trained here serves no other run: it stays in memory.
        cache = self.context.cache
        outputs = cache if self.published or not cache.keeps else ScratchCache(cache.directory)
        found = trunk_outputs(self.trunk, known, self.features, self.context, outputs=outputs)
        if self.settings.levels == "all":
            return found
        return {track: LazyView(array, np.s_[:, :, -self.trunk.channels[-1] :]) for track, array in found.items()}

    def level_sizes(self, channels: int) -> list[int]:
        """Those of the convolutions."""
        assert self.trunk is not None
        return [channels] if self.settings.levels == "last" else list(self.trunk.channels)

    def timelines(self, tracks: Tracks) -> dict[str, Timeline]:
        """The steps of the frames, in the spectrogram that they come from."""
        assert self.trunk is not None
        column = self.features.hop / self.features.sample_rate
        return {
            track: Timeline(mel, column, step_seconds(mel.shape[1], self.features, self.trunk))
            for track, mel in _mels(self.features, tracks, self.context).items()
        }

    @property
    def _training(self) -> MultiframeSettings:
        trunk = self.settings.trunk
        return MultiframeSettings(width=trunk.width, epochs=trunk.epochs, lr=trunk.lr)


def audio_side(settings: CoattentionSettings, features: FeatureSettings, context: Context) -> AudioSide:
    """What is heard by settings and features.

    Raises
    ------
    UserError
        The features are none, or no sequences, or of one level where the last of several is to be read.
    """
    if settings.sides == "lyrics":
        return AudioSide()
    if not features.of_audio:
        raise UserError(f"pipeline.sides={settings.sides} needs audio, but there is features=none.")
    if features.are_sequences:
        return SourceSide(settings, features, context)
    if isinstance(features, MelFeatures):
        return Convolutions(settings, features, context)
    raise UserError(f"features={features.name} gives no sequences: choose {among(['mel', *source_names()])}.")


def step_seconds(columns: int, features: MelFeatures, trunk: Trunk) -> Array:
    """Beginning and end of each step of each frame of a song in seconds, shape (frames x steps, 2)."""
    edges = np.array(trunk.step_edges(frame_columns(features)))
    steps = np.stack([edges[:-1], edges[1:]], axis=1)
    spans = np.array(frame_starts(columns, features))[:, None, None] + steps
    seconds: Array = spans.reshape(-1, 2) * features.hop / features.sample_rate
    return seconds


def _with_file(tracks: Tracks) -> list[str]:
    without = set(tracks.lacking("audio"))
    return [track for track in tracks.ids if track not in without]


def _mels(features: MelFeatures, tracks: Tracks, context: Context) -> dict[str, Array]:
    extractor = MelExtractor(features, max_seconds=context.max_seconds)
    mels = extract(tracks, extractor, context.cache, workers=context.workers, terminal=context.terminal)
    return {track: np.asarray(mel) for track, mel in mels.items()}
