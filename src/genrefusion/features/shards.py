"""Arrays on disk, many to a file, read where they are asked for.

A file (a shard, in the format of safetensors) holds the arrays of a few dozen songs and is written once, whole or not
at all. What a store holds is in the headers of its shards; a checksum of each array is in them too, and which shards
were found right is remembered by size, modification time and inode. An open shard is a memory map without a file
descriptor, and a few of them are open at a time, so neither limit of a machine is near, however many songs there are.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genrefusion.files import extend_record, locked, read_record, signature, write_atomically

Array = npt.NDArray[Any]

SONGS_A_SHARD = 32
"""A process that is killed loses the work on this many songs at most; as many locks are held at once."""

_SHARD_BYTES = 64 << 20
_OPEN_SHARDS = 24
_RACE_NS = 2_000_000_000  # within this time a folder may change again without another modification time


class StoredArray:
    """An array in a shard: its shape is known, its values are read from the disk where they are asked for."""

    __slots__ = ("dtype", "name", "path", "shape", "stamp")

    def __init__(self, path: Path, stamp: tuple[int, ...], name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.path = path
        self.stamp = stamp
        self.name = name
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(_opened(self.path, self.stamp).get_tensor(self.name), dtype=dtype)

    def __getitem__(self, index: Any) -> Array:
        """What numpy would give; of slices and numbers only what they name is read."""
        parts = index if isinstance(index, tuple) else (index,)
        numbered = [isinstance(part, int | np.integer) for part in parts]
        if len(parts) > self.ndim or not all(n or isinstance(p, slice) for n, p in zip(numbered, parts, strict=True)):
            return np.asarray(np.asarray(self)[index])
        spans = [_span(part, size) for part, size in zip(parts, self.shape, strict=False)]
        if any(step != 1 or stop <= start for start, stop, step in spans):
            return np.asarray(np.asarray(self)[index])
        whole = _opened(self.path, self.stamp).get_slice(self.name)
        block = whole[tuple(slice(start, stop) for start, stop, _ in spans)]
        return np.asarray(block[tuple(0 if number else slice(None) for number in numbered)])


def _span(part: Any, size: int) -> tuple[int, int, int]:
    if isinstance(part, slice):
        return part.indices(size)
    number = int(part) + size * (part < 0)
    if not 0 <= number < size:
        raise IndexError(f"index {part} is out of bounds for an axis of size {size}")
    return number, number + 1, 1


@dataclass
class _Shard:
    """What the header of a file tells: the arrays in it, and the checksum of each."""

    path: Path
    stamp: tuple[int, ...]
    arrays: dict[str, StoredArray]
    checksums: dict[str, str]


class ShardStore:
    """Arrays by name in one folder, shared by threads and processes.

    A name is that of a song (a digest), a point, and the kind of the array.

    Parameters
    ----------
    directory : Path
        Made at the first write.
    about : mapping
        Written beside the shards, for people who wonder what they are.
    """

    def __init__(self, directory: Path, about: Mapping[str, Any]) -> None:
        self.directory = directory
        self.about = about
        self._lock = threading.RLock()
        self._listed: int | None = None
        self._shards: dict[str, _Shard] = {}
        self._holders: dict[str, list[str]] = {}  # shards that have an array of the name, the newest last
        self._damaged: dict[str, tuple[tuple[int, ...], frozenset[str]]] = {}  # by shard, of those that were verified
        self._unsaved: set[str] = set()

    def find(self, songs: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, StoredArray]]:
        """Arrays of the songs that have all kinds, by song and kind; what is damaged is not there."""
        with self._lock:
            self._read_verified()
            found = self._find(songs, kinds)
            self._save_verified()
            return found

    def fill(
        self,
        songs: Iterable[str],
        kinds: Sequence[str],
        compute: Callable[[str], Mapping[str, Array]],
        *,
        workers: int = 1,
    ) -> Iterator[str]:
        """Compute the arrays of songs that have none; a song that another process is computing is waited for.

        Parameters
        ----------
        songs : iterable of str
            What to compute.
        kinds : sequence of str
            Arrays of each.
        compute : callable
            Gives all kinds of a song.
        workers : int
            Threads that compute.

        Yields
        ------
        str
            Each song that is done.
        """
        waiting = list(dict.fromkeys(songs))
        while waiting:
            busy: list[str] = []
            yield from self._pass(waiting, kinds, compute, workers, busy)
            if busy:
                with locked(self._lock_of(busy[0])):
                    pass  # while nothing is held here, so two processes never wait for each other
            waiting = busy
        with self._lock:
            self._save_verified()

    def _pass(
        self,
        songs: list[str],
        kinds: Sequence[str],
        compute: Callable[[str], Mapping[str, Array]],
        workers: int,
        busy: list[str],
    ) -> Iterator[str]:
        """Compute all songs that no other process has, and note those that are busy."""
        held: dict[str, contextlib.ExitStack] = {}
        free = threading.Semaphore(SONGS_A_SHARD + workers)  # locks that may be held, each by an open file
        ended = threading.Event()
        done: dict[str, Mapping[str, Array]] = {}

        def attempt(song: str) -> tuple[str, Mapping[str, Array] | None]:
            with contextlib.ExitStack() as lock:
                free.acquire()
                lock.callback(free.release)
                if ended.is_set():
                    return song, None
                try:
                    lock.enter_context(locked(self._lock_of(song), wait=False))
                except BlockingIOError:
                    return song, None
                with self._lock:
                    there = self._find([song], kinds)  # another process may have had the lock
                arrays = {} if there else compute(song)
                held[song] = lock.pop_all()
                return song, arrays

        def write() -> None:
            try:
                self._write({f"{s}.{kind}": array for s, arrays in done.items() for kind, array in arrays.items()})
            finally:
                for song in done:
                    held.pop(song).close()
                done.clear()

        run = Parallel(n_jobs=workers, prefer="threads", return_as="generator_unordered")
        try:
            for song, arrays in run(delayed(attempt)(song) for song in songs):
                if arrays is None:
                    busy.append(song)
                    continue
                done[song] = arrays
                size = sum(array.nbytes for each in done.values() for array in each.values())
                if len(done) >= SONGS_A_SHARD or size >= _SHARD_BYTES:
                    write()
                yield song
        finally:
            # Also where one song failed: what was computed of the others is kept.
            ended.set()
            try:
                write()
            finally:
                for lock in list(held.values()):
                    lock.close()
                self._remove_locks()

    def _write(self, arrays: Mapping[str, Array]) -> None:
        if not arrays:
            return
        kept = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
        if any(array.dtype.hasobject for array in kept.values()):
            raise ValueError("an array of objects cannot be kept")
        content = save(kept, metadata={name: checksum(array) for name, array in kept.items()})
        about = self.directory / "about.json"
        if not about.exists():
            write_atomically(about, json.dumps(self.about, indent=2, default=str).encode())
        name = f"{uuid.uuid4().hex}.safetensors"
        write_atomically(self._folder / name, content)
        with self._lock:
            self._add(name)
            self._damaged[name] = (self._shards[name].stamp, frozenset())
            self._unsaved.add(name)

    @property
    def _folder(self) -> Path:
        return self.directory / "shards"

    def _lock_of(self, song: str) -> Path:
        return self.directory / "locks" / f"{song}.lock"

    def _remove_locks(self) -> None:
        with contextlib.suppress(OSError):
            (self.directory / "locks").rmdir()  # if it is empty

    def _find(self, songs: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, StoredArray]]:
        self._refresh()
        whole: dict[str, frozenset[str]] = {}
        found = {}
        for song in dict.fromkeys(songs):
            arrays = {kind: self._array(f"{song}.{kind}", whole) for kind in kinds}
            if all(array is not None for array in arrays.values()):
                found[song] = {kind: array for kind, array in arrays.items() if array is not None}
        return found

    def _array(self, name: str, whole: dict[str, frozenset[str]]) -> StoredArray | None:
        for shard in reversed(self._holders.get(name, ())):
            if shard not in whole:
                whole[shard] = self._verified(shard)
            if name in whole[shard]:
                return self._shards[shard].arrays[name]
        return None

    def _refresh(self) -> None:
        """Read the headers of shards that have come since the last time."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0  # no folder yet
        if changed == self._listed:
            return
        names = self._list() if changed else set()
        self._listed = changed if time.time_ns() - changed > _RACE_NS else None
        if names == self._shards.keys():
            return
        if gone := self._shards.keys() - names:
            self._shards = {name: shard for name, shard in self._shards.items() if name not in gone}
            self._holders = {
                array: left
                for array, holders in self._holders.items()
                if (left := [name for name in holders if name not in gone])
            }
        new = []
        for name in names - self._shards.keys():
            with contextlib.suppress(FileNotFoundError):
                new.append(((self._folder / name).stat().st_mtime_ns, name))
        for _, name in sorted(new):
            self._add(name)

    def _list(self) -> set[str]:
        with os.scandir(self._folder) as files:  # for each song that is computed: a folder of thousands takes a moment
            return {file.name for file in files if file.name.endswith(".safetensors")}

    def _add(self, name: str) -> None:
        """Read the header of a shard; one that is damaged counts as empty."""
        if name in self._shards:
            return
        path = self._folder / name
        shard = _read_header(path)
        self._shards[name] = shard
        for array in shard.arrays:
            self._holders.setdefault(array, []).append(name)

    def _verified(self, name: str) -> frozenset[str]:
        """Arrays of a shard that are as they were written: their checksums are computed where it is new or changed."""
        shard = self._shards[name]
        try:
            stamp = signature(shard.path)
        except FileNotFoundError:
            return frozenset()
        if stamp != shard.stamp:
            shard = self._shards[name] = _read_header(shard.path)
        if self._damaged.get(name, (None,))[0] != stamp:
            self._damaged[name] = (stamp, damaged_arrays(shard))
            self._unsaved.add(name)
        return frozenset(shard.arrays.keys() - self._damaged[name][1])

    @property
    def _record(self) -> Path:
        return self.directory / "verified.json"

    def _read_verified(self) -> None:
        if self._damaged:
            return
        for name, facts in read_record(self._record).items():
            with contextlib.suppress(TypeError, ValueError):
                *stamp, damaged = facts
                self._damaged[name] = (tuple(stamp), frozenset(damaged))

    def _save_verified(self) -> None:
        new = {name: [*self._damaged[name][0], sorted(self._damaged[name][1])] for name in self._unsaved}
        if new:
            with contextlib.suppress(OSError):  # a cache that may only be read is as good
                extend_record(self._record, new)
        self._unsaved.clear()


