"""The lyrics alone: one pipeline for the three ways of reading them in `genrefusion.pipelines.readers`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pandas as pd

from genrefusion.data.groups import group_tracks
from genrefusion.data.lyrics import is_short
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import Prediction
from genrefusion.pipelines.base import Workbench, genres_to_learn, rebuild, write_description
from genrefusion.pipelines.readers import READERS, Reader, VectorReader
from genrefusion.settings.features import NoFeatures
from genrefusion.settings.pipelines import LyricsSettings


class LyricsPipeline:
    """See `genrefusion.pipelines.base.Pipeline` for what the methods promise.

    Parameters
    ----------
    settings : LyricsSettings
        Text encoder, classifier, training.
    features : NoFeatures
        Nothing is read of the audio.
    bench : Workbench
        Cache, device, terminal.
    """

    name = "lyrics"
    reads_lyrics = True

    def __init__(self, settings: LyricsSettings, features: NoFeatures, bench: Workbench) -> None:
        self.settings = settings
        self.features = features
        self.bench = bench
        self.classes_: list[str] = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()
        self.reader_: Reader = READERS.get(settings.classifier, VectorReader)(settings, bench)

    @property
    def uses(self) -> frozenset[str]:
        """The lyrics."""
        return frozenset({"lyrics"})

    def prepare(self, tracks: Tracks) -> None:
        """Embed the lyrics where a frozen transformer reads them."""
        tracks.require("lyrics")
        self.reader_.prepare(tracks.lyrics)
        report_lyrics(tracks, self.reader_.coverage(tracks.lyrics), self.bench)

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
        tracks.require("lyrics")
        found = self.reader_.predict_proba(tracks.lyrics)
        index = pd.Index(tracks.ids, name="track_id")
        return Prediction(pd.DataFrame(found / found.sum(axis=1, keepdims=True), index=index, columns=self.classes_))

    def save(self, directory: Path) -> None:
        """Write what was trained; a frozen text encoder is found by its name."""
        directory.mkdir(parents=True, exist_ok=True)
        self.reader_.save(directory)
        write_description(directory, self, self.settings, self.features)

    @classmethod
    def load(cls, directory: Path, bench: Workbench) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, bench)
        pipeline.reader_.load(directory, len(pipeline.classes_))
        return pipeline

    def parameter_count(self) -> int:
        """Values of the classifier, and of the transformer if there is one."""
        return self.reader_.parameter_count()


def report_lyrics(tracks: Tracks, coverage: str, bench: Workbench) -> None:
    """Say how many tracks have lyrics, how much of them is read, and which are too short to say much."""
    texts = tracks.lyrics
    bench.terminal.say("lyrics", f"{sum(map(bool, texts))} of {len(texts)} songs; {coverage}")
    short = [track for track, text in zip(tracks.ids, texts, strict=True) if is_short(text)]
    if short:
        bench.terminal.say("short", f"{len(short)} songs have hardly any lyrics: {', '.join(short[:8])}")
