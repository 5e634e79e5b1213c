"""What is in a corpus, and what is wrong with it: the command `corpus`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from rich.markup import escape
from rich.table import Table

from genrefusion.core.folders import cache_folder
from genrefusion.core.terminal import Terminal, clock
from genrefusion.data.audio import header_seconds
from genrefusion.data.checks import CHANGED, inspect_audio, noted, shown_path
from genrefusion.data.corpora import facts_of, load_corpus
from genrefusion.data.groups import knows_artists, recordings
from genrefusion.data.lyrics import is_short
from genrefusion.data.manifest import find_table
from genrefusion.data.names import plain_artist
from genrefusion.data.song_files import grouped
from genrefusion.data.tracks import PARTS, Tracks
from genrefusion.settings.commands import CorpusConfig
from genrefusion.settings.data import DataSettings, ManifestData


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a corpus.

    Attributes
    ----------
    where : str
        The track, and its file where it is the file's; or the artist.
    what, cure : str
        What is wrong, and what to do.
    """

    where: str
    what: str
    cure: str


def describe_corpus(config: CorpusConfig, *, quiet: bool = False) -> int:
    """Print what a corpus holds; with ``action=validate`` decode every file and name each problem with its cure.

    Rows of a table that cannot be used are named and left out, so that the rest is told all the same. Describing
    reads no more of a song than its header, and only where the table has no ``seconds``.

    Returns
    -------
    int
        Exit code: 1 if there is a problem.
    """
    terminal = Terminal(quiet=quiet)
    cache = cache_folder(config.cache)
    settings: DataSettings = replace(config.data, on_error="skip")
    if isinstance(settings, ManifestData):
        settings = replace(settings, needs="any")  # what tracks lack is told below
    tracks = load_corpus(settings, cache=cache, workers=config.workers, terminal=terminal)
    kind = " (synthetic)" if tracks.synthetic else ""
    terminal.say("corpus", f"{tracks.corpus}{kind}: {len(tracks)} tracks, {len(tracks.genres)} genres")
    declared = facts_of(settings)
    for label, fact in declared.lines() if declared.licence else _licences(tracks):
        terminal.say(label, fact)
    problems = list(_row_problems(tracks) if isinstance(settings, ManifestData) else _file_problems(tracks))
    usable = tracks
    if config.action == "validate":
        known, faults = inspect_audio(tracks, settings, cache=cache, workers=config.workers, terminal=terminal)
        usable = replace(tracks, table=noted(tracks.table, known).drop(index=list(faults)))
        problems += [*_audio_problems(tracks, faults), *_twins(usable), *_crossing(tracks)]
        problems += _lacking(tracks, config.data)
        for row in grouped({_named(tracks, track): facts.note for track, facts in known.items() if facts.note}):
            terminal.say("note", row)
    for problem in problems:
        terminal.say("problem", f"{problem.where}   {problem.what}{problem.cure and ': '}{problem.cure}")
    if config.action == "validate":
        said = f"{len(usable)} tracks can be used, {len(tracks.skipped) + len(tracks) - len(usable)} cannot"
        terminal.say("validate", f"{said}; problems: {len(problems)}")
    if outside := _outside(tracks, settings):
        terminal.say("note", f"files outside the table's folder: {outside}; they do not move with it")
    if len(usable):
        seconds = track_seconds(usable, workers=config.workers, terminal=terminal)
        terminal.table(counts_table(usable, seconds))
        for label, fact in facts(usable, seconds):
            terminal.say(label, fact)
    return 1 if problems else 0


def track_seconds(tracks: Tracks, *, workers: int, terminal: Terminal) -> pd.Series[float]:
    """Length of every track: of the column ``seconds``, or else of its file's header; missing where neither says it."""
    column = tracks.table.get("seconds", pd.Series(index=tracks.table.index, dtype=object))
    seconds = pd.to_numeric(column, errors="coerce").astype(float)
    seconds = seconds.where((seconds > 0) & (seconds < float("inf")))
    audio = tracks.table.get("audio", pd.Series(index=tracks.table.index, dtype=object))
    unknown = audio[seconds.isna() & audio.notna()]
    run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    jobs = run(delayed(header_seconds)(Path(path)) for path in unknown)
    found = list(terminal.track(jobs, "headers", len(unknown), "songs"))
    return seconds.fillna(pd.Series(found, index=unknown.index, dtype=float))


