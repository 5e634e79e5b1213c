"""Writing and reading of small files so that a killed process leaves no half of one, and locks that go with it."""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import glob
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.core.faults import naming

_ABANDONED = 86_400
"""Age in seconds at which an unfinished file is taken for a killed process's, on a disk without locks."""

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF, errno.EINVAL})
"""What disks without locks answer: Lustre without ``-o flock``, NFS without its lock service."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it takes the place of `path` when the block ends well.

    It is locked as long as it is written, so that what killed processes have begun can be told from what is alive, and
    removed by the next one that writes to the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    # Not a file of `tempfile`: those are closed to other users, who may share the cache. Without the name of the file,
    # which may be as long as a name can be.
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    with naming(path):
        try:
            descriptor, _ = _lock(temporary, wait=True)
            try:
                yield temporary
                temporary.replace(path)
            finally:
                os.close(descriptor)
        finally:
            temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the files that killed processes had begun to write in a folder; once in a process."""
    if folder in _cleared:
        return
    _cleared.add(folder)
    for begun in folder.glob(".*.part"):
        _remove_if_abandoned(begun)


_cleared: set[Path] = set()


def _remove_if_abandoned(begun: Path) -> None:
    """Remove a file that nobody holds the lock of."""
    with contextlib.suppress(OSError), begun.open("rb+") as file:  # someone has removed it, or it is another user's
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            old = time.time() - begun.stat().st_mtime > _ABANDONED
            if error.errno not in _NO_LOCKS or not old:
                return
        begun.unlink()


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Keep other threads and processes out of a block; the lock of a process that is killed is gone with it.

    Parameters
    ----------
    path : Path
        Stands for what is locked; the file is there as long as the lock is held.
    wait : bool
        For the lock to be free.

    Yields
    ------
    bool
        Whether others are kept out: a disk without locks is used without, and the error output says so.

    Raises
    ------
    BlockingIOError
        It is not free, without `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, held = _lock(path, wait=wait)
    try:
        yield held
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def alone_in(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes from doing the same in a folder, and remove what killed ones had begun to write there.

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
        for begun in directory.rglob(".*.part"):
            _remove_if_abandoned(begun)
        yield


@contextlib.contextmanager
def scratch_beside(directory: Path) -> Iterator[Path]:
    """Give a hidden folder on the same disk, to be renamed when it is whole; it is removed whatever happens.

    What killed processes have left of it is removed too. Of several processes one goes after the other.
    """
    with locked(directory.with_name(f".{directory.name}.lock")) as alone:
        for begun in hidden_beside(directory, "part"):
            if begun.is_dir() and (alone or time.time() - begun.stat().st_mtime > _ABANDONED):
                shutil.rmtree(begun, ignore_errors=True)
        scratch = hidden_name(directory)
        try:
            scratch.mkdir()
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def hidden_name(directory: Path) -> Path:
    """New name beside a folder, for what is to take its place: that of the folder, 32 hexadecimal digits, ``part``."""
    return directory.with_name(f".{directory.name}.{uuid.uuid4().hex}.part")


def hidden_beside(directory: Path, ending: str) -> list[Path]:
    """What has a name of `hidden_name` with this ending: of ``a``, and not of ``a.b``, whose names begin alike."""
    return list(directory.parent.glob(f"{glob.escape(f'.{directory.name}.')}{'[0-9a-f]' * 32}.{ending}"))


def _lock(path: Path, *, wait: bool) -> tuple[int, bool]:
    """Descriptor of the file, and whether it is locked."""
    while True:
        descriptor = _open_lock(path)
        try:
            held = _try_lock(descriptor, path, wait=wait)
            if _is_at(descriptor, path):
                return descriptor, held
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had it has removed the file


def _try_lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _say_without_locks(descriptor, path, error)
        return False
    return True


def _say_without_locks(descriptor: int, path: Path, error: OSError) -> None:
    """Say once for each disk that nothing is locked there."""
    disk = os.fstat(descriptor).st_dev
    if disk not in _said_without_locks:
        _said_without_locks.add(disk)
        note(f"{path.parent}: no locks on this disk ({error.strerror}). Let one process at a time write there.")


_said_without_locks: set[int] = set()


def has_record_locks(folder: Path) -> bool:
    """Whether a disk has the locks of `fcntl`, which databases use; where it has none, the error output says so."""
    trial = folder / f".{uuid.uuid4().hex}.part"
    with trial.open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _say_without_locks(file.fileno(), trial, error)
            return False
        finally:
            trial.unlink(missing_ok=True)
    return True


def note(line: str) -> None:
    """Say something on the error output, beside an answer that another program may read."""
    from genrefusion.core.terminal import shown

    print(f"note     {shown(line)}", file=sys.stderr)  # noqa: T201


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
            if not path.exists():
                raise
            with contextlib.suppress(FileNotFoundError):  # whoever had it has removed the file
                return os.open(path, os.O_RDONLY)
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
    """Read a JSON object of things that can be found out again; empty if there is none that can be read."""
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def extend_record(path: Path, new: Mapping[str, Any]) -> None:
    """Add to a record what is not lost to, or from, other processes that do the same.

    Where it cannot be written, what was found out is found out again the next time; the error output says so.
    """
    try:
        with locked(path.with_suffix(".lock")):
            write_atomically(path, json.dumps(read_record(path) | dict(new)).encode())
    except OSError as error:
        say_not_kept(path.parent, error)


def say_not_kept(folder: Path, error: OSError) -> None:
    """Say once of each folder that cannot be written that what is found out is not kept there for the next time."""
    if folder not in _said_not_kept:
        _said_not_kept.add(folder)
        note(f"{folder}: {error.strerror}. What is computed is not kept for the next time (cache=FOLDER would).")


_said_not_kept: set[Path] = set()
