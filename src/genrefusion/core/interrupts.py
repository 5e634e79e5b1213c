"""A Ctrl-C that is not lost, wherever it falls, and the end that `kill`, `timeout` or a scheduler asks for as one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_SOON = 0.05
"""Seconds after which a lost Ctrl-C comes again; at once would be within what has lost it."""


def keep_interrupts() -> None:
    """Let a Ctrl-C that falls into a finaliser or the callback of a weak reference come once more after it.

    Python prints what these raise, and goes on: `sys.unraisablehook`.
    """
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            again = threading.Timer(_SOON, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            before(unraisable)

    sys.unraisablehook = hook


def interrupt_on_sigterm() -> None:
    """Let SIGTERM, which would end this process at once, be as a Ctrl-C."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def interrupted_code() -> int:
    """Exit code of a process that was interrupted: 128 and the number of the signal, as shells have it."""
    return 128 + _asked[-1]


_asked: list[int] = [signal.SIGINT]


def _terminate(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise KeyboardInterrupt
