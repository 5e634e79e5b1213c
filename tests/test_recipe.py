"""The recipe in src/README.md, followed word for word: what it writes is trained, tabled, and keeps the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import REPOSITORY

BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the recipe, and what pip notes of a package that it installs."""
    folder = tmp_path_factory.mktemp("toy")
    for name, text in BLOCK.findall((REPOSITORY / "src" / "README.md").read_text(encoding="utf-8")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    noted = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups]
    (noted / "entry_points.txt").write_text("".join(lines))
    return folder


def call(toy: Path, *words: str) -> str:
    path = os.pathsep.join([str(toy), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")])
    command = (
        [sys.executable, "-m", "genrefusion.cli", *words] if words[0] != "pytest" else [sys.executable, "-m", *words]
    )
    done = subprocess.run(
        command, cwd=toy, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_corpus_says_what_is_known_of_it(toy: Path) -> None:
    printed = call(toy, "corpus", "action=describe", "data=tones", "data.songs=6")
    assert "tones (synthetic): 12 tracks, 2 genres" in printed
    assert "CC0-1.0" in printed


def test_the_pipeline_is_trained_on_the_corpus_and_the_row_finds_the_run(toy: Path) -> None:
    call(toy, "train", "experiment=centroid", "data=tones")
    printed = call(toy, "reproduce", "table=toy", "data=tones", "rows=[centroid]")
    assert "found" in printed
    assert re.search(r"Nearest mean +1\.00", printed)


def test_the_audio_encoder_serves_a_pipeline_and_its_predictions(toy: Path) -> None:
    call(toy, "train", "experiment=multiframe", "features=loudness", "data=tones", "pipeline.epochs=30")
    (run,) = (toy / "outputs" / "multiframe" / "tones").iterdir()
    songs = Path(os.environ["GENREFUSION_CACHE"]) / "corpora" / "tones"
    answers = json.loads(call(toy, "predict", f"run={run}", f"audio={songs}", "format=json"))
    assert [answer["genre"] for answer in answers] == [Path(answer["audio"]).parent.name for answer in answers]
    assert [(frame["begin"], frame["end"]) for frame in answers[0]["frames"]] == [(0, 1), (1, 2), (2, 3)]


def test_the_pipeline_keeps_the_contract(toy: Path) -> None:
    rest = ["-n", "0", "-c", str(REPOSITORY / "pyproject.toml"), "-k", "not not_trained and not ensemble"]
    printed = call(toy, "pytest", "-p", "conftest", "test_toy.py", *rest)
    assert re.match(r"[.s]{10,} +\[100%\]", printed)
