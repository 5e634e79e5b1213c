"""What belongs together: tracks of one artist, pieces of one song, copies and encodings of one recording.

A split keeps a group on one side, an interval draws it as a whole, and inner selection is divided by the same groups.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.data.names import plain_artist

Numbers = npt.NDArray[np.int64]
Key = tuple[str, str]

RECORDING = ("file", "samples", "path")
"""Kinds of keys that two rows share only if they are one recording."""

_IN_BRACKETS = re.compile(r"\[[^\]\n]*\]|\{[^}\n]*\}|<[^>\n]*>")
_NO_LETTERS = re.compile(r"[\W_]+")
_FEWEST_WORDS = 5

_MOST_ARTISTS = 5
"""Lyrics that more artists share are a placeholder ("no lyrics were found for this song"), not a song.

Where artists are unknown songs are counted: pieces and copies of one count once.
"""


def group_tracks(table: pd.DataFrame, *, by_artist: bool = True) -> Numbers:
    """Number the groups of tracks that belong together.

    Two tracks are in one group if they share the artist (`genrefusion.data.names.plain_artist`), the song that they are
    pieces of, the bytes of the audio file, its decoded samples, the lyrics, or the path of the audio file without its
    ending; or if both share something with a third one. The bare name of a file is no such thing: ``blues/01.wav`` and
    ``rock/01.wav`` have nothing in common.

    Parameters
    ----------
    table : DataFrame
        Indexed by track id; of the columns ``artist``, ``song``, ``song_sha256``, ``sha256``, ``samples_sha256``,
        ``lyrics``, ``audio``, ``song_path`` those that are there are read.
    by_artist : bool
        Whether one artist makes a group.

    Returns
    -------
    ndarray, shape (tracks,)
        From 0; in the order of the artists' names, then of songs and ids.
    """
    return np.unique(group_names(table, by_artist=by_artist), return_inverse=True)[1].astype(np.int64)


def group_names(table: pd.DataFrame, *, by_artist: bool = True) -> list[str]:
    """Name of each track's group: see `group_tracks`.

    That is the first name among its tracks' artists, or else songs, or else ids, such as ``artist abba``.
    """
    rows = table.drop(columns="lyrics", errors="ignore").to_dict("records")
    keys = [[key for key in _own_keys(row) if by_artist or key[0] != "artist"] for row in rows]
    for own, key in zip(keys, lyrics_keys(table), strict=True):
        own += [("lyrics", key)] if key else []
    names = [_name(row, track, by_artist=by_artist) for row, track in zip(rows, table.index, strict=True)]
    return _connect(keys, names)


def knows_artists(table: pd.DataFrame) -> bool:
    """Whether the artist of any track is known."""
    return "artist" in table and any(plain_artist(name) for name in table["artist"])


def recordings(table: pd.DataFrame) -> Numbers:
    """Number the recordings: tracks with one file, one path, or the same samples are one, whoever plays."""
    rows = table.drop(columns="lyrics", errors="ignore").to_dict("records")
    keys = [[key for key in _own_keys(row) if key[0] in RECORDING] for row in rows]
    names = _connect(keys, [str(track) for track in table.index])
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def recordings_of_two_genres(table: pd.DataFrame) -> list[str]:
    """Say of each recording that is there under two genres which tracks it is."""
    numbers = pd.Series(recordings(table), index=table.index)
    several = numbers[numbers.duplicated(keep=False)]
    rows = []
    for _, group in several.groupby(several, sort=True):
        genres = table.loc[group.index, "genre"]
        if len(set(genres)) > 1:
            rows.append(", ".join(f"{track} ({genre})" for track, genre in genres.items()))
    return rows


@functools.lru_cache(maxsize=1 << 17)
def lyrics_key(text: str | None) -> str:
    """Digest of the letters of lyrics, without what stands in brackets; empty for fewer words than say anything.

    Runs keep these digests, so the rule stays as it is, however lyrics are cleaned for reading.
    """
    sung = _IN_BRACKETS.sub(" ", text or "")
    if len(sung.split()) < _FEWEST_WORDS:
        return ""
    letters = _NO_LETTERS.sub("", unicodedata.normalize("NFKC", sung).casefold())
    return hashlib.sha256(letters.encode()).hexdigest() if letters else ""


def lyrics_keys(table: pd.DataFrame) -> list[str]:
    """Key of each row's lyrics (`lyrics_key`); none of a text that is a placeholder."""
    if "lyrics" not in table:
        return [""] * len(table)
    keys = [lyrics_key(text if isinstance(text, str) else None) for text in table["lyrics"]]
    shared = {key for key, count in Counter(filter(None, keys)).items() if count > _MOST_ARTISTS}
    if not shared:
        return keys
    rows = table.drop(columns="lyrics").to_dict("records")
    voices = _connect([list(_own_keys(row)) for row in rows], [f"track {track}" for track in table.index])
    singers: dict[str, set[str]] = defaultdict(set)
    for key, voice in zip(keys, voices, strict=True):
        singers[key].add(voice)
    return [key if len(singers[key]) <= _MOST_ARTISTS else "" for key in keys]


def _own_keys(row: dict[Any, Any]) -> Iterator[Key]:
    if artist := plain_artist(row.get("artist")):
        yield "artist", artist
    for kind, columns in (
        ("song", ("song",)),
        ("file", ("song_sha256", "sha256")),  # who has heard one piece has heard the song
        ("samples", ("samples_sha256",)),
    ):
        value = next((row[c] for c in columns if isinstance(row.get(c), str) and row[c].strip()), None)
        if value is not None:
            yield kind, value
    audio = row.get("song_path") or row.get("audio")
    if isinstance(audio, str) and audio.strip():
        yield "path", str(Path(audio).with_suffix(""))


def _name(row: dict[Any, Any], track: Any, *, by_artist: bool) -> str:
    """What a track is called by: its artist, or else its song, or else its id."""
    if by_artist and plain_artist(row.get("artist")):
        return f"artist {row['artist'].strip().casefold()}"
    return f"song {row['song']}" if isinstance(row.get("song"), str) and row["song"].strip() else f"track {track}"


def _connect(keys: list[list[Key]], names: list[str]) -> list[str]:
    """Give all rows that keys connect the first of their names (a union-find with path halving)."""
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[Key, int] = {}
    for row, own in enumerate(keys):
        for key in own:
            parent[root(row)] = root(first.setdefault(key, row))
    roots = [root(row) for row in range(len(keys))]
    least: dict[int, str] = {}
    for name, top in zip(names, roots, strict=True):
        least[top] = min(name, least.get(top, name))
    return [least[top] for top in roots]
