"""Files of lyrics that are named for a song."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path

SIDECARS = (".lrc", ".txt")
"""File name endings of lyrics, the first before the others."""


class Sidecars:
    """Finds the files of lyrics in folders, each of which is listed once: for as long as a command runs."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[tuple[str, str], list[str]]] = {}

    def of(self, song: Path, folder: Path) -> list[Path]:
        """Files in a folder that have the song's name but for the ending, an exact one before others.

        Letters' case and Unicode's form do not count: they are changed by players, archives and file systems.
        """
        if folder not in self._folders:
            self._folders[folder] = _listed(folder)
        found = []
        for ending in SIDECARS:
            names = self._folders[folder].get((_folded(song.stem), ending), [])
            names = sorted(names, key=lambda name: (Path(name).stem != song.stem, name))
            found += [file for name in names if (file := folder / name).is_file()]
        return found


def _listed(folder: Path) -> dict[tuple[str, str], list[str]]:
    """Names of files of lyrics, by their folded name and ending."""
    names = defaultdict(list)
    try:
        for name in os.listdir(folder):  # noqa: PTH208 (names alone: a folder may hold 100,000)
            stem, ending = os.path.splitext(name)  # noqa: PTH122
            if ending.lower() in SIDECARS:
                names[_folded(stem), ending.lower()].append(name)
    except OSError:
        return {}
    return dict(names)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
