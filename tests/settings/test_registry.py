"""A choice of a group is registered once, where its settings stand."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.corpora import load_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.settings import registry
from genrefusion.settings.data import DataSettings
from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import entries, read_settings, register


@dataclass
class BoxOfRecords(DataSettings):
    """A corpus that this package does not know."""

    name: str = "records"
    genres: int = setting(2, low=2, high=9)


def find_records(settings: BoxOfRecords, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    names = [f"genre {number}" for number in range(settings.genres) for _ in range(2)]
    table = pd.DataFrame({"track_id": [f"record {n}" for n in range(len(names))], "genre": names, "lyrics": "la"})
    return Tracks(table.set_index("track_id"), "records")


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget at the end what a test registers."""
    entries()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_what_is_registered_is_checked_loaded_and_read_from_saved_runs() -> None:
    register("data", "records", BoxOfRecords, f"{__name__}:find_records")
    settings = read_settings({"schema": "BoxOfRecords", "genres": 3})
    assert settings == BoxOfRecords(genres=3)
    tracks = load_corpus(settings, cache=Path(), workers=1, terminal=Terminal(quiet=True))
    assert tracks.genres == ["genre 0", "genre 1", "genre 2"]
    with pytest.raises(UserError, match=r"^data\.genres=1 is out of range"):
        BoxOfRecords(genres=1)


def test_a_name_that_is_taken_is_refused_and_registering_again_is_not() -> None:
    register("data", "records", BoxOfRecords)
    register("data", "records", BoxOfRecords)
    with pytest.raises(UserError, match=r"data=demo is registered already, by genrefusion\.settings\.data"):
        register("data", "demo", BoxOfRecords)
    with pytest.raises(UserError, match=r"A class MelFeatures is registered already"):
        register("features", "mine", dataclass(type("MelFeatures", (Settings,), {})))
    with pytest.raises(UserError, match=r"^dict: not a dataclass that is derived from"):
        register("features", "mine", dict)


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry.target], ids=lambda entry: entry.target)
def test_what_works_with_settings_is_where_they_say(entry: registry.Entry) -> None:
    assert callable(registry.behind(object.__new__(entry.schema)))


def test_pipelines_and_corpora_are_all_registered_with_what_works_with_them() -> None:
    assert [entry.name for entry in entries() if entry.group in ("data", "pipeline") and not entry.target] == []


def test_knowing_all_settings_imports_nothing_heavy() -> None:
    heavy = ("torch", "sklearn", "xgboost", "transformers", "librosa", "pandas", "matplotlib", "numpy")
    code = f"import sys, genrefusion.settings.registry as r; assert r.entries(); print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
