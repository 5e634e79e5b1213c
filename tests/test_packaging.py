"""The wheel holds all that a run needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from conftest import REPOSITORY


@pytest.mark.long
def test_an_unpacked_wheel_trains_from_any_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path)]
    subprocess.run([*build, str(REPOSITORY)], check=True, capture_output=True)
    wheel = next(tmp_path.glob("genrefusion-*.whl"))
    with zipfile.ZipFile(wheel) as file:
        assert "genrefusion/prediction.schema.json" in file.namelist()
        file.extractall(tmp_path / "site")
    code = (
        "import genrefusion.cli as c, genrefusion.settings.composing as g, pathlib; "
        f"assert g.configs_directory() == pathlib.Path({str(tmp_path)!r}) / 'site/genrefusion/configs'; "
        "c.train()"
    )
    tiny = ["data.songs_per_genre=8", "data.seconds=9", "features.frame_seconds=3", "pipeline.width=2"]
    answer = subprocess.run(
        [sys.executable, "-c", code, *tiny, "pipeline.epochs=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert list((tmp_path / "outputs").rglob("confusion.png"))
    assert list((tmp_path / "outputs").rglob("report.html"))


def test_version_is_the_same_everywhere() -> None:
    import genrefusion

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == genrefusion.__version__
    assert f"version: {genrefusion.__version__}" in (REPOSITORY / "CITATION.cff").read_text()
