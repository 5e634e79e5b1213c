"""A run that was broken off is found again by its settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from conftest import compose_train
from genrefusion.commands.train import _with_same_settings
from genrefusion.settings.fields import as_saved


def begun(folder: Path, *words: str) -> Path:
    """Folder of a run that was begun with these words."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"config": as_saved(compose_train(*words))}, default=str))
    return folder


def test_of_several_runs_the_one_with_the_same_settings_goes_on_wherever_its_paths_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    words = ["experiment=multiframe", "data=folder", "data.root=songs"]
    other, same = begun(tmp_path / "2", *words, "pipeline.width=3"), begun(tmp_path / "1", *words)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    asked = compose_train(*words[:2], "data.root=../songs", "resume=true", "workers=1")
    assert _with_same_settings(asked, [other, same]) == same
    shutil.rmtree(same)
    assert _with_same_settings(asked, [other]) is None
