"""A Ctrl-C that is not lost, wherever it falls."""

from __future__ import annotations

import _thread
import sys


def keep_interrupts() -> None:
    """Let a Ctrl-C that falls into a finaliser or the callback of a weak reference be raised once more after it.

    Python prints what these raise, and goes on: `sys.unraisablehook`.
    """
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.interrupt_main()
        else:
            before(unraisable)

    sys.unraisablehook = hook
