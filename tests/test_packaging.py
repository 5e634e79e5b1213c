"""The wheel holds all that a run needs."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
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
        assert {"genrefusion/prediction.schema.json", "genrefusion/pipelines/ready_reference.json"} <= set(
            file.namelist()
        )
        file.extractall(tmp_path / "site")
    code = (
        "import genrefusion.cli as c, genrefusion.settings.composing as g, pathlib; "
        f"assert g.configs_directory() == pathlib.Path({str(tmp_path)!r}) / 'site/genrefusion/configs'; "
        "c.train()"
    )
    own = tmp_path / "my_configs" / "experiment" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package _global_\npipeline: {width: 2, epochs: 1}\nfeatures: {frame_seconds: 3}\n")
    tiny = ["--config-dir", "my_configs", "experiment=mine", "data.songs_per_genre=8", "data.seconds=9"]
    answer = subprocess.run(
        [sys.executable, "-c", code, *tiny],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert list((tmp_path / "outputs").rglob("confusion.png"))
    assert list((tmp_path / "outputs" / "mine").rglob("report.html"))


def test_version_is_the_same_everywhere() -> None:
    import genrefusion

    assert f"version: {genrefusion.__version__}" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"### {genrefusion.__version__}" in (REPOSITORY / "src" / "README.md").read_text()


def test_what_is_imported_is_asked_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(line for extra in ("sweep", "joblib", "submitit", "ffmpeg", "mlflow", "wandb") for line in optional[extra]),
    ]
    names = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in asked}
    trackers = {"mlflow": ["mlflow-skinny"], "wandb": ["wandb"]}  # where these extras are not installed
    distributions = trackers | dict(importlib.metadata.packages_distributions())
    strangers = {
        f"{path.relative_to(REPOSITORY)}: {module}"
        for path in (REPOSITORY / "src").rglob("*.py")
        for module in imported(path)
        - set(sys.stdlib_module_names)
        - {"genrefusion", "hydra_plugins", "IPython"}  # a notebook has it
        if not names & {name.lower().replace("_", "-") for name in distributions.get(module, [])}
    }
    assert strangers == set()


def imported(path: Path) -> set[str]:
    """First names of all modules that a file imports anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in whole | parts}
