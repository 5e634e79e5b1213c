"""Which tracks intervals draw together: those that a split keeps together, see `genrefusion.data.groups`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from genrefusion.data.groups import group_names
from genrefusion.data.names import plain_artist
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.clusters import Groups

NEARLY_ALL = 0.95
"""Share of tracks whose artist is known, from which on intervals are said to draw artists."""


def groups_of(folders: Sequence[Path]) -> Groups:
    """Which tracks of the runs in some folders are drawn together, from what their ``tracks.csv`` say.

    That is the column ``group`` where there is one (artist, song and recording taken together), else the artist, else
    the song that a piece is of; a track of which nothing is known stands alone, as do all where there is no file.
    """
    names: dict[str, str] = {}
    artists: dict[str, str | None] = {}
    for path in (folder / "tracks.csv" for folder in folders):
        if not path.is_file():
            continue
        for row in pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records"):
            track, artist = str(row["track_id"]), plain_artist(row.get("artist"))
            artists[track] = artist
            if name := row.get("group") or (f"artist {artist}" if artist else row.get("song")):
                names[track] = name
    return _groups(names, sum(artist is not None for artist in artists.values()) / max(1, len(artists)))


def groups_in(parts: Sequence[Tracks]) -> Groups:
    """Which of the tracks are drawn together, as `groups_of` has it for finished runs."""
    names = {track: name for part in parts for track, name in zip(part.ids, group_names(part.table), strict=True)}
    artists = [plain_artist(name) for part in parts for name in part.table.get("artist", [None] * len(part))]
    return _groups(names, sum(artist is not None for artist in artists) / max(1, len(artists)))


def _groups(names: dict[str, str], known: float) -> Groups:
    """Groups by their names, and what they are where a share of the artists is known."""
    if known >= NEARLY_ALL:
        return Groups(names, "artists")
    if known:
        return Groups(names, "artists where they are known")
    return Groups(names, "songs") if len(set(names.values())) < len(names) else Groups(names)
