"""A folder with one folder of songs for each genre."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.paths import folder_name
from genrefusion.core.terminal import Terminal
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.formats import ENDINGS
from genrefusion.data.song_files import below, find_songs, grouped, track_ids
from genrefusion.data.table_rules import row_faults
from genrefusion.data.tracks import Tracks, usable_rows, validate_table
from genrefusion.settings.data import FolderData

FACTS = CorpusFacts(layout=f"<root>/<genre>/…/<song>, with files that end in {ENDINGS}")


def load(settings: FolderData, *, terminal: Terminal, **_: Any) -> Tracks:
    """Find the songs in the folders of genres, and say which genres and folders give none."""
    return load_folder(Path(str(settings.root)), terminal, skip=settings.on_error == "skip")


def load_folder(root: Path, terminal: Terminal | None = None, *, skip: bool = False) -> Tracks:
    """Take a folder of genres: ``<root>/<genre>/…/<song>``; the track id is the path below the root without its ending.

    Files that look like songs and cannot be read are in `Tracks.skipped`, by their path below the root; with `skip` so
    are songs in folders whose names no genre can have.

    Raises
    ------
    UserError
        The folder does not exist or holds no songs.
    """
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder.")
    found = find_songs(root)
    songs = [song for song in found.songs if song.parent != root]
    beside = [song for song in found.songs if song.parent == root]
    lost = below(root, found.lost | dict.fromkeys(beside, "beside the folders of genres, in none of them"))
    if not songs:
        raise UserError(
            f"data.root={root}: no songs. It needs one folder for each genre, with files that end in {ENDINGS}."
            + (f"\nLeft out:\n{bullet_list(grouped(lost))}" if lost else "")
        )
    if terminal is not None:
        for line in (*_genres_without(root, songs, lost), *grouped(below(root, found.harmless))):
            terminal.say("left out", line)
    relative = [song.relative_to(root) for song in songs]
    table = pd.DataFrame(
        {
            "track_id": track_ids(list(map(str, relative))),
            "genre": [path.parts[0] for path in relative],
            "audio": [str(song.absolute()) for song in songs],
        },
        dtype=object,
    )
    if skip:
        table, refused = usable_rows(table, str(root), row_faults(table))
        lost |= refused
    table = validate_table(table, where=str(root)).set_index("track_id")
    return Tracks(table, folder_name(root), skipped=lost)


def _genres_without(root: Path, songs: list[Path], lost: dict[str, str]) -> Iterator[str]:
    """Folders of genres that give no song though they hold files that look like some."""
    genres = {song.relative_to(root).parts[0] for song in songs}
    reasons: dict[str, Counter[str]] = {}
    for path, reason in lost.items():
        genre, *below_it = Path(path).parts
        if genre not in genres and (below_it or (root / genre).is_dir()):
            reasons.setdefault(genre, Counter())[reason] += 1
    for genre, counts in reasons.items():
        reason, count = counts.most_common(1)[0]
        yield f"the whole genre {genre}: {count} files {reason}"
