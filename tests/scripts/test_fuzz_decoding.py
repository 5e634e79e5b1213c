from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import REPOSITORY


@pytest.mark.slow
def test_damaged_files_of_every_format_are_decoded_or_refused() -> None:
    """Each in less than five seconds, without a crash, and with no sample beyond what is allowed: exit code 0."""
    pytest.importorskip("av")
    command = [sys.executable, str(REPOSITORY / "scripts" / "fuzz_decoding.py"), "--files", "48", "--workers", "1"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1].split()[:2] == ["all", "48"]
