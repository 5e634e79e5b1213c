"""Genres of songs that are in no corpus: what `predict` does.

Songs are read a few at a time: checked, predicted, answered, forgotten. Their features are kept in no cache, unless one
is named: a song is seldom asked for twice, and a folder of them would fill the disk. How answers are shown is in
`genrefusion.commands.predict_formats`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from genrefusion.commands.predict_formats import SongFiles, SongPrediction, show_predictions
from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.folders import cache_folder
from genrefusion.core.streams import write_utf_8_to_pipes
from genrefusion.core.terminal import Terminal, shown, shown_lines
from genrefusion.data.audio import AudioError, decoded_once, digest_audio, usable_sound
from genrefusion.data.sidecars import SIDECARS, Sidecars
from genrefusion.data.song_files import grouped, is_hidden, songs_at
from genrefusion.data.tags import find_lyrics
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache, ScratchCache, cache_to_read
from genrefusion.metrics.predictions import Prediction, mean_prediction
from genrefusion.pipelines.base import Context, Predictor
from genrefusion.runs.store import Run, open_run
from genrefusion.settings.commands import PredictConfig

Answer = tuple[SongPrediction | None, list[str]]
"""What was found of a song, and its problems."""

_AT_ONCE = 2  # songs for each worker: they are in memory together


@dataclass(frozen=True)
class Model:
    """What was trained in one run.

    Attributes
    ----------
    run : Run
        The run.
    pipelines : list of Predictor
        One for each fold; their mean is the answer.
    cache : FeatureCache
        Where they keep features.
    """

    run: Run
    pipelines: list[Predictor]
    cache: FeatureCache

    @property
    def uses(self) -> frozenset[str]:
        """Sides of which a song must have one."""
        return self.pipelines[0].uses

    @property
    def limits(self) -> tuple[float, float]:
        """Shortest audio that it takes, and the length of which it takes the beginning; in seconds."""
        settings = self.run.record["config"]["data"]
        return settings["min_seconds"], settings["max_seconds"]

    def predict(self, tracks: Tracks) -> Prediction:
        """Predict the tracks that have a side to read; without any, the tables are empty."""
        without = set(tracks.lacking(*sorted(self.uses)))
        able = tracks.subset([track for track in tracks.ids if track not in without])
        if not len(able):
            return Prediction(pd.DataFrame())
        return mean_prediction([pipeline.predict_proba(able) for pipeline in self.pipelines])


def run(config: PredictConfig) -> None:
    """Name the genre of songs; the process ends with 1 where some could not be used."""
    try:
        sys.exit(predict_files(config))
    except BrokenPipeError:  # `predict … | head`: who read the answer has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def predict_files(config: PredictConfig) -> int:
    """Say the genre of each song, and of each of its frames.

    Parameters
    ----------
    config : PredictConfig
        `run` is a run folder or a list of them, `audio` a file, a folder or a pattern, `lyrics` a file or a folder;
        `format` is ``table``, ``json`` or ``csv``.

    Returns
    -------
    int
        Exit code: 0, or 1 if some files could not be used (they are named on the error output, the rest goes on), or
        all of them.

    Raises
    ------
    UserError
        There is no run or no song, or the runs cannot be joined.
    """
    folders = config.run if isinstance(config.run, list) else [config.run]
    if not config.run or not all(folders) or not (config.audio or config.lyrics):
        raise UserError("predict needs run=DIR, the folder of a run, and audio=PATH: a song, a folder or a pattern.")
    runs = [open_run(Path(str(folder))) for folder in folders]
    _require_same_genres(runs)
    lyrics = Path(config.lyrics) if config.lyrics else None
    songs, lost, notes = _listed(config.audio, lyrics)
    terminal = Terminal(quiet=config.format != "table")
    if terminal.quiet:
        write_utf_8_to_pipes()
    folder = cache_folder(config.cache) / "features"
    cache = cache_to_read(folder) if config.cache else ScratchCache(folder)
    models = _load(runs, config, cache)
    _require_sides(models, config)
    answered = 0

    def counted(
        found: Iterator[Answer],
    ) -> Iterator[Answer]:
        nonlocal answered
        for given in found:
            if (answer := given[0]) is not None:
                answered += 1
                if answer.song.note and config.format != "table":  # which shows it beside the answer
                    notes.append(f"{shown(answer.song.path)}   {answer.song.note}")
            yield given

    found = counted(answer(models, songs, lyrics, workers=config.workers))
    if len(songs) > 1:
        found = terminal.track(found, "predict", len(songs), "songs")
    problems = show_predictions(
        found,
        sorted(runs[0].record["genres"]),
        config.format,
        Path(config.output) if config.plot else None,
        terminal,
    )
    problems += lost
    for line in (*notes, *problems):
        print(shown_lines(line), file=sys.stderr)  # noqa: T201 (beside the answer, which others may read)
    if not answered:
        print(f"Not one of {len(songs)} songs could be answered.", file=sys.stderr)  # noqa: T201
    return 1 if problems or not answered else 0


def answer(models: list[Model], songs: list[SongFiles], lyrics: Path | None, *, workers: int) -> Iterator[Answer]:
    """Predict songs one after another.

    Parameters
    ----------
    models : list of Model
        Whose answers are averaged; of a song that lacks a side, those that can do without it.
    songs : list of SongFiles
        Where they are.
    lyrics : Path, optional
        File or folder to look for lyrics in before other places.
    workers : int
        Threads that decode and extract.

    Yields
    ------
    (SongPrediction or None, list of str)
        Of each song in order, and what could not be read, by name.
    """
    limits = [model.limits for model in models if "audio" in model.uses]
    shortest, longest = max(a for a, _ in limits) if limits else 0.0, max(b for _, b in limits) if limits else 0.0
    reads_lyrics = any(pipeline.reads_lyrics for model in models for pipeline in model.pipelines)
    sidecars = Sidecars()

    def read(song: SongFiles) -> tuple[SongFiles | None, list[str]]:
        problems = []
        if song.audio is not None and limits:
            song.digest, problem = digest_audio(song.audio)
            try:
                if not problem:
                    sound = usable_sound(song.audio, shortest, longest)
                    song.seconds, song.note = sound.seconds, sound.note
            except AudioError as error:
                problem = str(error)
            if problem:
                return None, [f"{shown(song.audio)}   {problem}"]
        if reads_lyrics:
            song.lyrics = find_lyrics(song.path, given=lyrics if song.audio else song.path, sidecars=sidecars)
            problems = [shown(song.lyrics.problem)] if song.lyrics.problem else []
        if limits and song.audio is None:
            song.lacks = "audio"
        elif reads_lyrics and not song.lyrics.text:
            song.lacks = "lyrics"
        return song, problems

    for first in range(0, len(songs), _AT_ONCE * workers):
        chunk = [replace(song) for song in songs[first : first + _AT_ONCE * workers]]  # what is found is forgotten
        with decoded_once():
            checked = Parallel(n_jobs=workers, prefer="threads")(delayed(read)(song) for song in chunk)
            answers = _answers(models, [song for song, _ in checked if song is not None])
        for model in models:
            model.cache.forget()
        for song, problems in checked:
            given = None if song is None else answers[song.path]
            yield (None, [*problems, given]) if isinstance(given, str) else (given, problems)


def _answers(models: list[Model], songs: list[SongFiles]) -> dict[Path, SongPrediction | str]:
    """SongPrediction of each song, or what is wrong with it."""
    if not songs:
        return {}
    table = pd.DataFrame(
        {
            "audio": [None if song.audio is None else str(song.audio) for song in songs],
            "lyrics": [song.lyrics.text for song in songs],
            "sha256": [song.digest for song in songs],
            "genre": "",
        },
        index=pd.Index([str(number) for number in range(len(songs))], name="track_id"),
        dtype=object,
    )
    tracks = Tracks(table, "songs")
    for song, digests in zip(songs, tracks.all_digests(), strict=True):
        song.trained_on = any(not model.run.trained_on.songs.isdisjoint(digests) for model in models)
    try:
        predictions = [model.predict(tracks) for model in models]
    except UserError as error:
        if len(songs) == 1:
            return {songs[0].path: f"{shown(songs[0].path)}   {error}"}
        return {path: given for song in songs for path, given in _answers(models, [song]).items()}
    return {song.path: _joined(models, predictions, song, str(number)) for number, song in enumerate(songs)}


def _joined(models: list[Model], predictions: list[Prediction], song: SongFiles, track: str) -> SongPrediction | str:
    """Mean of what the models that could read a song say; of its frames too, where they all have the same."""
    able = [(m, p) for m, p in zip(models, predictions, strict=True) if track in p.tracks.index]
    if not able:
        sides = " and no ".join(sorted(frozenset().union(*(model.uses for model in models))))
        return f"{shown(song.path)}   no {sides}, which the run needs"
    genres = pd.concat([p.tracks.loc[[track]] for _, p in able]).mean()
    spans = [[] if song.seconds is None else m.pipelines[0].frame_spans(song.seconds) for m, _ in able]
    if not spans[0] or any(other != spans[0] for other in spans[1:]):
        return SongPrediction(song, genres, [])
    rows = np.mean([p.frames.loc[track].to_numpy() for _, p in able if p.frames is not None], axis=0)
    frames = [(span, pd.Series(row, index=genres.index)) for span, row in zip(spans[0], rows, strict=True)]
    return SongPrediction(song, genres, frames)


def _listed(audio: str | None, lyrics: Path | None) -> tuple[list[SongFiles], list[str], list[str]]:
    """Songs by their audio or, without any, by their lyrics; what was left out; and what is there in another place."""
    if lyrics is not None and not lyrics.exists():
        raise UserError(f"lyrics={shown(lyrics)}: no such file or folder.")
    if audio is not None:
        found = songs_at(audio)
        if lyrics is not None and not lyrics.is_dir() and len(found.songs) > 1:
            raise UserError(
                f"lyrics={shown(lyrics)}: one file for {len(found.songs)} songs. Name a folder that has them as "
                "SONG.lrc or SONG.txt, or put them beside the songs."
            )
        lost, harmless = (
            grouped({str(path): reason for path, reason in reasons.items()}) for reasons in (found.lost, found.harmless)
        )
        return [SongFiles(path, path) for path in found.songs], lost, harmless
    assert lyrics is not None
    texts = sorted(filter(_named_as_lyrics, lyrics.iterdir())) if lyrics.is_dir() else [lyrics]
    if not texts:
        raise UserError(f"lyrics={shown(lyrics)}: no lyrics there (files that end in {' or '.join(SIDECARS)}).")
    return [SongFiles(path) for path in texts], [], []


def _named_as_lyrics(path: Path) -> bool:
    return path.suffix.lower() in SIDECARS and not is_hidden(path.name) and path.is_file()


def _load(runs: list[Run], config: PredictConfig, cache: FeatureCache) -> list[Model]:
    models = []
    for run in runs:
        context = Context(
            cache,
            workers=config.workers,
            max_seconds=run.record["config"]["data"]["max_seconds"],
            trainer=config.trainer,
            views=False,
        )
        models.append(Model(run, run.pipelines(context), cache))
    return models


def _require_same_genres(runs: list[Run]) -> None:
    first = runs[0]
    for other in runs[1:]:
        differing = sorted(set(first.record["genres"]) ^ set(other.record["genres"]))
        if differing:
            names = [
                f"{genre}: only in {(first if genre in first.record['genres'] else other).directory}"
                for genre in differing
            ]
            raise UserError(f"run=[…]: runs that know other genres cannot be joined:\n{bullet_list(names)}")


def _require_sides(models: list[Model], config: PredictConfig) -> None:
    """Refuse runs that read what songs do not have, and lyrics that no run reads."""
    for model in models:
        for member in model.pipelines[0].members:
            if (ready := member.features.ready_file) is not None:
                raise UserError(
                    f"run={model.run.directory}: reads ready features ({ready}), which other songs do not have.\nTrain "
                    "a run that computes its own, such as experiment=multiframe or experiment=xgboost."
                )
    reads_lyrics = any(model.pipelines[0].reads_lyrics for model in models)
    if config.lyrics and not reads_lyrics:
        raise UserError(f"lyrics={shown(config.lyrics)}: the run reads no lyrics. Leave it out.")
    if not config.audio and not any("lyrics" in model.uses for model in models):
        raise UserError("predict needs audio=PATH for this run: a song, a folder or a pattern.")
