"""What a song says of itself: the tags in its file, and the lyrics in them or beside it."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutagen
import soundfile
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, SYLT, TCON

from genrefusion.data.formats import MATROSKA, kind_of
from genrefusion.data.lyrics import clean_lyrics
from genrefusion.data.sidecars import Sidecars
from genrefusion.data.text_files import decode_text, read_text

_KEYS = {
    # Vorbis comments (FLAC, Ogg) and APEv2; ID3 (MP3, WAV, AIFF); MP4; ASF (WMA); chunks of WAV; of AIFF
    "artist": ("artist", "TPE1", "\xa9ART", "Author", "IART", "AUTH"),
    "title": ("title", "TIT2", "\xa9nam", "INAM", "NAME"),
    "genre": ("genre", "TCON", "\xa9gen", "WM/Genre", "IGNR"),
}
_LYRICS = re.compile(
    r"(?:uslt|sylt|\xa9lyr|wm/lyrics(?:_synchronised)?"
    r"|(?:un)?(?:sync(?:ed|hroni[sz]ed)?)?[ _-]?(?:lyrics|lyric)(?:[-_: ](?!(?:by|url)$)[a-z]{2,3})?)$",
    re.I,
)
"""Names of lyrics: ID3, MP4, ASF; in Vorbis comments, APEv2 and free fields of the others any of many."""

_FREE = ("TXXX:", "----:com.apple.iTunes:", "WM/")
_SUNG = (0, 1, 2)
"""Kinds of synchronised texts of ID3: other, lyrics, transcription; not chords, events and the like."""

_MOST_CHUNKS, _LONGEST_CHUNK = 1000, 1 << 16


@dataclass(frozen=True)
class Tags:
    """Tags of a file; None where there is none.

    Attributes
    ----------
    artist, title : str or None
        The first one, if there are several.
    genre : str or None
        All of them, with semicolons between; `genrefusion.data.genre_names.GenreMap.find` takes the first that is
        known. ID3's numbers of genres are turned into names.
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
        All that mutagen knows: ID3, APEv2, Vorbis comments, MP4, ASF; and the texts of WAV, AIFF and CAF files. Where a
        file has tags of several kinds, what one does not say is taken from the next.
    """
    return tags_said(_kinds(path))


def tags_said(kinds: Iterable[Mapping[str, Any]]) -> Tags:
    """What tags say, by the names that they have in files; what the first kind does not say is taken from the next."""
    found: dict[str, str] = {}
    for tags in kinds:
        for name in ("artist", "title", "genre", "lyrics"):
            with contextlib.suppress(Exception):  # damaged ones make errors of many kinds, such as IndexError
                if name not in found and (text := _text_of(name, tags)):
                    found[name] = text
        if len(found) == len(_KEYS) + 1:
            break
    return Tags(**found)


def find_lyrics(
    path: Path, *, given: Path | None = None, sidecars: Sidecars | None = None, tags: Tags | None = None
) -> FoundLyrics:
    """Look for the lyrics of a song in files named for it, beside it, and in its tags; the first found are taken.

    A file that is found and cannot be read ends the search: its song has no lyrics rather than others.

    Parameters
    ----------
    path : Path
        The song.
    given : Path, optional
        A file of lyrics, or a folder with ``<song>.lrc`` or ``<song>.txt``.
    sidecars : Sidecars, optional
        Keeps the names of files between songs of one folder.
    tags : Tags, optional
        Those of the song, where they were read already.
    """
    if given is not None and not given.is_dir():
        return _read(given, f"file {given.name}")
    sidecars = sidecars or Sidecars()
    for folder, place in ((given, "file"), (path.parent, "sidecar")):
        for file in sidecars.of(path, folder) if folder else ():
            found = _read(file, f"{place} {file.name}")
            if found.text or found.problem:
                return found
    text = (tags or read_tags(path)).lyrics or ""
    return FoundLyrics(text, "tags") if clean_lyrics(text) else FoundLyrics()


def _read(file: Path, source: str) -> FoundLyrics:
    try:
        text = read_text(file)
    except ValueError as error:
        return FoundLyrics(problem=f"{file}   lyrics cannot be read ({error})")
    except OSError as error:
        return FoundLyrics(problem=f"{file}   lyrics cannot be read ({error.strerror})")
    return FoundLyrics(text, source) if clean_lyrics(text) else FoundLyrics()


def _kinds(path: Path) -> Iterator[Mapping[str, Any]]:
    """Tags of each kind that a file may have."""
    for reader in (_tags_of_file, ID3, APEv2, _texts_of_sound, _texts_of_matroska):
        with contextlib.suppress(Exception):  # of files without or with damaged ones, of any kind
            yield reader(path)


def _tags_of_file(path: Path) -> Mapping[str, Any]:
    file = mutagen.File(path)
    return {} if file is None or file.tags is None else dict(file.tags)


def _texts_of_sound(path: Path) -> Mapping[str, Any]:
    """Texts in chunks of WAV and AIFF, in whatever encoding; of CAF, which libsndfile decodes."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"caff":
            with soundfile.SoundFile(path) as sound:
                return {name: getattr(sound, name) for name in ("artist", "title", "genre")}
        order = {b"RIFF": "<", b"RF64": "<", b"FORM": ">"}.get(head[:4])
        texts: dict[str, bytes] = {}
        for _ in range(_MOST_CHUNKS if order else 0):
            begin = file.read(8)
            if len(begin) < 8:
                break
            name, size = struct.unpack(f"{order}4sI", begin)
            if name == b"LIST":
                file.seek(4, 1)  # to the chunks within
            elif name in _TEXT_CHUNKS and size < _LONGEST_CHUNK:
                texts[name.decode()] = file.read(size).split(b"\0")[0]
                file.seek(size % 2, 1)
            else:
                file.seek(size + size % 2, 1)
    _, encoding = decode_text(b"\n".join(texts.values()))  # of all together: a single name says less
    return {name: text.decode(encoding, "replace") for name, text in texts.items()}


