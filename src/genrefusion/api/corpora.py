"""Opening corpora: by a path, a name or settings, or of tracks that were made in memory."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path

from genrefusion.core.disks import disks_in_words
from genrefusion.core.errors import UserError, unknown_name
from genrefusion.core.folders import cache_folder, places_of
from genrefusion.core.terminal import Terminal
from genrefusion.data.checks import check_audio
from genrefusion.data.corpora import load_corpus, load_usable
from genrefusion.data.manifest import tables_in
from genrefusion.data.tracks import Tracks, validate_table
from genrefusion.settings.composing import require_once
from genrefusion.settings.data import DataSettings
from genrefusion.settings.in_python import composed, composing, typed
from genrefusion.settings.registry import entries

PathLike = str | os.PathLike[str]


def open_corpus(*source: PathLike | Tracks, workers: int = 2, quiet: bool = False) -> Tracks:
    """Find a corpus and read its audio once.

    Parameters
    ----------
    *source : str, Path or Tracks
        A tracks table; a folder of one, or of a folder for each genre; a corpus by name, such as ``"demo"``; or what
        would be typed after ``corpus``, such as ``"data=gtzan", "data.root=gtzan"``. Such settings can follow a table
        or a folder too. Without any, the demo corpus. Tracks that were made in memory are checked.
    workers : int
        Threads or processes that compose the demo corpus and read songs.
    quiet : bool
        Say nothing of what is read and how far it is.

    Returns
    -------
    Tracks
        With the table of the tracks; audio files that cannot be used are refused or skipped as a training would do it.

    Raises
    ------
    UserError
        There is no such corpus, or something in it cannot be used.
    """
    terminal = Terminal(quiet=quiet)
    if source and isinstance(source[0], Tracks):
        return checked(source[0], DataSettings(), cache_folder(None), workers, terminal)
    words = [word for each in source for word in _corpus_words(each)]
    require_once(words)
    with composing():
        config = composed("corpus", [*words, *typed({"workers": workers})])
    data, cache = config.data, cache_folder(config.cache)
    with disks_in_words(places_of({"cache": config.cache})):
        if data.piece_seconds is not None:
            tracks = load_usable(data, ["audio"], cache=cache, workers=workers, terminal=terminal)
        else:
            tracks = load_corpus(data, cache=cache, workers=workers, terminal=terminal)
            tracks = check_audio(tracks, data, cache=cache, workers=workers, terminal=terminal)
    about_data = [word for word in words if word.startswith("data")]
    return replace(tracks, opened_as=tuple(about_data or ["data=demo"]))


def _corpus_words(source: object) -> list[str]:
    """What is typed for a corpus: its name, the path of a table or a folder, or a setting, which is typed as it is."""
    if not isinstance(source, str | os.PathLike):
        raise UserError(
            "open_corpus takes the path of a table or a folder, a name or settings, each an argument of its own, not "
            f'{_named(source)}. Of a DataFrame: Tracks(table.set_index("track_id"), "name").'
        )
    word = os.fspath(source)
    corpora = [entry.name for entry in entries("data")]
    if word in corpora:
        return [f"data={word}"]
    path = Path(word).expanduser().absolute()
    if not path.exists() and "=" not in word and not path.suffix:
        raise UserError(f"{path}: no such file or folder. {unknown_name('corpus', word, corpora)}")
    if "=" in word and not path.exists():
        if re.search(r"[\s,]\s*data(\.\w+)?=", word):
            raise UserError(
                f'open_corpus("{word}"): each setting is an argument of its own: "data=gtzan", "data.root=…".'
            )
        return [word]
    if path.is_dir():
        kind = "manifest" if tables_in(path) else "folder"
        return [f"data={kind}", *typed({"data.root": path})]
    return of_table(path)


def of_table(path: Path) -> list[str]:
    """What is typed for a tracks table."""
    return ["data=manifest", *typed({"data.manifest": path})]


def checked(tracks: Tracks, settings: DataSettings, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Tracks whose audio was read; those that were made in memory are held to the rules of tables first."""
    if not tracks.has("audio") or tracks.has("samples_sha256"):
        return tracks
    validate_table(tracks.table.rename_axis("track_id").reset_index(), where=tracks.corpus)
    return check_audio(tracks, settings, cache=cache, workers=workers, terminal=terminal)


def as_path(path: object, name: str) -> Path:
    """Refuse what is no path.

    Raises
    ------
    UserError
        Says what it is.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"{name} takes paths as text or Path, not {_named(path)}.")
    return Path(path)


def words_of(tracks: Tracks) -> list[str]:
    """What is typed to open these very tracks; nothing where their corpus is another on the disk, or none."""
    with contextlib.suppress(UserError):  # it is not there any more
        if tracks.opened_as and open_corpus(*tracks.opened_as, quiet=True).digest == tracks.digest:
            return list(tracks.opened_as)
    return []


def _named(thing: object) -> str:
    name = type(thing).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
