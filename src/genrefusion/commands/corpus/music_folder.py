"""Songs in a folder of music, and what tags, names and folders say of them.

What a song is, is read from its tags; where they say nothing, from its name and folders, which may be laid out as

- ``<genre>/<artist> - <title>.mp3`` or ``<genre>/<artist>/…/<title>.mp3``,
- ``<genre>/<song>.mp3``, where the artist stays unknown,
- ``<artist>/<album>/<title>.mp3``, where the genre comes from the tags.

The first folder is the genre if its name means one (with ``genres=none``: if the tags have no other), and the artist
otherwise. A track number before a title ("01 - ", "01. ") is left out. Which files are songs, says
`genrefusion.data.song_files`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from genrefusion.commands.corpus.data_sheet import Report
from genrefusion.data import song_files
from genrefusion.data.genre_names import GenreMap
from genrefusion.data.names import plain
from genrefusion.data.sidecars import Sidecars
from genrefusion.data.song_files import path_below
from genrefusion.data.tags import find_lyrics, read_tags

_NUMBER = re.compile(r"^\d{1,3}(?:\.\s+|\s+-\s+|_)")


@dataclass(frozen=True)
class SourceSong:
    """One file of the source.

    Attributes
    ----------
    file : Path
        Where it is.
    name : str
        Its path below the source.
    genre : str or None
        What it is called in the corpus; None if neither tag nor folder means a genre.
    said : str
        The name of a genre in the tag, or else the first folder's; empty if there is neither.
    artist, title : str or None
    guessed : bool
        The artist is neither from a tag nor from a folder of the artist but from the name of the file.
    lyrics : str
        As they stand in the sidecar or tag; empty if there are none.
    sha256 : str
        Digest of the file; empty until it is checked.
    """

    file: Path
    name: str
    genre: str | None
    said: str
    artist: str | None
    title: str | None
    lyrics: str
    guessed: bool = False
    sha256: str = ""


def find_songs(source: Path, report: Report) -> list[Path]:
    """Audio files below a folder, sorted; what looks like audio and cannot be taken is reported."""
    found = song_files.find_songs(source)
    for left_out in found.left_out:
        report.leave_out(path_below(source, left_out.path), left_out.reason, left_out.detail)
    songs = []
    for path in found.songs:
        if problem := _name_problem(path):
            report.leave_out(ascii(path_below(source, path)), "that cannot be named in a table", problem)
        else:
            songs.append(path)
    return sorted(songs, key=lambda path: path.relative_to(source).as_posix())


def read_song(file: Path, source: Path, genres: GenreMap, sidecars: Sidecars, report: Report) -> SourceSong:
    """Read the tags and lyrics of a song, and what its name and folders say where tags are missing."""
    tags = read_tags(file)
    relative = file.relative_to(source)
    folders = relative.parts[:-1]
    tagged, tag = genres.find(_line(tags.genre)), _line(tags.genre)
    folder = _line(folders[0]) if folders else None
    meant = genres.find_one(folder)
    is_genre = meant is not None and (
        genres.named or not tagged or plain(tagged) == plain(str(folder)) or len(folders) < 2
    )
    genre = tagged or (meant if is_genre else None)
    if tagged and is_genre and meant != tagged and genres.named:
        report.disagreeing.append(f"{relative}  {folder} by its folder, {tag} by its tag")
    artist, title = _named(relative, artist_folder=1 if is_genre else 0)
    lyrics = find_lyrics(file, sidecars=sidecars, tags=tags)
    if lyrics.problem:
        report.notes.append(f"{lyrics.problem}; the song is taken without lyrics")
    return SourceSong(
        file=file,
        name=relative.as_posix(),
        genre=genre,
        said=tag or folder or "",
        artist=_line(tags.artist) or artist,
        title=_line(tags.title) or title,
        lyrics=lyrics.text,
        guessed=bool(artist) and not _line(tags.artist) and len(folders) <= is_genre,
    )


def _named(relative: Path, *, artist_folder: int) -> tuple[str | None, str | None]:
    """Artist and title as name and folders tell them."""
    folders, stem = relative.parts[:-1], _line(_NUMBER.sub("", relative.stem)) or _line(relative.stem)
    before, dash, after = (part.strip() for part in (stem or "").partition(" - "))
    named = bool(before and dash and after)
    if len(folders) <= artist_folder:
        return (before, after) if named else (None, stem)
    artist = _line(folders[artist_folder])
    return artist, after if named and plain(before) == plain(str(artist)) else stem


def _line(text: str | None) -> str | None:
    """Text on one line, in one encoding, without control characters; None if nothing is left."""
    if text is None:
        return None
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", text))
    return " ".join(shown.split()) or None


def _name_problem(path: Path) -> str:
    """Why a table could not name a file; empty if it can."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8: rename it"
    if "\r" in str(path):
        return "its name holds a carriage return: rename it"
    return "its name is nothing but spaces: rename it" if not path.stem.strip() else ""
