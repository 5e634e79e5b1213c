"""A table of tracks, which may lie anywhere and has what somebody wrote into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.core.files import require_file
from genrefusion.data.checks import require_sides
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.table_files import ENDINGS, NAMED_ENDINGS
from genrefusion.data.tracks import Tracks, load_table
from genrefusion.settings.data import ManifestData, table_name

FACTS = CorpusFacts(
    layout=f"a table ({NAMED_ENDINGS}) with track_id, genre and audio (relative to it), lyrics or lyrics_path"
)

_USUAL = (".csv", ".jsonl")
"""Endings of a tracks table beside which a file of another ending, such as tracks.txt, is taken for something else."""


def load(settings: ManifestData, **_: Any) -> Tracks:
    """Read the table, and require of each track what `data.needs` says."""
    path = find_table(settings)
    require_file(path, "data.manifest", "It is a tracks table; data.root=FOLDER takes the one that lies in a folder.")
    tracks = load_table(path, corpus=table_name(path), skip=settings.on_error == "skip")
    needed = {"any": (), "both": ("audio", "lyrics")}.get(settings.needs, (settings.needs,))
    for side in needed:
        tracks = require_sides(tracks, [side], settings)
    return tracks


def find_table(settings: ManifestData) -> Path:
    """Path of the tracks table: `data.manifest`, or the one in the folder `data.root`, whose name is tracks.

    A CSV or JSON Lines file goes before files of other endings.

    Raises
    ------
    UserError
        The folder has no table, or two that nothing tells apart.
    """
    if not settings.root:
        return Path(str(settings.manifest))
    root = Path(settings.root)
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder.")
    tables = tables_in(root)
    found = [path for path in tables if path.suffix.lower() in _USUAL] or tables
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(path.name for path in found)
        raise UserError(f"data.root={root}: holds {names}. Name one: data.manifest={found[0]}")
    raise UserError(
        f"data.root={root}: holds no table that is called tracks ({NAMED_ENDINGS}).\n"
        f"'corpus action=build source={root} out=DIR' makes a corpus of a folder of music; data=folder takes a folder\n"
        "of genres as it is."
    )


def tables_in(root: Path) -> list[Path]:
    """Tables in a folder whose name is tracks."""
    named = (path for path in sorted(root.iterdir()) if path.stem.lower() == "tracks" and path.is_file())
    return [path for path in named if path.suffix.lower() in ENDINGS]
