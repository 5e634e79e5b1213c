"""Writing and reading of small files so that a killed process leaves no half of one, and locks that go with it."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it takes the place of `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not a file of `tempfile`: those are closed to other users, who may share the cache.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other threads and processes out of a block; the lock of a process that is killed is gone with it.

    Parameters
    ----------
    path : Path
        Stands for what is locked; the file is there as long as the lock is held.
    wait : bool
        For the lock to be free.

    Raises
    ------
    BlockingIOError
        It is not free, without `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = _open_lock(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BaseException:
            os.close(descriptor)
            raise
        if _is_at(descriptor, path):
            break
        os.close(descriptor)  # whoever had it has removed the file
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def alone_in(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes from doing the same in a folder.

    Raises
    ------
    UserError
        Another process is there; `what` says what it does.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(directory / ".lock", wait=False))
        except BlockingIOError:
            raise UserError(
                f"{directory}: another process {what} there. Wait for it, or take another folder."
            ) from None
        yield


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _open_lock(path: Path) -> int:
    """Open for writing, without which there are no locks on NFS, unless it is another user's file."""
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)  # whoever had the last lock there has removed the folder


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write an object for people and programs to read."""
    write_atomically(path, json.dumps(content, indent=2, default=str).encode())


def require_file(path: Path, setting: str = "", hint: str = "") -> None:
    """Refuse a path at which there is no file, and name one beside it that may be meant.

    Parameters
    ----------
    path : Path
    setting : str
        That has the path, as it is typed.
    hint : str
        A sentence that says what file it should be.

    Raises
    ------
    UserError
        There is none, or a folder.
    """
    try:
        if path.is_file():
            return
        fault = "a folder, where a file is needed." if path.is_dir() else f"no such file.{_near(path)}"
    except (OSError, ValueError):  # a text that can be no path
        fault = "no such file."
    raise UserError(f"{f'{setting}={path}' if setting else path}: {fault}{f' {hint}' if hint else ''}")


def _near(path: Path) -> str:
    """Where a file is not there: one in its folder whose name is nearly the same, or the folder that is missing too."""
    missing = [folder for folder in path.parents if not folder.exists()]
    if missing:
        return f" There is no folder {missing[-1]}." if len(path.parts) > 1 else ""
    names = [each.name for each in path.parent.iterdir() if each.is_file()]
    same = [name for name in names if Path(name).stem.casefold() == path.stem.casefold()]
    similar = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f" Did you mean {path.with_name(found)}?" if (found := next(iter(sorted(same) + similar), "")) else ""


def signature(path: Path) -> tuple[int, ...]:
    """Size, modification time in nanoseconds and inode: a file that is changed has another one."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object of things that can be found out again; empty if there is none, or if it is damaged."""
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def extend_record(path: Path, new: Mapping[str, Any]) -> None:
    """Add to a record what is not lost to, or from, other processes that do the same."""
    with locked(path.with_suffix(".lock")):
        write_atomically(path, json.dumps(read_record(path) | dict(new)).encode())