def checksum(array: Array) -> str:
    """CRC-32 of an array's type, shape and values."""
    start = zlib.crc32(f"{array.dtype.str} {array.shape}".encode())
    return f"{zlib.crc32(np.ascontiguousarray(array).data, start):08x}" if array.size else f"{start:08x}"


def damaged_arrays(shard: _Shard) -> frozenset[str]:
    """Names of a shard's arrays that are not as they were written."""
    if not shard.arrays:
        return frozenset()
    file = _open(shard.path)
    return frozenset(name for name in shard.arrays if checksum(file.get_tensor(name)) != shard.checksums.get(name))


def _read_header(path: Path) -> _Shard:
    stamp = signature(path)
    try:
        file = _open(path)
        arrays = {}
        for name in file.keys():  # noqa: SIM118 (no mapping)
            view = file.get_slice(name)
            arrays[name] = StoredArray(path, stamp, name, tuple(view.get_shape()), _DTYPES[view.get_dtype()])
        return _Shard(path, stamp, arrays, file.metadata() or {})
    except (SafetensorError, KeyError):
        return _Shard(path, stamp, {}, {})


_DTYPES = dict(
    zip(
        ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "C64"),
        ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"),
        strict=True,
    )
)


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "numpy")
    except FileNotFoundError:
        path.open("rb").close()  # says so too, or else what is really wrong: too many open files, no permission
        raise


_open_shards: OrderedDict[tuple[Path, tuple[int, ...]], Any] = OrderedDict()
_open_lock = threading.Lock()


def _opened(path: Path, stamp: tuple[int, ...]) -> Any:
    """An open shard: the last ones stay open."""
    with _open_lock:
        file = _open_shards.pop((path, stamp), None) or _open(path)
        _open_shards[path, stamp] = file
        while len(_open_shards) > _OPEN_SHARDS:
            _open_shards.popitem(last=False)
        return file


def _begin_anew() -> None:
    """In a forked process another thread may have held the lock."""
    global _open_lock
    _open_lock = threading.Lock()
    _open_shards.clear()


os.register_at_fork(after_in_child=_begin_anew)
