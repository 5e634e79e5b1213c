"""Corpora that were made in memory: their tables lie in the folders of their runs, which can be evaluated again."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.core.folders import KEPT_CORPUS
from genrefusion.data.tracks import Tracks
from genrefusion.settings.fields import found_near
from genrefusion.settings.registry import read_settings

_COMPUTED = ("lyrics_path", "samples_sha256", "song_sha256", "features_sha256")
"""Columns of loaded tracks that loading them again gives, or that lyrics in the table make needless."""


def kept_name(tracks: Tracks) -> str:
    """Name of the corpus as a file can have it."""
    return re.sub(r"[/\x00]", "_", tracks.corpus) or "corpus"


@contextlib.contextmanager
def corpus_kept(tracks: Tracks, directory: Path) -> Iterator[Path]:
    """Write the table of tracks into the folder of a run; it goes again if the block breaks off before the run begins.

    Yields
    ------
    Path
        The table, whose name is that of the corpus.

    Raises
    ------
    UserError
        The tracks are pieces of songs, or the folder holds a run that was begun on others.
    """
    if tracks.piece_seconds is not None:
        raise UserError(
            "Some pieces of songs cannot be trained on: give the songs, opened without data.piece_seconds, and "
            f'settings={{"data.piece_seconds": {tracks.piece_seconds:g}}}.'
        )
    path = directory / KEPT_CORPUS / f"{kept_name(tracks)}.csv"
    content = _table(tracks).to_csv(index=False).encode()
    if path.is_file() and path.read_bytes() != content:
        raise UserError(f"{directory}: was begun on other tracks.")
    write_atomically(path, content)
    try:
        yield path
    except BaseException:
        if not (directory / "run.json").exists():
            path.unlink()
            path.parent.rmdir()
        raise


def _table(tracks: Tracks) -> Any:
    table = tracks.table.drop(columns=[name for name in _COMPUTED if name in tracks.table])
    if "audio" in table:  # paths hold where the program runs, and not in the folder of the run
        table = table.assign(audio=[_absolute(path) for path in table["audio"]])
    if tracks.synthetic:
        table = table.assign(synthetic=True)
    return table.rename_axis("track_id").reset_index()


def _absolute(path: Any) -> Any:
    return str(Path(path).expanduser().absolute()) if isinstance(path, str) and path else path


def corpus_of(record: Mapping[str, Any], directory: Path) -> Any:
    """Settings of the corpus that a run was trained on, by its record; a table that the run keeps is found where it is.

    Raises
    ------
    UserError
        The record does not fit this version.
    """
    saved = {"schema": record["data_schema"], **record["config"]["data"]}
    settings = found_near(read_settings(saved), directory)
    named = Path(record["config"]["data"].get("manifest") or "")
    kept = directory / KEPT_CORPUS / named.name
    # An ensemble has the corpus of its members, wherever that is.
    return replace(settings, manifest=str(kept)) if named.parent.name == KEPT_CORPUS and kept.is_file() else settings
