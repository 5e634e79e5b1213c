from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys

import pytest

from conftest import REPOSITORY, shared

SCRIPT = str(REPOSITORY / "scripts" / "ready.py")


def test_the_figure_without_training_can_be_made_again() -> None:
    folder = shared("gtzan_meta")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", [SCRIPT, "score", str(folder)])
        runpy.run_path(SCRIPT, run_name="__main__")
    first, ready, plain, difference, caution = printed.getvalue().splitlines()
    assert first.startswith("514 clips of blues, country, hiphop, jazz, metal, pop, rock; nothing is trained")
    assert "draw artists" in first
    assert re.search(r" (0\.\d+) ", plain)[1] == "0.749"
    assert re.search(r" (0\.\d+) ", ready)[1] == "0.763"
    assert "difference" in difference
    assert "some of which may be among these" in caution
