"""What `predict` asks for the genres of songs: finished runs, or the published tag network without training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from genrefusion.commands.predict_formats import SongFiles, SongPrediction
from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.terminal import Terminal, shown
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.metrics.predictions import Prediction, mean_prediction
from genrefusion.pipelines.base import Context, Predictor, require_weights_read, source_of
from genrefusion.runs.store import Run, open_run
from genrefusion.settings.commands import PredictConfig
from genrefusion.settings.data import DataSettings
from genrefusion.settings.features import MusicnnFeatures


class Answering(Protocol):
    """What names the genres of songs.

    Attributes
    ----------
    called : str
        What it is in a sentence.
    genres : list of str
        That it tells apart, sorted.
    cache : FeatureCache
        Where it keeps features.
    limits : (float, float), optional
        Shortest audio that it takes, and the length of which it takes the beginning; in seconds. None where it reads
        no audio.
    reads_lyrics : bool
        Whether lyrics change an answer.
    needs_audio : bool
        Whether a song without audio has no answer.
    """

    called: str
    genres: list[str]
    cache: FeatureCache
    limits: tuple[float, float] | None
    reads_lyrics: bool
    needs_audio: bool

    @abstractmethod
    def knows(self, digests: frozenset[str]) -> bool:
        """Whether it has learnt from the song with these digests."""

    @abstractmethod
    def answers(self, tracks: Tracks, songs: Sequence[SongFiles]) -> Sequence[SongPrediction | str]:
        """What it says of each song, or what is wrong with it; the tracks are the same songs, in the same order."""


@dataclass(frozen=True)
class TrainedRun:
    """What was trained in one run.

    Attributes
    ----------
    run : Run
        The run.
    pipelines : list of Predictor
        One for each fold; their mean is the answer.
    """

    run: Run
    pipelines: list[Predictor]

    @property
    def uses(self) -> frozenset[str]:
        """Sides of which a song must have one."""
        return self.pipelines[0].uses

    @property
    def limits(self) -> tuple[float, float]:
        """See `Answering`."""
        settings = self.run.record["config"]["data"]
        return settings["min_seconds"], settings["max_seconds"]

    def predict(self, tracks: Tracks) -> Prediction:
        """Predict the tracks that have a side to read; without any, the tables are empty."""
        without = set(tracks.lacking(*sorted(self.uses)))
        able = tracks.subset([track for track in tracks.ids if track not in without])
        if not len(able):
            return Prediction(pd.DataFrame())
        return mean_prediction([pipeline.predict_proba(able) for pipeline in self.pipelines])

    def frame_spans(self, seconds: float | None) -> list[tuple[float, float]]:
        """Times of its frames of a song; none where it has none, or no audio was read."""
        return [] if seconds is None else self.pipelines[0].frame_spans(seconds)


class JoinedRuns(Answering):
    """One run or several, whose answers are averaged; of a song that lacks a side, those that can do without it.

    Parameters
    ----------
    runs : list of Run
        See `runs_to_ask`.
    config : PredictConfig
        Workers and trainer.
    cache : FeatureCache
        Where features are kept.

    Raises
    ------
    UserError
        A run reads what other songs do not have, or what its features come from is missing; or none reads the lyrics or
        the weights that are given.
    """

    called = "the run"

    def __init__(self, runs: Sequence[Run], config: PredictConfig, cache: FeatureCache) -> None:
        self.cache = cache
        self.genres = sorted(runs[0].record["genres"])
        self.runs = [_loaded(run, config, cache) for run in runs]
        limits = [run.limits for run in self.runs if "audio" in run.uses]
        self.limits = (
            (max(shortest for shortest, _ in limits), max(longest for _, longest in limits)) if limits else None
        )
        self.reads_lyrics = any(pipeline.reads_lyrics for run in self.runs for pipeline in run.pipelines)
        self.needs_audio = not any("lyrics" in run.uses for run in self.runs)
        _require_sides(self, config)
        _load_sources(self.runs, config.features.weights)

    def knows(self, digests: frozenset[str]) -> bool:
        """Whether one of them was trained on it."""
        return any(not trained.run.trained_on.songs.isdisjoint(digests) for trained in self.runs)

    def answers(self, tracks: Tracks, songs: Sequence[SongFiles]) -> Sequence[SongPrediction | str]:
        """Mean of what those say that can read a song."""
        predictions = [trained.predict(tracks) for trained in self.runs]
        return [self._joined(predictions, song, track) for song, track in zip(songs, tracks.ids, strict=True)]

    def _joined(self, predictions: list[Prediction], song: SongFiles, track: str) -> SongPrediction | str:
        """Their mean for the song, and for its frames too, where they all have the same."""
        able = [(run, p) for run, p in zip(self.runs, predictions, strict=True) if track in p.tracks.index]
        if not able:
            sides = " and no ".join(sorted(frozenset().union(*(run.uses for run in self.runs))))
            return f"{shown(song.path)}   no {sides}, which the run needs"
        genres = pd.concat([p.tracks.loc[[track]] for _, p in able]).mean()
        spans = [run.frame_spans(song.seconds) for run, _ in able]
        if not spans[0] or any(other != spans[0] for other in spans[1:]):
            return SongPrediction(song, genres, [])
        rows = np.mean([p.frames.loc[track].to_numpy() for _, p in able if p.frames is not None], axis=0)
        frames = [(span, pd.Series(row, index=genres.index)) for span, row in zip(spans[0], rows, strict=True)]
        return SongPrediction(song, genres, frames)


class ReadyNetwork(Answering):
    """The published tag network musicnn; see `genrefusion.pipelines.ready`.

    Parameters
    ----------
    config : PredictConfig
        Weights, workers and trainer.
    cache : FeatureCache
        Where features and weights are kept.
    terminal : Terminal
        Told what is fetched, and what it knows.

    Raises
    ------
    UserError
        There are lyrics, which it does not read, or no weights.
    """

    called = "model=musicnn"
    limits = (DataSettings.min_seconds, DataSettings.max_seconds)
    reads_lyrics = False
    needs_audio = True

    def __init__(self, config: PredictConfig, cache: FeatureCache, terminal: Terminal) -> None:
        from genrefusion.features.musicnn import TagSequences  # with PyTorch, which not all runs need
        from genrefusion.pipelines import ready

        _require_sides(self, config)
        self._ready = ready
        self.cache = cache
        self.genres = sorted(ready.TAG_OF)
        context = Context(cache, max_seconds=self.limits[1], trainer=config.trainer)
        features = MusicnnFeatures(weights=config.features.weights or MusicnnFeatures.weights)
        around = context.surroundings()
        # What is wrong with device or weights would be said of each song.
        TagSequences(features, replace(around, terminal=terminal)).load()
        context.device()
        self._source = TagSequences(features, around)
        terminal.say("model", f"musicnn, as published; takes every song for one of: {', '.join(self.genres)}")

    def knows(self, digests: frozenset[str]) -> bool:
        """Nobody has told which million songs it learnt from."""
        return False

    def answers(self, tracks: Tracks, songs: Sequence[SongFiles]) -> Sequence[SongPrediction | str]:
        """Genres of each song by its tags, and the tags."""
        heard = self._source.sequences(tracks).values()
        return [self._answer(song, np.asarray(patches)) for song, patches in zip(songs, heard, strict=True)]

    def _answer(self, song: SongFiles, patches: np.ndarray) -> SongPrediction:
        assert song.seconds is not None
        tags = self._ready.tag_table(patches, self._source.spans(song.seconds))
        return SongPrediction(song, self._ready.genres_of(tags), self._ready.frames_of(tags), tags)


def runs_to_ask(config: PredictConfig) -> list[Run]:
    """Open the runs that are named.

    Raises
    ------
    UserError
        One is none, or they know other genres.
    """
    folders = config.run if isinstance(config.run, list) else [config.run]
    runs = [open_run(Path(str(folder))) for folder in folders]
    first = runs[0]
    for other in runs[1:]:
        differing = sorted(set(first.record["genres"]) ^ set(other.record["genres"]))
        if differing:
            names = [
                f"{genre}: only in {(first if genre in first.record['genres'] else other).directory}"
                for genre in differing
            ]
            raise UserError(f"run=[…]: runs that know other genres cannot be joined:\n{bullet_list(names)}")
    return runs


def _loaded(run: Run, config: PredictConfig, cache: FeatureCache) -> TrainedRun:
    longest = run.record["config"]["data"]["max_seconds"]
    context = Context(
        cache,
        workers=config.workers,
        max_seconds=longest,
        trainer=config.trainer,
        views=False,
        weights=config.features.weights,
    )
    loaded = TrainedRun(run, run.pipelines(context))
    for member in loaded.pipelines[0].members:
        if (ready := member.features.ready_file) is not None:
            raise UserError(
                f"run={run.directory}: reads ready features ({ready}), which other songs do not have.\nTrain "
                "a run that computes its own, such as experiment=multiframe or experiment=xgboost."
            )
    return loaded


def _load_sources(runs: Sequence[TrainedRun], weights: str | None) -> None:
    """Read what the vectors of songs come from, or what is wrong with it would be said of each song."""
    pipelines = [run.pipelines[0] for run in runs]  # those of other folds read the same
    require_weights_read(pipelines, weights)
    for source in (source_of(member) for pipeline in pipelines for member in pipeline.members):
        if source is not None:
            source.load()


def _require_sides(model: Answering, config: PredictConfig) -> None:
    """Refuse lyrics that nothing reads, and to go without audio that is needed."""
    if config.lyrics and not model.reads_lyrics:
        raise UserError(f"lyrics={shown(config.lyrics)}: {model.called} reads no lyrics. Leave it out.")
    if not config.audio and model.needs_audio:
        raise UserError(f"predict needs audio=PATH for {model.called}: a song, a folder or a pattern.")
