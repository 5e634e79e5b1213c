"""Commands that are killed and started again end as if they had not been killed, and leave neither files nor processes.

``scripts/benchmark.py kill`` does this at many random moments with every command; here are three that are always done.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from benchmarks import kill

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("name", "share", "whole"), [("build", 0.6, True), ("extraction", 0.7, False)])
def test_what_was_killed_ends_as_if_it_was_not(name: str, share: float, whole: bool, tmp_path: Path) -> None:
    prepared = kill.prepare(tmp_path, [name])
    _, problems = kill.kill_once(prepared, name, share * prepared.seconds[name], whole_group=whole)
    assert problems == []


def test_runs_at_once_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    kill._write_songs(tmp_path / "songs")
    words = ["-m", "seed=0,1", "launcher=joblib", "parallel=2", *kill._NETWORK, *kill._DATA]
    words = kill._filled([*words, "pipeline.epochs=500"], tmp_path, tmp_path)
    process = kill._begin("train", words, tmp_path, tmp_path / "cache")
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("outputs/*/*/*/[01]/run.json"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    try:
        assert kill._ends(process.pid)
    finally:
        for left in kill._of_session(process.pid):
            os.kill(left, signal.SIGKILL)
