"""What the operating system says of a disk, by whatever library it is told, and whether a folder can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FAULTS = FULL | {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV, errno.ESTALE),
}
"""What is wrong with a disk or the right to use it, and not with the program."""

_LONGEST_FIRST = sorted(_FAULTS, key=lambda number: len(os.strerror(number)), reverse=True)
"""``No such device`` is a part of ``No such device or address``."""

_OF_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
    "unable to open database file": errno.EACCES,
    "disk I/O error": errno.EIO,
}


def fault_of(error: BaseException) -> int | None:
    """Number of the operating system's error that an error of any library tells of, if a disk is to blame for it."""
    if isinstance(error, OSError):
        return error.errno if error.errno in _FAULTS else None
    text = str(error)
    if isinstance(error, sqlite3.Error):
        return next((number for words, number in _OF_SQLITE.items() if words in text), None)
    if told := re.search(r"\(os error (\d+)\)", text):  # as Rust writes it
        return int(told[1]) if int(told[1]) in _FAULTS else None
    if type(error).__module__ == "builtins" and not isinstance(error, RuntimeError):
        return None
    return next((number for number in _LONGEST_FIRST if os.strerror(number) in text), None)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of a disk name the file that is written in the block, and be `OSError`, whatever library wrote it."""
    try:
        yield
    except Exception as error:
        number = fault_of(error)
        name = getattr(error, "filename", None)
        if number is None or (name is not None and Path(os.fsdecode(name)).parent != path.parent):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def why_not_writable(folder: Path) -> OSError | None:
    """Write a small file into a folder, or where it would be made, and remove it; gives the error if that fails."""
    folder = nearest_folder(folder)
    trial = folder / f".{uuid.uuid4().hex}.part"
    try:
        try:
            with naming(folder):
                trial.write_bytes(bytes(4096))
        finally:
            trial.unlink(missing_ok=True)
    except OSError as error:
        return error
    return None


def nearest_folder(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there, as far as one may look."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
