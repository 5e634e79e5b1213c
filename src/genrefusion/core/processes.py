"""Several processes that train together, as a launcher says it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

from genrefusion.core.errors import UserError

LAUNCHER_GRACE = 30
"""Seconds in which the launcher ends this process, if what went wrong here has ended the main process too."""


def process_count() -> int:
    """How many processes train together, as `accelerate launch` or `torchrun` says it."""
    return _from_launcher("WORLD_SIZE", 1, low=1, high=100_000)


def process_number() -> int:
    """Which of them this one is; 0 is the main process, which alone prints and writes."""
    return _from_launcher("RANK", 0, low=0, high=process_count() - 1)


def end_with_parent() -> None:
    """End this process soon after the one that started it as a worker, even if that is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None and parent.pid not in _watched:
        _watched.add(parent.pid)
        threading.Thread(target=_watch, args=(parent.pid,), daemon=True).start()


_watched: set[int] = set()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _from_launcher(variable: str, default: int, *, low: int, high: int) -> int:
    """Read a number that a launcher of several processes sets.

    Raises
    ------
    UserError
        It is none, or says that this process would have nothing to do.
    """
    said = os.environ.get(variable, str(default))
    if said.strip().isdecimal() and low <= int(said) <= high:
        return int(said)
    raise UserError(
        f"The environment variable {variable} is {said!r}, not a whole number from {low} to {high}. "
        f"Launchers such as torchrun set it; for one process: unset RANK WORLD_SIZE"
    )