def counts(tracks: Tracks, seconds: pd.Series[float] | None = None) -> pd.DataFrame:
    """Count what there is of each genre, and of all.

    Parameters
    ----------
    tracks : Tracks
    seconds : Series, optional
        Length of each track, as of `track_seconds`.

    Returns
    -------
    DataFrame
        Indexed by genre, the last row ``all``: tracks, artists, audio files, minutes, lyrics, words of lyrics (the
        median), and tracks in each part of the column ``split``; missing where the table has no such column.
    """
    table = tracks.table.reset_index()[["track_id", "genre"]]
    for column in ("artist", "audio", "split"):
        table[column] = tracks.table[column].to_numpy() if column in tracks.table else None
    table["seconds"] = None if seconds is None else seconds.to_numpy()
    words = pd.Series([len(text.split()) for text in tracks.lyrics])
    table["words"] = words.where(words > 0)
    groups = [*table.groupby("genre", sort=True), ("all", table)]
    timed = seconds is not None and bool(seconds.notna().any())
    rows = {
        str(genre): {
            "tracks": len(group),
            "artists": count_artists(group["artist"]) if knows_artists(tracks.table) else None,
            "audio": int(group["audio"].notna().sum()) if tracks.has("audio") else None,
            "minutes": group["seconds"].sum() / 60 if timed else None,
            "lyrics": int(group["words"].notna().sum()) if tracks.has("lyrics") else None,
            "words": group["words"].median() if tracks.has("lyrics") else None,
        }
        | {part: int((group["split"] == part).sum()) if tracks.has("split") else None for part in PARTS}
        for genre, group in groups
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("genre")


def counts_table(tracks: Tracks, seconds: pd.Series[float] | None = None) -> Table:
    """Lay the counts out for the terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("genre")
    found = counts(tracks, seconds)
    for heading in found:
        table.add_column(str(heading), justify="right")
    for genre, row in found.iterrows():
        table.add_row(escape(str(genre)), *("–" if pd.isna(value) else f"{value:.0f}" for value in row))
    return table


def facts(tracks: Tracks, seconds: pd.Series[float]) -> list[tuple[str, str]]:
    """Say in a line each what is known of artists, lengths, lyrics and the split."""
    n = len(tracks)
    lines = [("artists", "unknown: nothing keeps the songs of one artist on one side of a split, and figures flatter")]
    if knows_artists(tracks.table):
        artists = tracks.table["artist"].map(plain_artist).dropna().value_counts()
        most = f"1 to {artists.max()}" if artists.min() < artists.max() else f"{artists.max()}"
        unknown = n - int(artists.sum())
        rest = f"; of {unknown} tracks unknown" if unknown else ""
        lines = [("artists", f"{len(artists)}, {most} tracks each{rest}")]
    known = seconds.dropna()
    if len(known):
        span = f"{clock(known.median())} in the median, {clock(known.min())} to {clock(known.max())}"
        unknown_length = f"; {n - len(known)} unknown" if len(known) < n else ""
        lines.append(("length", f"{clock(known.sum())} in all; a track {span}{unknown_length}"))
    texts = [text for text in tracks.lyrics if text]
    if texts:
        words = pd.Series([len(text.split()) for text in texts])
        short = sum(map(is_short, texts))
        lines.append(
            (
                "lyrics",
                f"of {len(texts)} of {n} tracks ({len(texts) / n:.0%}), {words.median():.0f} words in the median, "
                f"{words.min()} to {words.max()}" + (f"; {short} with fewer than five" if short else ""),
            )
        )
    lines.append(("split", _parts(tracks)))
    return lines


def count_artists(names: pd.Series[Any]) -> int:
    """Count different artists, however their names are written; those who are nobody do not count."""
    return int(names.map(plain_artist).nunique())


def _parts(tracks: Tracks) -> str:
    if not tracks.has("split"):
        return "none in the table"
    parts = []
    for part in PARTS:
        rows = tracks.table[tracks.table["split"] == part]
        artists = f" ({count_artists(rows['artist'])} artists)" if knows_artists(tracks.table) else ""
        parts.append(f"{len(rows)} {part}{artists}")
    rest = int(tracks.table["split"].isna().sum())
    return ", ".join(parts) + (f", {rest} in none" if rest else "")


def _licences(tracks: Tracks) -> list[tuple[str, str]]:
    """What the table says of the licences of its tracks."""
    if not tracks.has("license"):
        return []
    named = tracks.table["license"].fillna("unknown").value_counts()
    return [("licence", ", ".join(f"{licence} ({count})" for licence, count in named.items()))]


def _row_problems(tracks: Tracks) -> Iterator[Problem]:
    for track, fault in tracks.skipped.items():
        missing = fault.endswith("is missing")
        yield Problem(track, fault, f"{'put it back, or' if missing else 'mend its row, or'} take the row out")


def _file_problems(tracks: Tracks) -> Iterator[Problem]:
    """Files of a folder that look like songs and are left out; the reason tells what to do."""
    for row in grouped(tracks.skipped):
        yield Problem("left out", row, "")


def _named(tracks: Tracks, track: str) -> str:
    return f"{track}   {shown_path(tracks.table['audio'][track])}"


def _lacking(tracks: Tracks, settings: DataSettings) -> Iterator[Problem]:
    """Tracks without a side that the corpus promises of each."""
    needs = settings.needs if isinstance(settings, ManifestData) else "any"
    for side in ("audio", "lyrics"):
        for track in tracks.lacking(side) if needs in (side, "both") else []:
            yield Problem(track, f"no {side}", "add it, or go on without the track with data.on_error=skip")


def _audio_problems(tracks: Tracks, faults: dict[str, str]) -> Iterator[Problem]:
    for track, fault in faults.items():
        cure = "put a whole copy in its place, or go on without it with data.on_error=skip"
        if fault == "missing":
            cure = "put it back, or take its row out"
        elif fault == CHANGED:
            cure = "put the old file back, or correct sha256 in its row"
        yield Problem(_named(tracks, track), fault, cure)


def _twins(tracks: Tracks) -> Iterator[Problem]:
    """Tracks that are the recording of one before: a predefined split may put them on both sides."""
    first: dict[int, str] = {}
    rows = dict(zip(tracks.ids, tracks.table.to_dict("records"), strict=True))
    for track, number in zip(tracks.ids, recordings(tracks.table), strict=True):
        twin = first.setdefault(int(number), track)
        if twin == track:
            continue
        row, other = rows[track], rows[twin]
        parts = [r["split"] if tracks.has("split") else None for r in (row, other)]
        sides = f" (in {parts[0]}, the other in {parts[1]})" if parts[0] != parts[1] else ""
        labels = (
            f" with another genre ({row['genre']}, the other {other['genre']})"
            if row["genre"] != other["genre"]
            else ""
        )
        what = f"{_likeness(row, other)} as {twin}{labels}{sides}"
        yield Problem(f"{track}   {shown_path(row['audio'])}", what, "take one of the two rows out")


def _likeness(row: dict[Any, Any], other: dict[Any, Any]) -> str:
    """In what two rows are one recording."""
    for column, what in (("sha256", "the same file"), ("samples_sha256", "the same samples in another file")):
        if row.get(column) and row.get(column) == other.get(column):
            return what
    return "the same recording"


def _crossing(tracks: Tracks) -> Iterator[Problem]:
    """Artists, and songs that tracks are pieces of, with tracks in several parts of the column ``split``."""
    if not tracks.has("split"):
        return
    table = tracks.table[tracks.table["split"].notna()]
    for column, name_of in (("artist", plain_artist), ("song", lambda name: name)):
        for _, rows in table.groupby(table[column].map(name_of), sort=True) if column in table else ():
            shares = [f"{part} ({', '.join(group.index[:2])})" for part, group in rows.groupby("split")]
            if len(shares) > 1:
                where = f"{column} {rows[column].iloc[0]}"
                yield Problem(where, f"in {' and '.join(shares)}", "give all its tracks the same split")


def _outside(tracks: Tracks, settings: DataSettings) -> int:
    """Count the files of a table that lie outside its folder."""
    if not isinstance(settings, ManifestData):
        return 0
    folder = find_table(settings).absolute().parent.resolve()
    paths = pd.concat(
        [tracks.table[c].dropna() for c in ("audio", "lyrics_path") if c in tracks.table] or [pd.Series()]
    )
    return sum(not Path(path).parent.resolve().is_relative_to(folder) for path in paths)
