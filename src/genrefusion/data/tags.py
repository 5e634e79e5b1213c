"""What a song says of itself: the tags in its file, and the lyrics in them or beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen

from genrefusion.data.lyrics import clean_lyrics

SIDECARS = (".lrc", ".txt")
"""File name endings of lyrics, the first before the others."""

_KEYS = {
    # Vorbis comments (FLAC, OGG); ID3 (MP3, WAV, AIFF); MP4
    "artist": ("artist", "TPE1", "\xa9ART"),
    "title": ("title", "TIT2", "\xa9nam"),
    "genre": ("genre", "TCON", "\xa9gen"),
    "lyrics": ("lyrics", "unsyncedlyrics", "USLT", "\xa9lyr"),
}


@dataclass(frozen=True)
class Tags:
    """Tags of a file; None where there is none.

    Attributes
    ----------
    artist, title, genre : str or None
        The first one, if there are several. ID3's numbers of genres are turned into names.
    lyrics : str or None
        As they stand there: see `genrefusion.data.lyrics.parse_lyrics`.
    """

    artist: str | None = None
    title: str | None = None
    genre: str | None = None
    lyrics: str | None = None


@dataclass(frozen=True)
class FoundLyrics:
    """Lyrics of a song, and where they are from.

    Attributes
    ----------
    text : str
        As it stands there; empty if the song has none.
    source : str
        Such as ``file words.txt``, ``sidecar song.lrc`` or ``tags``; empty if the song has none.
    problem : str
        Which file was to be read and why it cannot be; empty if all went well.
    """

    text: str = ""
    source: str = ""
    problem: str = ""


def read_tags(path: Path) -> Tags:
    """Read the tags of an audio file; a file that is no audio, or whose tags are damaged, has none.

    Parameters
    ----------
    path : Path
        ID3 (in MP3, WAV, AIFF), Vorbis comments (in FLAC, OGG) and MP4 are known.
    """
    try:
        file = mutagen.File(path)
        tags = {} if file is None or file.tags is None else dict(file.tags)
        return Tags(**{name: _first(tags, keys) for name, keys in _KEYS.items()})
    except Exception:  # of damaged files mutagen lets errors of any kind through, such as IndexError
        return Tags()


def find_lyrics(path: Path, *, given: Path | None = None) -> FoundLyrics:
    """Look for the lyrics of a song in files named for it, beside it, and in its tags; the first found are taken.

    A file that is found and cannot be read ends the search: its song has no lyrics rather than others.

    Parameters
    ----------
    path : Path
        The song.
    given : Path, optional
        A file of lyrics, or a folder with ``<song>.lrc`` or ``<song>.txt``.
    """
    if given is not None and not given.is_dir():
        return _read(given, f"file {given.name}")
    for folder, place in ((given, "file"), (path.parent, "sidecar")):
        for file in _named_for(path, folder):
            found = _read(file, f"{place} {file.name}")
            if found.text or found.problem:
                return found
    text = read_tags(path).lyrics or ""
    return FoundLyrics(text, "tags") if clean_lyrics(text) else FoundLyrics()


def _named_for(song: Path, folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return [file for ending in SIDECARS if (file := folder / f"{song.stem}{ending}").is_file()]


def _read(file: Path, source: str) -> FoundLyrics:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        return FoundLyrics(
            problem=f"{file}   lyrics are not UTF-8 (byte {error.start}: {byte}): convert them with iconv"
        )
    except OSError as error:
        return FoundLyrics(problem=f"{file}   lyrics cannot be read ({error.strerror})")
    return FoundLyrics(text, source) if clean_lyrics(text) else FoundLyrics()


def _first(tags: dict[str, Any], keys: Iterable[str]) -> str | None:
    """First value that is no blank under any of the keys; ID3 puts description and language behind that of lyrics."""
    texts = [
        str(value).strip("\0 \t\r\n")
        for key in keys
        for name, values in tags.items()
        if name.partition(":")[0].lower() == key.lower()
        for value in _values(values)
    ]
    return next(filter(None, texts), None)


def _values(values: Any) -> Iterable[Any]:
    """Values of a tag: those of ID3 are in an attribute, and genres in one of their own."""
    values = getattr(values, "genres", getattr(values, "text", values))
    return [values] if isinstance(values, str) else values
