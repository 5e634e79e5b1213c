"""Which songs this process computes, so that no two processes compute one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from genrefusion.core.files import locked


class SongLocks:
    """Locks that are held from the moment a song's arrays are computed until they are written.

    Parameters
    ----------
    path_of : callable
        File that stands for a song.
    at_most : int
        Locks that are held at once; each has an open file.
    """

    def __init__(self, path_of: Callable[[str], Path], *, at_most: int) -> None:
        self._path_of = path_of
        self._free = threading.Semaphore(at_most)
        self._ended = threading.Event()
        self._held: dict[str, contextlib.ExitStack] = {}

    @contextlib.contextmanager
    def taken(self, song: str) -> Iterator[bool]:
        """Try to take the lock of a song; it is held on when the block ends well, and whether it is ours is told."""
        with contextlib.ExitStack() as lock:
            self._free.acquire()
            lock.callback(self._free.release)
            if self._ended.is_set():
                yield False
                return
            try:
                lock.enter_context(locked(self._path_of(song), wait=False))
            except BlockingIOError:
                yield False
                return
            yield True
            self._held[song] = lock.pop_all()

    def end(self) -> None:
        """Give no more locks; who waits for one is told that there is none."""
        self._ended.set()

    def release(self, song: str) -> None:
        """Let others have a song."""
        self._held.pop(song).close()

    def release_all(self) -> None:
        """Let others have all songs."""
        for lock in list(self._held.values()):
            lock.close()
