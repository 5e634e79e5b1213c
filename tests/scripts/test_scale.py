"""The benchmark of what grows with a corpus runs, counts, and says what is kept of its promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY


@pytest.mark.long
def test_each_step_is_measured_in_a_process_of_its_own_and_judged(tmp_path: Path) -> None:
    words = ["scale", "--tracks", "400", "800", "--steps", "start", "splits", "--json", str(tmp_path / "scale.json")]
    command = [sys.executable, str(REPOSITORY / "scripts" / "benchmark.py"), *words]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "1024 open files" in done.stdout
    record = json.loads((tmp_path / "scale.json").read_text())
    assert set(record["rows"]) == {"start", "splits"}
    for row in record["rows"].values():
        assert list(row) == ["400", "800"]
        assert all(found.keys() == {"seconds", "cpu_seconds", "peak_mib"} for found in row.values())
        assert all(50 < found["peak_mib"] < 2000 for found in row.values())
    assert len(record["verdict"]) == 4
    assert "\n".join(record["verdict"]) in done.stdout
