"""A torchaudio that does not import is told in a sentence where it is needed, and stands in nothing else's way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TINY

BROKEN = "raise OSError('libtorch_cuda.so: cannot open shared object file')\n"


def train(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "site").mkdir()
    (folder / "site" / "torchaudio.py").write_text(BROKEN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "site"), *sys.path])}
    code = "from genrefusion.cli import train; train()"
    command = [sys.executable, "-c", code, *TINY, "experiment=multiframe", "pipeline.epochs=1", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_network_trains_without_torchaudio(tmp_path: Path) -> None:
    done = train(tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("report.html"))


@pytest.mark.slow
def test_masks_without_torchaudio_are_a_sentence(tmp_path: Path) -> None:
    done = train(tmp_path, "pipeline.specaugment=true")
    assert done.returncode == 2
    first, cure = done.stderr.splitlines()
    assert first == (
        "The masks of pipeline.specaugment come with torchaudio, which does not import here "
        "(libtorch_cuda.so: cannot open shared object file)."
    )
    assert "pip install" in cure
