"""Folders that cannot be written, or are full: what is wrong, and the setting that names another folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genrefusion.core.errors import UserError
from genrefusion.core.faults import FULL, fault_of, nearest_folder, why_not_writable

_ROOM = 1 << 20
_NO_TEMPORARY = "No usable temporary directory"


@dataclass(frozen=True)
class Place:
    """A folder that a command writes to.

    Attributes
    ----------
    folder : Path
        Where it is.
    what : str
        What is kept there.
    cure : str
        How another one is named.
    """

    folder: Path
    what: str
    cure: str


@contextlib.contextmanager
def disks_in_words(places: Sequence[Place], *, run: Path | None = None) -> Iterator[None]:
    """Raise what a disk is to blame for as a mistake that names the folder and the setting.

    Parameters
    ----------
    places : sequence of Place
        Folders that are written to.
    run : Path, optional
        Folder of a run, which can be resumed once it is begun.

    Raises
    ------
    UserError
        Says which disk, what is wrong with it, and how to take another.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        mistake = disk_mistake(error, places)
        if mistake is None:
            raise
        if run is not None and (run / "run.json").is_file():
            mistake = UserError(f"{mistake} What is done is kept: resume=true goes on with it.")
        raise mistake from error


def disk_mistake(error: BaseException, places: Sequence[Place]) -> UserError | None:
    """The mistake that is behind an error, or behind what that came from; None where no disk is to blame."""
    if any(isinstance(each, UserError) for each in _chain(error, suppressed=True)):
        return None  # it is in words already; OmegaConf suppresses what a resolver raised
    for each in _chain(error):
        if _NO_TEMPORARY in str(each):
            return UserError("No folder for temporary files can be written: TMPDIR=FOLDER in the environment.")
        name = getattr(each, "filename", None)
        path = None if name is None else os.fsdecode(name)
        number = fault_of(each)
        if isinstance(each, FileNotFoundError) and path and any(_is_above(path, place.folder) for place in places):
            number = each.errno  # a folder that cannot be made
        if number is not None:
            return _in_words(number, path, places)
    return None


def _chain(error: BaseException | None, *, suppressed: bool = False) -> Iterator[BaseException]:
    """An error, and what each came from; what one was raised ``from None`` of only with `suppressed`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        hidden = error.__suppress_context__ and not suppressed
        error = error.__cause__ or (None if hidden else error.__context__)


def require_writable(place: Place) -> None:
    """Refuse to begin work whose results could not be kept.

    Raises
    ------
    UserError
        The folder cannot be made or written, or is full.
    """
    if (error := why_not_writable(place.folder)) is not None:
        raise _in_words(error.errno or 0, str(place.folder), [place]) from error


def _in_words(number: int, path: str | None, places: Sequence[Place]) -> UserError:
    reason = os.strerror(errno.ENOTDIR if number == errno.EEXIST else number)  # a file where a folder has to be
    room = "Make room there, or take" if number in FULL else "Take"
    if path is None:
        concerned = [place for place in places if _is_full(place.folder)] if number in FULL else []
        found = "; or ".join(f"{place.what} {place.folder}: {place.cure}" for place in concerned or places)
        return UserError(f"{reason}. {room} another folder for {found}." if places else f"{reason}.")
    place = _place_of(path, places)
    if place is None:
        return UserError(f"{path}: {reason}.")
    where = "" if _normal(path) == _normal(place.folder) else f" ({path})"
    return UserError(f"{place.what} {_normal(place.folder)}: {reason}{where}. {room} another folder: {place.cure}.")


def _place_of(path: str, places: Sequence[Place]) -> Place | None:
    """The innermost of the places in which a file lies, or that lie below it and had to be made."""
    found = {_common(path, place.folder): place for place in reversed(places)}
    return found[max(found)] if max(found, default=0) else None


def _common(path: str, folder: Path) -> int:
    """Number of the parts that two paths have in common, of which one lies in the other; 0 where none does."""
    for one, other in ((_normal(path), _normal(folder)), (Path(path).resolve(), folder.resolve())):
        if one.is_relative_to(other) or other.is_relative_to(one):
            return min(len(one.parts), len(other.parts))
    return 0


def _is_above(path: str, folder: Path) -> bool:
    return _normal(folder).is_relative_to(_normal(path))


def _normal(path: str | Path) -> Path:
    return Path(os.path.normpath(Path(path).absolute()))


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(nearest_folder(folder)).free < _ROOM
    except OSError:
        return False
