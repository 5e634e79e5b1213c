"""Hundreds of songs on a machine that allows few open files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

OPEN_FILES = 256

pytestmark = pytest.mark.long

SONGS = ["data.songs_per_genre=60", "data.seconds=5", "features.frame_seconds=4", "pipeline.epochs=1"]


def train_with_few_files(run: Path, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`train` in a process of its own that may hold `OPEN_FILES` files open."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES}, {OPEN_FILES}))\n"
        "from genrefusion.cli import train; train()"
    )
    command = [sys.executable, "-c", code, *SONGS, *words, f"cache={cache}", f"hydra.run.dir={run}", "debug=true"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def own_cache(cache: Path) -> Path:
    return cache / "scale"


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=multiframe", "pipeline.width=4"],
        [
            *("experiment=coattention", "pipeline.width=8", "pipeline.heads=2", "pipeline.trunk.width=4"),
            *("pipeline.trunk.epochs=1", "text_encoder.model={encoder}"),
        ],
    ],
    ids=["multiframe", "coattention"],
)
def test_600_songs_are_trained_on_with_256_open_files(
    words: list[str], own_cache: Path, tmp_path: Path, tiny_encoder: Path
) -> None:
    done = train_with_few_files(tmp_path / "run", own_cache, *(word.format(encoder=tiny_encoder) for word in words))
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "run" / "trained_on.json").read_text())["trained_on"]) >= 420
    shards = list(own_cache.rglob("*.safetensors"))
    assert 600 / 32 <= len(shards) < 120, "a file for each few dozen songs of each kind"


def test_a_second_training_computes_nothing_again(own_cache: Path, tmp_path: Path) -> None:
    words = ["experiment=multiframe", "pipeline.width=4"]
    runs = [train_with_few_files(tmp_path / name, own_cache, *words) for name in ("first", "second")]
    assert [run.returncode for run in runs] == [0, 0], runs[1].stderr
    assert "mel  " not in runs[1].stdout
    predicted = [(tmp_path / name / "predictions" / "test.csv").read_text() for name in ("first", "second")]
    assert predicted[0] == predicted[1]
