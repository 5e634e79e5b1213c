"""Paths as they are told: from the root, and by the name of a folder."""

from __future__ import annotations

from pathlib import Path


def absolute(path: Path) -> Path:
    """Path from the root; links keep their names, unless ``..`` behind one leads elsewhere than the text says."""
    return path.resolve() if ".." in path.parts else path.absolute()


def folder_name(folder: Path) -> str:
    """Name of a folder, also where it was written as ``..``; links keep the names that they were given."""
    return absolute(folder).name or "corpus"  # the root has none