def _texts_of_matroska(path: Path) -> Mapping[str, Any]:
    """Tags of .mka and .webm, where FFmpeg is installed."""
    with path.open("rb") as file:
        if kind_of(file.read(16)) is not MATROSKA:
            return {}
        import av  # an extra

        file.seek(0)
        # As what it is, never as a list of other files or addresses: so says `genrefusion.data.ffmpeg`.
        with av.open(file, format=MATROSKA.container) as container:
            return {**container.metadata, **container.streams.audio[0].metadata}


_TEXT_CHUNKS = (b"IART", b"INAM", b"IGNR", b"AUTH", b"NAME")


def _text_of(name: str, tags: Mapping[str, Any]) -> str | None:
    """Of lyrics the first that have a word, of genres all, of others the first."""
    values = _lyrics(tags) if name == "lyrics" else _named(tags, _KEYS[name])
    texts = list(filter(None, (text.strip("\0 \t\r\n") for text in values)))
    if name == "genre":
        return "; ".join(dict.fromkeys(genre for text in texts for genre in _genres(text))) or None
    if name == "lyrics":
        texts = [text for text in texts if clean_lyrics(text)] or texts
    return texts[0] if texts else None


def _genres(text: str) -> Iterable[str]:
    """Names in a tag, in which ID3's numbers may stand, "(17)", whatever the kind of the tag."""
    return [name for name in TCON(text=[text]).genres if name.strip() and name != "Unknown"] or [text]


def _named(tags: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    """Values of all tags that are named by one of the keys."""
    names = [name for key in keys for name in tags if name.lower() == key.lower()]
    return (text for name in names for text in _values(tags[name]))


def _lyrics(tags: Mapping[str, Any]) -> Iterator[str]:
    """Values of all tags whose name says lyrics, those without times before the others."""
    names = []
    for name in tags:
        # ID3 puts description and language behind the name.
        bare = next((name.removeprefix(free) for free in _FREE if name.startswith(free)), name)
        if _LYRICS.match(name.partition(":")[0]) or _LYRICS.match(bare):
            names.append(name)
    for name in sorted(names, key=lambda name: "sy" in name.lower().replace("unsync", "")):
        yield from _values(tags[name])


def _values(value: Any) -> Iterable[str]:
    """Texts of a tag: one, a list of them, or an object of ID3 with one or a list in it."""
    if isinstance(value, SYLT):
        return ["".join(_lines_of(value))] if value.type in _SUNG else []
    value = getattr(value, "text", value)
    values = [value] if isinstance(value, str) else value
    texts = (decode_text(one)[0] if isinstance(one, bytes) else str(one) for one in values)
    return [text for several in texts for text in several.split("\0")]


def _lines_of(frame: SYLT) -> Iterator[str]:
    """Pieces of synchronised lyrics: lines, or syllables of which the first of a line begins with a line's end."""
    syllables = any("\n" in text for text, _ in frame.text)
    for text, _ in frame.text:
        yield text if syllables else f"{text}\n"
