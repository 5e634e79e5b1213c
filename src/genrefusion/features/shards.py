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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from safetensors.numpy import save

from genrefusion.core.faults import why_not_writable
from genrefusion.core.files import extend_record, locked, read_record, signature, write_atomically
from genrefusion.features.shard_files import Shard, StoredArray, checksum, damaged_arrays, read_header
from genrefusion.features.song_locks import SongLocks

Array = npt.NDArray[Any]
ComputeBatch = Callable[[list[str]], Mapping[str, Mapping[str, Array]]]

SONGS_A_SHARD = 32
"""A process that is killed loses the work on this many songs, and on one batch, at most; as many locks are held."""

_SHARD_BYTES = 64 << 20
_RACE_NS = 2_000_000_000  # within this time a folder may change again without another modification time


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
        self._writes_seen = -1
        self._shards: dict[str, Shard] = {}
        self._holders: dict[str, list[str]] = {}  # shards that have an array of the name, the newest last
        self._damaged: dict[str, tuple[tuple[int, ...], frozenset[str]]] = {}  # by shard, of those that were verified
        self._unsaved: set[str] = set()

    def find(self, songs: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, StoredArray]]:
        """Arrays of the songs that have all kinds, by song and kind; what is damaged is not there."""
        with self._lock:
            self._read_verified()
            self._refresh()
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
        batches = [[song] for song in dict.fromkeys(songs)]
        return self.fill_batches(batches, kinds, lambda batch: {song: compute(song) for song in batch}, workers=workers)

    def fill_batches(
        self, batches: Iterable[Sequence[str]], kinds: Sequence[str], compute: ComputeBatch, *, workers: int = 1
    ) -> Iterator[str]:
        """Do what `fill` does for songs that are computed together, and written into the same file.

        Parameters
        ----------
        batches : iterable of sequence of str
            Songs, each in one batch.
        compute : callable
            Told the songs of a batch that have none, gives all kinds of each.
        kinds, workers
            As for `fill`.
        """
        waiting = [list(batch) for batch in batches if batch]
        if waiting and (error := why_not_writable(self._folder)) is not None:
            raise error  # before hours of work that could not be kept
        while waiting:
            busy: list[list[str]] = []
            yield from self._pass(waiting, kinds, compute, workers, busy)
            if busy:
                with locked(self._lock_of(busy[0][0])):
                    pass  # while nothing is held here, so two processes never wait for each other
            waiting = busy
        with self._lock:
            self._save_verified()

    def _pass(
        self,
        batches: list[list[str]],
        kinds: Sequence[str],
        compute: ComputeBatch,
        workers: int,
        busy: list[list[str]],
    ) -> Iterator[str]:
        """Compute all songs that no other process has, and note those that are busy."""
        locks = SongLocks(self._lock_of, at_most=SONGS_A_SHARD + workers * max(map(len, batches)))
        done: dict[str, Mapping[str, Array]] = {}

        def attempt(batch: list[str]) -> tuple[list[str], Mapping[str, Mapping[str, Array]]]:
            with contextlib.ExitStack() as held:
                mine = [song for song in batch if held.enter_context(locks.taken(song))]
                with self._lock:
                    self._refresh_if_written()  # another process may have had the lock
                    there = self._find(mine, kinds)
                missing = [song for song in mine if song not in there]
                computed = compute(missing) if missing else {}
            return batch, {song: computed.get(song, {}) for song in mine}

        run = Parallel(n_jobs=workers, prefer="threads", return_as="generator_unordered")
        try:
            for batch, computed in run(delayed(attempt)(batch) for batch in batches):
                if others := [song for song in batch if song not in computed]:
                    busy.append(others)
                done.update(computed)
                size = sum(array.nbytes for each in done.values() for array in each.values())
                if len(done) >= SONGS_A_SHARD or size >= _SHARD_BYTES:
                    self._keep(done, locks)
                yield from computed
        finally:
            # Also where one song failed: what was computed of the others is kept.
            locks.end()
            try:
                self._keep(done, locks)
            finally:
                locks.release_all()
                self._remove_locks()

    def _keep(self, done: dict[str, Mapping[str, Array]], locks: SongLocks) -> None:
        """Write the arrays of songs as one shard, and let others have these songs."""
        try:
            self._write({f"{song}.{kind}": array for song, arrays in done.items() for kind, array in arrays.items()})
        finally:
            for song in done:
                locks.release(song)
            done.clear()

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
        with contextlib.suppress(OSError), self._writes.open("ab") as file:
            file.write(b".")
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
        """Remove what killed processes have left of locks, and the folder if none is held."""
        folder = self.directory / "locks"
        with contextlib.suppress(OSError):
            for lock in list(folder.glob("*.lock")):
                with contextlib.suppress(BlockingIOError), locked(lock, wait=False):
                    pass
            folder.rmdir()

    def _find(self, songs: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, StoredArray]]:
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

    @property
    def _writes(self) -> Path:
        """A byte for each time that anybody wrote: sizes are exact where times of modification are not."""
        return self.directory / "writes"

    def _refresh_if_written(self) -> None:
        """Look for new shards, if there can be any: for each song that is computed a folder of thousands takes long."""
        try:
            count = self._writes.stat().st_size
        except FileNotFoundError:
            count = 0
        if count != self._writes_seen:
            self._refresh()
            self._writes_seen = count

    def _refresh(self) -> None:
        """Read the headers of shards that have come since the last time."""
        try:
            changed = self._folder.stat().st_mtime_ns
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            changed = 0  # no folder yet, or none for us
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
            with contextlib.suppress(FileNotFoundError):
                self._add(name)

    def _list(self) -> set[str]:
        with os.scandir(self._folder) as files:
            return {file.name for file in files if file.name.endswith(".safetensors")}

    def _add(self, name: str) -> None:
        """Read the header of a shard; one that is damaged counts as empty."""
        if name in self._shards:
            return
        path = self._folder / name
        shard = read_header(path)
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
            shard = self._shards[name] = read_header(shard.path)
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
            extend_record(self._record, new)
        self._unsaved.clear()
