"""A Ctrl-C is not lost where Python drops errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import gc, os, signal, time, weakref
from genrefusion.core.interrupts import keep_interrupts

class Thing:
    def __del__(self):
        {finaliser}

def callback(_):
    {callback}

keep_interrupts()
thing = Thing()
reference = weakref.ref(thing, callback)
try:
    del thing
    time.sleep(5)
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("place", ["finaliser", "callback"])
def test_a_ctrl_c_where_python_drops_errors_is_raised_after_it(place: str) -> None:
    places = {"finaliser": "pass", "callback": "pass", place: "os.kill(os.getpid(), signal.SIGINT)"}
    answer = subprocess.run([sys.executable, "-c", _PROGRAM.format(**places)], capture_output=True, text=True)
    assert answer.stdout == "interrupted\n"
    assert answer.stderr == ""


def test_other_errors_there_are_told_as_ever() -> None:
    program = _PROGRAM.format(finaliser="raise ValueError('told')", callback="pass").replace("sleep(5)", "sleep(0)")
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout == "went on\n"
    assert "ValueError: told" in answer.stderr
