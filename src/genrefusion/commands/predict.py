"""Genres of songs that are in no corpus: what `predict` does.

Songs are read a few at a time: checked, predicted, answered, forgotten. Their features are kept in no cache, unless one
is named: a song is seldom asked for twice, and a folder of them would fill the disk. How answers are shown is in
`genrefusion.commands.predict_formats`.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from genrefusion.commands.predict_formats import SongFiles, SongPrediction, show_predictions
from genrefusion.commands.predict_models import Answering, JoinedRuns, ReadyNetwork, runs_to_ask
from genrefusion.core.errors import UserError
from genrefusion.core.files import note
from genrefusion.core.folders import cache_folder
from genrefusion.core.streams import write_utf_8_to_pipes
from genrefusion.core.terminal import Terminal, shown, shown_lines
from genrefusion.data.audio import AudioError, decoded_once, digest_audio, usable_sound
from genrefusion.data.sidecars import SIDECARS, Sidecars
from genrefusion.data.song_files import FoundSongs, grouped, is_hidden, songs_at
from genrefusion.data.tags import find_lyrics
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import ScratchCache, cache_to_read
from genrefusion.runs.store import Run
from genrefusion.settings.commands import PredictConfig

Answer = tuple[SongPrediction | None, list[str]]
"""What was found of a song, and its problems."""

_AT_ONCE = 2  # songs for each worker: they are in memory together


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
        `run` is a run folder or a list of them, or else `model` is ``musicnn``; `audio` is a file, a folder or a
        pattern, or a list of them, `lyrics` a file or a folder; `format` is ``table``, ``json`` or ``csv``.

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
    terminal = Terminal(quiet=config.format != "table")
    asked = ask(config, terminal)
    if terminal.quiet:
        write_utf_8_to_pipes()
    if asked.warning:
        note(asked.warning)
    notes = list(asked.notes)
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

    problems = show_predictions(
        counted(asked.answers),
        asked.genres,
        config.format,
        Path(config.output) if config.plot else None,
        terminal,
    )
    problems += asked.lost
    for line in (*notes, *problems):
        print(shown_lines(line), file=sys.stderr)  # noqa: T201 (beside the answer, which others may read)
    if not answered:
        print(f"Not one of {asked.count} songs could be answered.", file=sys.stderr)  # noqa: T201
    return 1 if problems or not answered else 0


@dataclass(frozen=True)
class Asked:
    """Songs that are predicted as their answers are taken.

    Attributes
    ----------
    genres : list of str
        That are told apart, sorted.
    count : int
        Songs.
    answers : iterator of (SongPrediction or None, list of str)
        See `answer`.
    lost, notes : list of str
        Files that look like songs and are left out; what is there in another place.
    warning : str
        What is to be known of what is asked; mostly empty.
    """

    genres: list[str]
    count: int
    answers: Iterator[Answer]
    lost: list[str]
    notes: list[str]
    warning: str


def ask(config: PredictConfig, terminal: Terminal) -> Asked:
    """Find songs, and load what names their genres.

    Parameters
    ----------
    config : PredictConfig
        As for `predict_files`.
    terminal : Terminal
        Shows how far it is.

    Raises
    ------
    UserError
        There is no run or no song, or the runs cannot be joined.
    """
    _require_what_to_ask(config)
    runs = [] if config.model else runs_to_ask(config)
    lyrics = Path(config.lyrics) if config.lyrics else None
    songs, lost, notes = _listed(config.audio, lyrics)
    folder = cache_folder(config.cache) / "features"
    cache = cache_to_read(folder) if config.cache else ScratchCache(folder)
    model: Answering
    model = JoinedRuns(runs, config, cache) if runs else ReadyNetwork(config, cache, terminal)
    answers = answer(model, songs, lyrics, workers=config.workers)
    if len(songs) > 1:
        answers = terminal.track(answers, "predict", len(songs), "songs")
    return Asked(model.genres, len(songs), answers, lost, notes, _composed(runs, config))


def answer(model: Answering, songs: list[SongFiles], lyrics: Path | None, *, workers: int) -> Iterator[Answer]:
    """Predict songs one after another.

    Parameters
    ----------
    model : Answering
        What names their genres.
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
    sidecars = Sidecars()

    def read(song: SongFiles) -> tuple[SongFiles | None, list[str]]:
        problems = []
        if song.audio is not None and model.limits:
            song.digest, problem = digest_audio(song.audio)
            try:
                if not problem:
                    sound = usable_sound(song.audio, *model.limits)
                    song.seconds, song.note = sound.seconds, sound.note
            except AudioError as error:
                problem = str(error)
            if problem:
                return None, [f"{shown(song.audio)}   {problem}"]
        if model.reads_lyrics:
            song.lyrics = find_lyrics(song.path, given=lyrics if song.audio else song.path, sidecars=sidecars)
            problems = [shown(song.lyrics.problem)] if song.lyrics.problem else []
        if model.limits and song.audio is None:
            song.lacks = "audio"
        elif model.reads_lyrics and not song.lyrics.text:
            song.lacks = "lyrics"
        return song, problems

    for first in range(0, len(songs), _AT_ONCE * workers):
        chunk = [replace(song) for song in songs[first : first + _AT_ONCE * workers]]  # what is found is forgotten
        with decoded_once():
            checked = Parallel(n_jobs=workers, prefer="threads")(delayed(read)(song) for song in chunk)
            answers = _answers(model, [song for song, _ in checked if song is not None])
        model.cache.forget()
        for song, problems in checked:
            given = None if song is None else answers[song.path]
            yield (None, [*problems, given]) if isinstance(given, str) else (given, problems)


