"""How the answers of `predict` are shown: as tables, JSON, CSV and pictures.

What the JSON holds is described, field by field, in ``prediction.schema.json`` at the top of the package.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich.table import Table
from rich.text import Text

from genrefusion.core.terminal import Terminal, clock, shown
from genrefusion.data.tags import FoundLyrics

BAR_WIDTH = 24
SHOWN_TAGS = 5
LONGEST_NAME = 150
"""Bytes of a song's name that its picture's name takes over; file systems end at 255."""


@dataclass
class SongFiles:
    """A song to predict, and what was found of it.

    Attributes
    ----------
    path : Path
        The file that it is known by: its audio, or its lyrics where these alone are given.
    audio : Path, optional
        Its audio.
    digest : str
        SHA-256 of the audio, where it is read.
    seconds : float, optional
        How much audio was read.
    note : str
        What is to be known of the audio; mostly empty.
    lyrics : FoundLyrics
        Its lyrics, where they are read.
    trained_on : bool
        Whether a run learnt from this very song, so that its answer says little.
    lacks : str
        Side that the runs read and the song has not.
    """

    path: Path
    audio: Path | None = None
    digest: str = ""
    seconds: float | None = None
    note: str = ""
    lyrics: FoundLyrics = field(default_factory=FoundLyrics)
    trained_on: bool = False
    lacks: str = ""

    @property
    def facts(self) -> list[str]:
        """What is to be known of an answer for it."""
        facts = [f"no {self.lacks}: answered without"] if self.lacks else []
        facts += ["the run was trained on it"] if self.trained_on else []
        return [*facts, self.note] if self.note else facts


@dataclass(frozen=True)
class SongPrediction:
    """Genres of a song.

    Attributes
    ----------
    song : SongFiles
        Which.
    genres : Series
        Probability of each genre.
    frames : list of ((float, float), Series)
        Beginning and end of each frame in seconds, and its probabilities.
    tags : DataFrame
        Probability of each tag, indexed by ``begin`` and ``end`` in seconds; empty where none are heard.
    """

    song: SongFiles
    genres: pd.Series
    frames: list[tuple[tuple[float, float], pd.Series]]
    tags: pd.DataFrame = field(default_factory=pd.DataFrame)


class Answers(NamedTuple):
    """Genres of songs, which a notebook shows as a table.

    Attributes
    ----------
    songs : DataFrame
        By ``song``, its path: ``genre``, the most probable one, and the probability of each genre.
    frames : DataFrame
        The same by ``song``, ``begin`` and ``end`` in seconds; without rows where no frames are told apart.
    """

    songs: pd.DataFrame
    frames: pd.DataFrame

    def __repr__(self) -> str:
        return str(self.songs)

    def _repr_html_(self) -> str:
        return str(self.songs.to_html())


def show_predictions(
    answers: Iterable[tuple[SongPrediction | None, list[str]]],
    genres: list[str],
    form: str,
    pictures: Path | None,
    terminal: Terminal,
) -> list[str]:
    """Print answers as they come (JSON when all are there), and draw them.

    Parameters
    ----------
    answers : iterable of (SongPrediction or None, list of str)
        With the problems of each song.
    genres : list of str
        In the order of the columns.
    form : str
        ``table``, ``json`` or ``csv``.
    pictures : Path, optional
        Folder to draw into.
    terminal : Terminal
        Where tables are shown.

    Returns
    -------
    list of str
        All problems.
    """
    problems: list[str] = []
    records = []
    drawn: set[str] = set()
    rows = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        rows.writerow(["audio", "lyrics", "begin", "end", "predicted", *genres])
    for found, faults in answers:
        problems += faults
        if found is None:
            continue
        if form == "table":
            _show_table(found, terminal)
        elif form == "csv":
            rows.writerows(_csv_rows(found))
        else:
            records.append(as_record(found))
        if pictures is not None:
            terminal.say("drawn", _draw(found, pictures, drawn))
    if form == "json":
        print(_as_json(records))  # noqa: T201 (a program that reads it gets a list)
    return problems


def as_record(answer: SongPrediction) -> dict[str, Any]:
    """Turn an answer into plain objects; ``prediction.schema.json`` describes them."""
    song = answer.song
    record = {
        "audio": None if song.audio is None else encodable(song.audio),
        "seconds": None if song.seconds is None else round(song.seconds, 3),
        "lyrics": encodable(song.lyrics.source) or None,
        "trained_on": song.trained_on,
        "genre": str(answer.genres.idxmax()),
        "probabilities": _rounded(answer.genres),
        "frames": [
            {"begin": round(begin, 3), "end": round(end, 3), "probabilities": _rounded(row)}
            for (begin, end), row in answer.frames
        ],
    }
    if len(answer.tags):
        record["tags"] = _tags_record(answer.tags)
    return record


def as_tables(answers: Sequence[SongPrediction], genres: list[str]) -> Answers:
    """Lay answers out as a table of songs and one of their frames."""
    songs = {(str(answer.song.path),): answer.genres for answer in answers}
    frames = {(str(a.song.path), begin, end): row for a in answers for (begin, end), row in a.frames}
    tables = []
    for rows, names in ((songs, ["song"]), (frames, ["song", "begin", "end"])):
        places = pd.DataFrame(list(rows), columns=names)
        probabilities = pd.DataFrame([row[genres].to_numpy() for row in rows.values()], columns=genres)
        best = probabilities.idxmax(axis=1) if rows else pd.Series(dtype=object)
        table = pd.concat([places, best.rename("genre"), probabilities], axis=1)
        tables.append(table.set_index(names))
    return Answers(*tables)


def encodable(name: object) -> str:
    """Name of a file in which bytes that are no UTF-8 are escaped, as they could not be printed."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def percent(probability: float) -> str:
    """Whole percents."""
    return f"{100 * probability:.0f} %"


