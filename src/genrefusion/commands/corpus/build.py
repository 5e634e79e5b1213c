"""A corpus from a folder of music: a tracks table with lyrics, a split and a page that says how it was made.

The songs stay where they are: the table names them, and only lyrics are written.
"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from genrefusion.commands.corpus.data_sheet import UNMAPPED, Report, data_sheet, left_out_table
from genrefusion.commands.corpus.describe import counts_table, facts, track_seconds
from genrefusion.commands.corpus.music_folder import SourceSong, find_songs, read_song
from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.faults import nearest_folder, why_not_writable
from genrefusion.core.files import scratch_beside, write_atomically
from genrefusion.core.folders import cache_folder
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import header_seconds
from genrefusion.data.checks import inspect_files, shown_path
from genrefusion.data.formats import ENDINGS
from genrefusion.data.genre_names import read_genre_map
from genrefusion.data.lyrics import clean_lyrics
from genrefusion.data.names import joined_names, one_spelling, plain, plain_artist
from genrefusion.data.sidecars import Sidecars
from genrefusion.data.song_files import UNUSABLE, track_ids
from genrefusion.data.splits import split_tracks
from genrefusion.data.table_rules import PARTS
from genrefusion.data.tracks import Tracks, load_table
from genrefusion.settings.commands import CorpusConfig
from genrefusion.settings.data import SplitSettings


def build_corpus(config: CorpusConfig, *, command: str = "", quiet: bool = False) -> int:
    """Make a corpus of a folder of music: ``tracks.csv``, ``lyrics/``, ``README.md``, ``left_out.csv``.

    All is written beside `out` and takes its name at the end, so that a build that fails or is stopped leaves nothing.

    Parameters
    ----------
    config : CorpusConfig
        `source`, `out`, `genres`, `per_genre`, `needs`, `seed`; the same settings and songs give the same table.
    command : str
        How it was called, for the data sheet.
    quiet : bool
        Say nothing.

    Returns
    -------
    int
        Exit code: 0, also where songs were left out.

    Raises
    ------
    UserError
        There are no songs or fewer than two genres of them, or `out` cannot be written or is not empty.
    """
    terminal = Terminal(quiet=quiet)
    source, out = _places(config)
    genres = read_genre_map(config.genres)
    report = Report(source=source, command=command)
    files = find_songs(source, report)
    if not files:
        left_out = [f"{heading}: {', '.join(rows[:3])}" for heading, rows in report.reasons()]
        raise UserError(
            f"source={source}: no songs. Files that end in these are taken: {ENDINGS}."
            + (f"\nLeft out:\n{bullet_list(left_out)}" if left_out else "")
        )
    terminal.say("source", f"{shown_path(str(source))}: {len(files)} songs")
    sidecars = Sidecars()
    jobs = (read_song(file, source, genres, sidecars, report) for file in files)
    songs = list(terminal.track(jobs, "tags", len(files), "songs"))
    songs = _with_genre(songs, report, settings=config)
    songs = _first_of_each(_checked(songs, config, report, terminal), report)
    chosen = _enough(choose(songs, config.per_genre, config.seed), config, report)
    for heading, rows in report.reasons():
        terminal.say("left out", heading)
        for row in bullet_list(rows).split("\n"):
            terminal.say("", row)
    for line in [*report.notes, *_guessed(chosen)]:
        terminal.say("note", line)
    tracks = _write(chosen, source, out, config, report)
    seconds = track_seconds(tracks, workers=config.workers, terminal=terminal)
    terminal.table(counts_table(tracks, seconds))
    for label, fact in facts(tracks, seconds):
        terminal.say(label, fact)
    if report.split.startswith("none"):
        terminal.say("note", f"no split in the table{report.split.removeprefix('none')}")
    shown = shown_path(str(out))
    words = [
        f"experiment={'coattention' if tracks.has('lyrics') else 'multiframe'}",
        "data=manifest",
        f"data.root={shown}",
    ]
    divided = ["split=predefined"] if tracks.has("split") else []
    terminal.say("corpus", f"{shown} (the songs stay where they are)")
    terminal.say("train", shlex.join(["train", *words, *divided]))
    return 0


def choose(songs: list[SourceSong], per_genre: int | None, seed: int) -> list[SourceSong]:
    """Draw songs of each genre: one of every artist, then a second one of every artist, until there are enough.

    Where there are more artists than places, and of the songs of an artist, the seed decides. A song of an unknown
    artist counts as an artist's only one. The draw of a genre does not depend on the others.
    """
    if per_genre is None:
        return songs
    by_genre: dict[str, list[SourceSong]] = defaultdict(list)
    for song in songs:
        by_genre[str(song.genre)].append(song)
    chosen: set[str] = set()
    for genre, members in by_genre.items():
        draw = np.random.default_rng([seed, *genre.encode()])
        shuffled = [members[i] for i in draw.permutation(len(members))]
        turns: dict[str, int] = defaultdict(int)
        order: list[tuple[int, int, str]] = []
        for place, song in enumerate(shuffled):
            artist = plain_artist(song.artist) or f"/{song.name}"  # no plain name has a slash
            order.append((turns[artist], place, song.name))
            turns[artist] += 1
        chosen |= {name for _, _, name in sorted(order)[:per_genre]}
    return [song for song in songs if song.name in chosen]


def _places(config: CorpusConfig) -> tuple[Path, Path]:
    """Source and target, and whether they can be."""
    source, out = Path(str(config.source)), Path(str(config.out))
    if not source.is_dir():
        raise UserError(f"source={source}: no such folder.")
    parent = nearest_folder(out.resolve().parent)
    if why_not_writable(parent) is not None:
        raise UserError(f"out={out}: {parent} cannot be written. Take another folder: out=FOLDER.")
    _require_free(out)
    return source.resolve(), out.resolve()


def _require_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"out={out}: is there already. Name a folder that does not exist yet, or remove it.")


def _guessed(songs: Sequence[SourceSong]) -> list[str]:
    """Say whose artists are known from names of files alone, as a split goes by them."""
    guessed = [song for song in songs if song.guessed]
    if not guessed:
        return []
    first = f"{shown_path(str(guessed[0].artist))!r} of {shown_path(guessed[0].name)}"
    count = f"{len(guessed)} of {len(songs)} songs"
    return [f"artists of {count} are from names of files, without a tag: are they artists, like {first}?"]


def _with_genre(songs: list[SourceSong], report: Report, *, settings: CorpusConfig) -> list[SourceSong]:
    """Leave out songs of no known genre and, if both sides are needed, without lyrics."""
    kept = []
    for song in songs:
        if song.genre is None and song.said:
            report.unmapped[song.said] += 1
            report.leave_out(song.name, UNMAPPED, song.said)
        elif song.genre is None:
            report.leave_out(song.name, "without a genre in tags or folders", "")
        elif settings.needs == "both" and not clean_lyrics(song.lyrics):
            report.leave_out(song.name, "without lyrics", "")
        else:
            kept.append(song)
    if report.unmapped:
        report.notes.append("genres=file genres.path=FILE takes your own names and synonyms of genres")
    genres = [str(song.genre) for song in kept]
    if joined := joined_names(genres):
        report.notes.append(f"one genre, spelt in several ways: {joined}")
    if report.disagreeing:
        report.notes.append(
            f"{len(report.disagreeing)} songs are of another genre by their tag than by their folder; the tag was taken"
        )
    spelling = one_spelling(genres)
    return [replace(song, genre=spelling[str(song.genre)]) for song in kept]


def _checked(songs: list[SourceSong], config: CorpusConfig, report: Report, terminal: Terminal) -> list[SourceSong]:
    """Decode every song, and leave out those that cannot be used."""
    cache = cache_folder(config.cache)
    facts_of = inspect_files([song.file for song in songs], config.data, cache, config.workers, terminal)
    kept = []
    for song, known in zip(songs, facts_of, strict=True):
        if known.problem:
            report.leave_out(song.name, UNUSABLE, known.problem)
        else:
            kept.append(replace(song, sha256=known.digest))
    return kept


def _first_of_each(songs: list[SourceSong], report: Report) -> list[SourceSong]:
    """Leave out a song whose bytes, or whose artist and title, an earlier one has.

    Only case, spaces and punctuation do not count: "Song (live)" is another one than "Song".
    """
    keys: tuple[tuple[str, Callable[[SourceSong], str | None]], ...] = (
        ("of the same bytes as another", lambda song: song.sha256),
        (
            "of the same artist and title as another",
            lambda song: (
                f"{artist}/{plain(song.title)}" if (artist := plain_artist(song.artist)) and song.title else None
            ),
        ),
    )
    for reason, key in keys:
        first: dict[str, SourceSong] = {}
        kept = []
        for song in songs:
            name = key(song)
            other = first.setdefault(name, song) if name else song
            if other is song:
                kept.append(song)
            else:
                genre = "" if other.genre == song.genre else f", which is {other.genre} and this one {song.genre}"
                report.leave_out(song.name, reason, f"{other.name}{genre}")
        songs = kept
    return songs


_OTHER_NAMES = "\ngenres=none takes genres as tags and folders call them, genres=file genres.path=FILE your synonyms."


def _enough(songs: list[SourceSong], config: CorpusConfig, report: Report) -> list[SourceSong]:
    """Leave out genres with one song, and name those with fewer than asked for."""
    by_genre: dict[str, list[SourceSong]] = defaultdict(list)
    for song in songs:
        by_genre[str(song.genre)].append(song)
    kept = []
    for genre, members in sorted(by_genre.items()):
        if len(members) < 2:
            report.leave_out(members[0].name, "the only one of its genre (two are needed to train and test)", genre)
            continue
        kept += members
        if config.per_genre and len(members) < config.per_genre:
            report.notes.append(f"{genre} has {len(members)} songs of {config.per_genre}")
    if len({song.genre for song in kept}) < 2:
        rows = [f"{heading}: {', '.join(found[:3])}" for heading, found in report.reasons()]
        raise UserError(
            f"source={config.source}: fewer than two genres with two songs or more are left. Left out:\n"
            + bullet_list(rows)
            + ("" if config.genres.name == "none" else _OTHER_NAMES)
        )
    return kept


def _write(songs: list[SourceSong], source: Path, out: Path, config: CorpusConfig, report: Report) -> Tracks:
    """Write the corpus whole or not at all, and read it back."""
    try:
        with scratch_beside(out) as scratch:
            _require_free(out)  # another process may have made it meanwhile
            table = _table(songs, out, scratch)
            table, report.split = _with_split(table, out.name, config.seed)
            table.to_csv(scratch / "tracks.csv", encoding="utf-8", lineterminator="\n")
            tracks = load_table(scratch / "tracks.csv", corpus=out.name)
            (scratch / "README.md").write_text(data_sheet(tracks, config, report), encoding="utf-8")
            left_out_table(report).to_csv(scratch / "left_out.csv", index=False, encoding="utf-8", lineterminator="\n")
            scratch.rename(out)
            return load_table(out / "tracks.csv", corpus=out.name)
    except OSError as error:
        raise UserError(
            f"out={out}: cannot be written ({error.strerror}). Nothing was left there. Take another folder: out=FOLDER."
        ) from error


def _table(songs: list[SourceSong], out: Path, folder: Path) -> pd.DataFrame:
    """Rows of the songs, with lyrics written to files below the folder."""
    rows = []
    for track, song in zip(track_ids([song.name for song in songs]), songs, strict=True):
        lyrics = f"lyrics/{track}.txt" if clean_lyrics(song.lyrics) else None
        if lyrics:
            write_atomically(folder / lyrics, song.lyrics.encode("utf-8", "replace"))
        seconds = header_seconds(song.file)
        rows.append(
            {
                "track_id": track,
                "genre": song.genre,
                "audio": _named_from(out, song.file),
                "artist": song.artist,
                "title": song.title,
                "lyrics_path": lyrics,
                "seconds": f"{seconds:.2f}" if seconds else None,
                "sha256": song.sha256,
            }
        )
    return pd.DataFrame(rows, dtype=object).dropna(axis="columns", how="all").set_index("track_id")


def _with_split(table: pd.DataFrame, corpus: str, seed: int) -> tuple[pd.DataFrame, str]:
    """Add the column ``split``, and say how it was made; a corpus that cannot be divided goes without."""
    try:
        split = split_tracks(Tracks(table, corpus), SplitSettings(kind="holdout"), seed=seed)
    except UserError as error:
        return table, f"none: {error}"
    parts = {track: part for part in PARTS for track in getattr(split.folds[0], part)}
    return table.assign(split=[parts[str(track)] for track in table.index]), split.protocol


def _named_from(out: Path, file: Path) -> str:
    """Path relative to the corpus, or absolute where the two have nothing but the root in common."""
    if os.path.commonpath([out, file]) == os.sep:
        return str(file)
    return os.path.relpath(file, out)