def _answers(model: Answering, songs: list[SongFiles]) -> dict[Path, SongPrediction | str]:
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
        song.trained_on = model.knows(digests)
    try:
        return {song.path: given for song, given in zip(songs, model.answers(tracks, songs), strict=True)}
    except UserError as error:
        if len(songs) == 1:
            return {songs[0].path: f"{shown(songs[0].path)}   {error}"}
        return {path: given for song in songs for path, given in _answers(model, [song]).items()}


def _found(places: list[str]) -> tuple[list[FoundSongs], list[str]]:
    """Songs at each place, and mistakes in some of the places; in all of them they are the user's to mend."""
    found, mistakes = [], []
    for place in places:
        try:
            found.append(songs_at(place))
        except UserError as error:
            mistakes.append(error)
    if not found:
        raise mistakes[0]
    return found, [str(mistake) for mistake in mistakes]


def _listed(audio: str | list[str] | None, lyrics: Path | None) -> tuple[list[SongFiles], list[str], list[str]]:
    """Songs by their audio or, without any, by their lyrics; what was left out; and what is there in another place."""
    if lyrics is not None and not lyrics.exists():
        raise UserError(f"lyrics={shown(lyrics)}: no such file or folder.")
    if audio is not None:
        found, missing = _found(list(map(str, audio)) if isinstance(audio, list) else [audio])
        songs = list(dict.fromkeys(song for each in found for song in each.songs))
        if lyrics is not None and not lyrics.is_dir() and len(songs) > 1:
            raise UserError(
                f"lyrics={shown(lyrics)}: one file for {len(songs)} songs. Name a folder that has them as "
                "SONG.lrc or SONG.txt, or put them beside the songs."
            )
        lost, harmless = (
            grouped({str(path): reason for each in kind for path, reason in each.items()})
            for kind in ([each.lost for each in found], [each.harmless for each in found])
        )
        return [SongFiles(path, path) for path in songs], [*missing, *lost], harmless
    assert lyrics is not None
    texts = sorted(filter(_named_as_lyrics, lyrics.iterdir())) if lyrics.is_dir() else [lyrics]
    if not texts:
        raise UserError(f"lyrics={shown(lyrics)}: no lyrics there (files that end in {' or '.join(SIDECARS)}).")
    return [SongFiles(path) for path in texts], [], []


def _named_as_lyrics(path: Path) -> bool:
    return path.suffix.lower() in SIDECARS and not is_hidden(path.name) and path.is_file()


def _require_what_to_ask(config: PredictConfig) -> None:
    """Refuse to begin without songs, or without the one thing that names their genres."""
    runs = config.run if isinstance(config.run, list) else [config.run]
    if config.run and config.model:
        raise UserError("run=DIR asks a run, model=musicnn the published network: leave one of them out.")
    if not (config.model or (config.run and all(runs))) or not (config.audio or config.lyrics):
        raise UserError(
            "predict needs run=DIR, the folder of a run, or model=musicnn, which needs no training, and audio=PATH: "
            "a song, a folder, a pattern, or several as [A,B]."
        )


def _composed(runs: Sequence[Run], config: PredictConfig) -> str:
    """Say of runs that learned from composed songs that real ones are others, and what answers for those."""
    composed = [str(run.directory) for run in runs if run.record["synthetic"]]
    if not composed:
        return ""
    audio = shlex.quote(f"audio={config.audio if isinstance(config.audio, str) else 'PATH'}")
    named = composed[0] if len(composed) == 1 else f"[{','.join(composed)}]"
    return (
        f"run={named} learned from composed songs, which tells little of real ones; for those: "
        f"predict model=musicnn {audio}"
    )
