"""A folder with one folder of songs for each genre."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.data.audio import EXTENSIONS
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.tracks import Tracks, validate_table
from genrefusion.settings.data import FolderData

FACTS = CorpusFacts(layout=f"<root>/<genre>/…/<song>, with files that end in {', '.join(EXTENSIONS)}")


def load(settings: FolderData, **_: Any) -> Tracks:
    """Find the songs in the folders of genres."""
    return load_folder(Path(str(settings.root)))


def load_folder(root: Path) -> Tracks:
    """Take a folder of genres: ``<root>/<genre>/…/<song>``; the track id is the path below the root without its ending.

    Raises
    ------
    UserError
        The folder does not exist or holds no songs.
    """
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder.")
    songs = sorted(p for p in root.glob("*/**/*") if p.suffix.lower() in EXTENSIONS)
    if not songs:
        raise UserError(
            f"data.root={root}: no songs. It needs one folder for each genre, with files that end in "
            f"{', '.join(EXTENSIONS)}."
        )
    relative = [song.relative_to(root) for song in songs]
    stems = [str(path.with_suffix("")) for path in relative]
    counts = Counter(stems)
    # Two encodings of one song lie side by side now and then; their endings tell them apart.
    ids = [str(path) if counts[stem] > 1 else stem for path, stem in zip(relative, stems, strict=True)]
    table = pd.DataFrame(
        {
            "track_id": ids,
            "genre": [path.parts[0] for path in relative],
            "audio": [str(song.absolute()) for song in songs],
        },
        dtype=object,
    )
    return Tracks(validate_table(table, where=str(root)).set_index("track_id"), folder_name(root))


def folder_name(folder: Path) -> str:
    """Name of a folder, also where it was written as ``..``; links keep the names that they were given."""
    folder = folder.absolute()
    if ".." in folder.parts:
        folder = folder.resolve()
    return folder.name or "corpus"  # the root has none
