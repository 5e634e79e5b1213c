"""Other packages add pipelines and corpora: they are installed, chosen and trained like the built-in ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from genrefusion.cli import train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.settings import registry
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.composing import register
from genrefusion.settings.trainer import TrainerSettings

CORPUS = REPOSITORY / "tests" / "fixtures" / "d8fd36f" / "corpus"

PLUGIN = {
    "toy/__init__.py": "",
    "toy/settings.py": """
from dataclasses import dataclass
from genrefusion.settings.data import DataSettings
from genrefusion.settings.fields import setting
from genrefusion.settings.pipelines import LyricsSettings
from genrefusion.settings.registry import register, registered

@registered("pipeline", "toy", "toy.code:Toy")
@dataclass
class ToySettings(LyricsSettings):
    name: str = "toy"
    dolls: int = setting(3, low=1, high=7, help="how many sit there")

@dataclass
class ToyData(DataSettings):
    name: str = "toys"

register("data", "toys", ToyData, "toy.code:load")
""",
    "toy/code.py": f"""
from pathlib import Path
from genrefusion.data.tracks import load_table
from genrefusion.pipelines.lyrics import LyricsPipeline

class Toy(LyricsPipeline):
    name = "toy"

def load(settings, *, cache, workers, terminal):
    terminal.say("toys", "out of the box")
    return load_table(Path({str(CORPUS / "tracks.csv")!r}), corpus="toys")
""",
    "toy/configs/pipeline/toy.yaml": "defaults: [schema/toy@_here_]\nencoder: ${text_encoder}\n",
    "toy/configs/data/toys.yaml": "defaults: [schema/toys@_here_]\n",
    "toy/configs/experiment/toy.yaml": (
        "# @package _global_\n"
        "defaults: [override /features: none, override /text_encoder: tfidf, override /pipeline: toy]\n"
        "pipeline: {dolls: 5}\n"
    ),
}


def install(folder: Path, files: dict[str, str], module: str) -> None:
    """Lay out a package as pip does, with metadata that name a plug-in."""
    name = module.partition(".")[0]
    files = files | {
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}-of-mine\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[genrefusion.plugins]\n{name} = {module}\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def call(site: Path, command: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = f"from genrefusion.cli import {command}; {command}()"
    python_path = os.pathsep.join([str(site), str(REPOSITORY / "src")])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": python_path},
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(folder, PLUGIN, "toy.settings")
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in in this process, and what is registered forgotten at the end."""
    monkeypatch.syspath_prepend(site)
    for name in ("_entries", "_folders", "_broken"):
        monkeypatch.setattr(registry, name, getattr(registry, name).copy())
    registry._load.cache_clear()
    register()


def test_a_plugin_is_trained_and_its_run_opened_again(
    installed: None, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment=toy", "data=toys", "split=predefined", "hydra.run.dir=run"]
    monkeypatch.setattr(sys, "argv", ["train", *words])
    train()
    assert "out of the box" in capsys.readouterr().out
    assert json.loads(Path("run/run.json").read_text())["config"]["pipeline"]["dolls"] == 5
    assert json.loads(Path("run/model/pipeline.json").read_text())["pipeline"]["schema"] == "ToySettings"
    figures = evaluate_run(EvaluateConfig(run="run", trainer=TrainerSettings()), quiet=True)
    assert figures["test"]["accuracy"] == json.loads(Path("run/metrics.json").read_text())["test"]["accuracy"]


def test_settings_of_a_plugin_are_checked_and_shown_as_all_are(site: Path, tmp_path: Path) -> None:
    refused = call(site, "train", "experiment=toy", "pipeline.dolls=8", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "pipeline.dolls=8 is out of range: from 1 to 7.\n"
    assert call(site, "train", "experiment=tay", cwd=tmp_path).stderr.startswith(
        "No experiment 'tay'. Did you mean 'toy'?"
    )
    shown = call(site, "train", "experiment=toy", "--help", cwd=tmp_path).stdout
    assert "pipeline.dolls              5           1 to 7; how many sit there" in shown


NAME_IS_TAKEN = """
from genrefusion.settings.features import MelFeatures as Mel
from genrefusion.settings.registry import register
register("features", "mel", type("Mine", (Mel,), {}))
"""


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ("train", "import not_installed", "ModuleNotFoundError: No module named 'not_installed'"),
        ("predict", "1 / 0", "ZeroDivisionError: division by zero"),
        ("corpus", NAME_IS_TAKEN, "UserError: features=mel is registered already, by genrefusion.settings.features"),
    ],
)
def test_a_broken_plugin_is_named_in_one_sentence(command: str, code: str, why: str, tmp_path: Path) -> None:
    install(tmp_path / "site", {"broken.py": code}, "broken")
    answer = call(tmp_path / "site", command, "workers=1", cwd=tmp_path)  # a bare one is a question
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"The plug-in 'broken' cannot be imported ({why}")
    assert answer.stderr.endswith("). Mend it, or remove it: pip uninstall broken-of-mine\n")
    assert len(answer.stderr.splitlines()) == 1
