"""What a run's page says of its corpus: the file ``corpus.json`` of a run, written while the tracks are at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.core.files import write_json
from genrefusion.core.terminal import clock
from genrefusion.data.groups import knows_artists
from genrefusion.data.names import plain_artist
from genrefusion.data.tracks import Tracks
from genrefusion.reports.pages import Cell, Column

FILE = "corpus.json"


def write_corpus_facts(
    tracks: Tracks, parts: Mapping[str, Sequence[str]], directory: Path, *, known: Sequence[tuple[str, str]] = ()
) -> None:
    """Write what is known of a corpus, and its songs and artists by genre and part.

    Parameters
    ----------
    tracks : Tracks
    parts : mapping of str to sequence of str
        Ids of the tracks of each part, as ``train``, ``val`` and ``test``.
    directory : Path
        Folder of a run or an evaluation.
    known : sequence of (str, str)
        What the corpus says of itself, as of `genrefusion.data.facts.CorpusFacts.lines`.
    """
    counts = {part: _by_genre(tracks.table.loc[list(ids)]) for part, ids in parts.items()}
    write_json({"facts": dict([*_facts(tracks), *known]), "parts": counts}, directory / FILE)


def corpus_section(directory: Path) -> dict[str, Any] | None:
    """Facts, and columns and rows of the table of genres and parts; None where a folder, of an older run, has none."""
    path = directory / FILE
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    parts: dict[str, dict[str, list[int | None]]] = content["parts"]
    genres = sorted({genre for counts in parts.values() for genre in counts if genre})
    rows = [[Cell(genre or "all"), *(_cell(counts.get(genre)) for counts in parts.values())] for genre in (*genres, "")]
    columns = [Column("genre", number=False), *(Column(part) for part in parts)]
    return {"facts": content["facts"], "columns": columns, "rows": rows}


def _by_genre(table: pd.DataFrame) -> dict[str, list[int | None]]:
    """Songs and artists of each genre, and under an empty name of all; artists are None where they are not known."""
    groups = [*((str(genre), rows) for genre, rows in table.groupby("genre", sort=True)), ("", table)]
    artists = knows_artists(table)
    return {
        genre: [len(rows), int(rows["artist"].map(plain_artist).nunique()) if artists else None]
        for genre, rows in groups
    }


def _cell(counts: list[int | None] | None) -> Cell:
    songs, artists = counts or (0, None)
    return Cell(f"{songs:,}", "" if artists is None else f"{artists:,} artist{'s' if artists != 1 else ''}")


def _facts(tracks: Tracks) -> list[tuple[str, str]]:
    """What can be counted without opening a file."""
    table, n = tracks.table, len(tracks)
    songs = f"{n:,} pieces of {table['song'].nunique():,} songs" if tracks.has("song") else f"{n:,}"
    facts = [("tracks", f"{songs}, in {len(tracks.genres)} genres")]
    if knows_artists(table):
        per_artist = table["artist"].map(plain_artist).value_counts()
        facts.append(("artists", f"{len(per_artist):,}, with {per_artist.median():g} tracks each in the median"))
    else:
        facts.append(("artists", "unknown: songs of one artist may be on both sides of the split, and figures flatter"))
    if tracks.has("audio"):
        facts.append(("audio", f"of {table['audio'].notna().sum():,} tracks{_length(table)}"))
    words = np.array([len(text.split()) for text in tracks.lyrics])
    if words.any():
        facts.append(
            ("lyrics", f"of {(words > 0).sum():,} tracks, {np.median(words[words > 0]):.0f} words in the median")
        )
    return facts


def _length(table: pd.DataFrame) -> str:
    """How long it is, where the table says it of every track."""
    seconds = pd.to_numeric(table.get("seconds", pd.Series(dtype=float)), errors="coerce")
    return f", {clock(seconds.sum())} in all" if len(seconds) and seconds.gt(0).all() else ""
