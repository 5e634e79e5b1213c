"""A Ctrl-C that is not lost, wherever it falls."""

from __future__ import annotations

import os
import signal
import sys
import threading

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