def _rounded(row: pd.Series) -> dict[str, float]:
    return {str(genre): round(float(p), 6) for genre, p in row.items()}


def _tags_record(tags: pd.DataFrame) -> dict[str, Any]:
    """Times, and probabilities by tag, as lists that are read side by side."""
    return {
        "begin": [round(begin, 3) for begin, _ in tags.index],
        "end": [round(end, 3) for _, end in tags.index],
        "probabilities": {str(tag): [float(f"{p:.3g}") for p in column] for tag, column in tags.items()},
    }


def _as_json(records: list[dict[str, Any]]) -> str:
    """Indented, but for lists of numbers, which have one line each."""
    text = json.dumps(records, indent=2, ensure_ascii=False)
    return re.sub(r"\[\n\s+([-+.\de,\s]+?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)


def _show_table(answer: SongPrediction, terminal: Terminal) -> None:
    """Genres of one percent and more as bars, and the two most probable ones of each frame below."""
    song = answer.song
    facts = [str(song.path)]
    if song.seconds is not None:
        facts.append(clock(song.seconds))
    if song.lyrics.source:
        facts.append(f"lyrics: {song.lyrics.source}")
    terminal.say("song", "   ".join([*facts, *song.facts]))
    if len(answer.tags):
        highest = answer.tags.mean().nlargest(SHOWN_TAGS)
        terminal.say("tags", ", ".join(f"{tag} {percent(p)}" for tag, p in highest.items()))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for genre, p in answer.genres.sort_values(ascending=False).items():
        if p >= 0.005:
            table.add_row(Text(shown(genre)), percent(p), Text("━" * max(1, round(BAR_WIDTH * p)), style="cyan"))
    if answer.frames:
        table.add_row()
    for (begin, end), row in answer.frames:
        best = ", ".join(f"{shown(genre)} {percent(p)}" for genre, p in row.nlargest(2).items())
        table.add_row(f"{clock(begin)}–{clock(end)}", "", Text(best))
    terminal.table(table)


def _csv_rows(answer: SongPrediction) -> Iterable[list[object]]:
    """The song, without begin and end, then its frames."""
    names = [encodable(answer.song.audio or ""), encodable(answer.song.lyrics.source)]
    yield [*names, "", "", answer.genres.idxmax(), *(f"{p:.6g}" for p in answer.genres)]
    for (begin, end), row in answer.frames:
        yield [*names, f"{begin:.3f}", f"{end:.3f}", row.idxmax(), *(f"{p:.6g}" for p in row)]


def _draw(answer: SongPrediction, folder: Path, drawn: set[str]) -> Path:
    """Draw a song into a file of its name, or of its name and a number where another song has it."""
    from genrefusion.reports.plots import plot_song

    stem = encodable(answer.song.path.stem).encode()[:LONGEST_NAME].decode("utf-8", "ignore")
    stem = "".join(c if c.isprintable() else "_" for c in stem)
    name, number = stem, 1
    while name in drawn:
        number += 1
        name = f"{stem} ({number})"
    drawn.add(name)
    facts = [shown(answer.song.path.name)]
    if answer.song.lyrics.source:
        facts.append(f"lyrics: {shown(answer.song.lyrics.source)}")
    plot_song(answer.genres, answer.frames, folder / f"{name}.png", title=", ".join(facts))
    return folder / f"{name}.png"
