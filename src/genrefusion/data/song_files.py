"""Which files of a folder are songs, and which look like songs and are left out."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.terminal import shown
from genrefusion.data.formats import ENDINGS, EXTENSIONS, OTHER_AUDIO, unreadable_ending

UNUSABLE = "that cannot be used"
"""The reason that is told in the detail alone."""

_NAMED = 3
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "#recycle")
_AUDIO = frozenset(EXTENSIONS + OTHER_AUDIO)


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that gives no song.

    Attributes
    ----------
    path : Path
        Where it is.
    reason : str
        Why, as "3 files …" goes on.
    detail : str
        What is to be said of this one.
    lost : bool
        Whether a song may be missing for it.
    """

    path: Path
    reason: str
    detail: str = ""
    lost: bool = True

    @property
    def problem(self) -> str:
        """Reason and detail; a detail that is the whole reason, alone."""
        if self.reason == UNUSABLE:
            return self.detail
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


@dataclass
class FoundSongs:
    """Songs, sorted, and what was left out."""

    songs: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def lost(self) -> dict[Path, str]:
        """Why a song may be missing, by file or folder."""
        return {one.path: one.problem for one in self.left_out if one.lost}

    @property
    def harmless(self) -> dict[Path, str]:
        """Why something was passed over that was found in another place."""
        return {one.path: one.problem for one in self.left_out if not one.lost}

    def take(self, path: Path) -> None:
        """Sort a file in by its ending; what is no audio by its ending is passed over."""
        ending = path.suffix.lower()
        if ending not in _AUDIO:
            return
        if reason := unreadable_ending(ending):
            self.left_out.append(LeftOut(path, reason))
        else:
            self.songs.append(path)


def find_songs(root: Path) -> FoundSongs:
    """Find the songs in a folder and all below it.

    What is a song is told by the endings of names, in any case. Names that begin with a dot, as those of macOS's
    companions of files (``._song.mp3``), and ``__MACOSX`` are none. Links are followed; of a folder to which several
    ways lead, the one without links counts, or else the first, and the others are left out.

    Parameters
    ----------
    root : Path
        A folder.
    """
    found = FoundSongs()
    read: dict[tuple[int, int], Path] = {}
    behind_links = deque([root])
    while behind_links:
        folders = [behind_links.popleft()]
        while folders:
            folder = folders.pop()
            try:
                if (first := read.setdefault(_identity(folder), folder)) is not folder:
                    found.left_out.append(_again(folder, first, root))
                    continue
                with os.scandir(folder) as entries:
                    names = sorted((entry for entry in entries if not is_hidden(entry.name)), key=lambda e: e.name)
            except OSError as error:
                found.left_out.append(LeftOut(folder, "in folders that cannot be read", str(error.strerror)))
                continue
            for entry in names:
                _sort(entry, found, behind_links if entry.is_symlink() else folders)
    found.songs.sort()
    found.left_out.sort(key=lambda one: (one.path, one.reason))
    return found


def songs_at(where: str) -> FoundSongs:
    """List the audio files that a path, a folder (with all below it) or a pattern means.

    A single file is taken whatever it is called.

    Raises
    ------
    UserError
        There are none.
    """
    path = Path(where).expanduser()
    try:
        if path.exists() and not path.is_dir():
            return FoundSongs([path])
        if path.is_dir():
            found = find_songs(path)
        else:
            anchor = Path(path.anchor)
            found = _all_of(sorted(anchor.glob(str(path.relative_to(anchor)))), named=frozenset(path.parts))
    except (OSError, ValueError) as error:
        raise UserError(f"audio={shown(where)}: {getattr(error, 'strerror', None) or error}.") from error
    if not found.songs:
        left_out = grouped({str(path): reason for path, reason in found.lost.items()})
        raise UserError(
            f"audio={shown(where)}: no song there (files that end in {ENDINGS})."
            + (f"\nLeft out:\n{bullet_list(left_out)}" if left_out else "")
        )
    return found


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name belongs to a system or a program."""
    return name.startswith(".") or name in _OF_SYSTEMS


def track_ids(names: Sequence[str]) -> list[str]:
    """Ids of songs: their paths below a folder without the endings, which stay where two would be called the same.

    So they do in two encodings of one song, side by side, and where a name without its ending is another's id.

    Parameters
    ----------
    names : sequence of str
        Paths below the folder, each once.

    Examples
    --------
    >>> track_ids(["rock/1.mp3", "rock/2.mp3", "rock/2.wav", "rock/2.mp3.flac"])
    ['rock/1', 'rock/2.mp3', 'rock/2.wav', 'rock/2.mp3.flac']
    """
    stems = {name: str(PurePath(name).with_suffix("")) for name in names}
    counts = Counter(stems.values())
    whole: set[str] = set()
    for name in sorted(names, key=len):  # an id that a name meets without its ending is shorter than the name
        if counts[stems[name]] > 1 or stems[name] in whole:
            whole.add(name)
    return [name if name in whole else stems[name] for name in names]


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """Say what was left out: many files of one reason on one line, with the names of the first.

    Examples
    --------
    >>> grouped({"a": "empty", "b": "silent"})
    ['a   empty', 'b   silent']
    >>> grouped({name: "silent" for name in "abcde"})
    ['a, b, c, … (5 in all)   silent']
    """
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    rows = []
    for reason, members in names.items():
        if len(members) > _NAMED:
            rows.append(f"{', '.join(members[:_NAMED])}, … ({len(members)} in all)   {reason}")
        else:
            rows += [f"{name}   {reason}" for name in members]
    return rows


def below(root: Path, reasons: Mapping[Path, str]) -> dict[str, str]:
    """Reasons by the paths below a folder."""
    return {path_below(root, path): reason for path, reason in reasons.items()}


def path_below(root: Path, path: Path) -> str:
    """Path below a folder; of the folder itself the whole."""
    return str(path.relative_to(root)) if path != root else str(root)


def _all_of(matches: list[Path], *, named: frozenset[str]) -> FoundSongs:
    """Songs that a pattern means, each once, and those in its folders; hidden ones where the pattern names them."""
    found = FoundSongs()
    for path in matches:
        if any(map(is_hidden, set(path.parts) - named)):
            continue
        if path.is_dir():
            inside = find_songs(path)
            found.songs += inside.songs
            found.left_out += inside.left_out
        else:
            found.take(path)
    return FoundSongs(sorted(set(found.songs)), list(dict.fromkeys(found.left_out)))


def _sort(entry: os.DirEntry[str], found: FoundSongs, folders: list[Path] | deque[Path]) -> None:
    """Take a file, or note a folder to be read."""
    path = Path(entry.path)
    named_so = path.suffix.lower() in EXTENSIONS
    try:
        if entry.is_dir():
            folders.append(path)
            if named_so:
                found.left_out.append(LeftOut(path, UNUSABLE, "a folder, not a file"))
        elif entry.is_file():
            found.take(path)
        elif not path.exists():
            found.left_out.append(LeftOut(path, "behind links that lead nowhere"))
        elif named_so:
            found.left_out.append(LeftOut(path, UNUSABLE, "a pipe or a device, not a file"))
    except OSError as error:  # a link to itself
        found.left_out.append(LeftOut(path, "that cannot be opened", str(error.strerror)))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _again(folder: Path, first: Path, root: Path) -> LeftOut:
    name = "the whole folder" if first == root else str(first.relative_to(root))
    if folder.is_relative_to(first):
        return LeftOut(folder, "behind links in a circle", f"to {name}, in which it lies", lost=False)
    return LeftOut(folder, "in folders that are read already", f"as {name}", lost=False)
