"""The lyrics alone: one pipeline for the three ways of reading them in `genrefusion.pipelines.readers`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pandas as pd

from genrefusion.data.groups import group_tracks
from genrefusion.data.lyrics import is_short
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import Prediction
from genrefusion.pipelines.base import Context, Pipeline, genres_to_learn, require_fitted
from genrefusion.pipelines.readers import READERS, Reader, VectorReader
from genrefusion.pipelines.saved import rebuild, write_description
from genrefusion.settings.features import NoFeatures
from genrefusion.settings.pipelines import LyricsSettings


class LyricsPipeline(Pipeline):
    """A reader of lyrics and what it says of tracks.

    Parameters
    ----------
    settings : LyricsSettings
        Text encoder, classifier, training.
    features : NoFeatures
        Nothing is read of the audio.
    context : Context
        Cache, device, terminal.

    Attributes
    ----------
    classes_ : list of str
        Sorted names of the genres; empty before the fit.
    history_ : DataFrame
        One row an epoch; empty where the classifier has none.
    importance_ : DataFrame
        Empty.
    reader_ : Reader
        Vectors and estimator, or the network.
    """

    name = "lyrics"
    settings: LyricsSettings
    features: NoFeatures
    uses = frozenset({"lyrics"})
    reads_lyrics = True

    def __init__(self, settings: LyricsSettings, features: NoFeatures, context: Context) -> None:
        super().__init__(settings, features, context)
        self.reader_: Reader = READERS.get(settings.classifier, VectorReader)(settings, context)

    def prepare(self, tracks: Tracks) -> None:
        """Embed the lyrics where a frozen transformer reads them."""
        tracks.require("lyrics")
        self.reader_.prepare(tracks.lyrics)
        report_lyrics(tracks, self.reader_.coverage(tracks.lyrics), self.context)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on `train`; the epoch with the lowest log loss over `val` is kept where there are epochs."""
        self.classes_ = genres_to_learn(train, val)
        for part in (train, val):
            part.require("lyrics")
        self.history_ = self.reader_.fit(
            train.lyrics,
            train.labels(self.classes_),
            val.lyrics,
            val.labels(self.classes_),
            groups=group_tracks(train.table),
        )
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each track."""
        require_fitted(self, tracks)
        tracks.require("lyrics")
        found = self.reader_.predict_proba(tracks.lyrics)
        index = pd.Index(tracks.ids, name="track_id")
        return Prediction(pd.DataFrame(found / found.sum(axis=1, keepdims=True), index=index, columns=self.classes_))

    def save(self, directory: Path) -> None:
        """Write what was trained; a frozen text encoder is found by its name."""
        require_fitted(self)
        directory.mkdir(parents=True, exist_ok=True)
        self.reader_.save(directory)
        write_description(directory, self)

    @classmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, context)
        pipeline.reader_.load(directory, len(pipeline.classes_))
        return pipeline

    def parameter_count(self) -> int:
        """Values of the classifier, and of the transformer if there is one."""
        return self.reader_.parameter_count()


def report_lyrics(tracks: Tracks, coverage: str, context: Context) -> None:
    """Say how many tracks have lyrics, how much of them is read, and which are too short to say much."""
    texts = tracks.lyrics
    context.terminal.say("lyrics", f"{sum(map(bool, texts))} of {len(texts)} songs; {coverage}")
    short = [track for track, text in zip(tracks.ids, texts, strict=True) if is_short(text)]
    if short:
        context.terminal.say("short", f"{len(short)} songs have hardly any lyrics: {', '.join(short[:8])}")
