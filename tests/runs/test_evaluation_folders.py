"""An evaluation touches nothing but what an evaluation wrote."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.corpora import load_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.runs.evaluation_folders import replacing
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.data import FolderData, ManifestData
from genrefusion.settings.trainer import TrainerSettings

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def run(demo: Tracks, tmp_path: Path) -> Path:
    """A finished run, and in the folder above a table with the songs that it was tested with."""
    run_experiment(compose_train(*TINY_DATA, "experiment=lyrics_tfidf"), tmp_path / "work" / "run", quiet=True)
    demo.table.reset_index()[["track_id", "genre", "lyrics"]].to_csv(tmp_path / "tracks.csv", index=False)
    return tmp_path / "work" / "run"


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "evaluations" not in path.relative_to(folder).parts
    }


def evaluate(run: Path, manifest: str) -> None:
    data = ManifestData(manifest=manifest)
    evaluate_run(EvaluateConfig(run=str(run), data=data, trainer=TrainerSettings()), quiet=True)


def test_a_table_that_is_named_from_below_leaves_the_run_as_it_was(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    before = content(run)
    for _ in range(2):
        evaluate(run, "../tracks.csv")
    assert content(run) == before
    assert [folder.name for folder in (run / "evaluations").iterdir()] == [run.parents[1].name]


def test_a_folder_of_genres_that_is_where_one_stands_has_its_name(write_tone, tmp_path, monkeypatch) -> None:
    for number in range(4):
        write_tone(tmp_path / "songs" / ("jazz", "rock")[number % 2] / f"{number}.wav")
    monkeypatch.chdir(tmp_path / "songs")
    tracks = load_corpus(FolderData(root="."), cache=tmp_path, workers=1, terminal=Terminal(quiet=True))
    assert tracks.corpus == "songs"


def test_notes_in_the_folder_of_an_evaluation_are_kept_and_its_old_results_are_not(run: Path) -> None:
    evaluate(run, str(run.parents[1] / "tracks.csv"))
    (folder,) = (run / "evaluations").iterdir()
    for name in ("notes.txt", "figures/mine.png", "views/old/test.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    (folder / "metrics.json").write_text("old")
    evaluate(run, str(run.parents[1] / "tracks.csv"))
    assert (folder / "notes.txt").read_text() == (folder / "figures" / "mine.png").read_text() == "mine"
    assert (folder / "metrics.json").read_text() != "old"
    assert not (folder / "views").exists(), "an evaluation had left it"
    assert [path.name for path in (run / "evaluations").iterdir()] == [folder.name], "nothing is left beside"


def test_a_result_that_does_not_become_whole_leaves_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "evaluations" / "demo"
    target.mkdir(parents=True)
    (target / "metrics.json").write_text("before")
    with contextlib.suppress(KeyboardInterrupt), replacing(target) as (folder,):
        (folder / "metrics.json").write_text("half")
        raise KeyboardInterrupt
    assert (target / "metrics.json").read_text() == "before"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("ending", ["old", "part"])
def test_what_a_killed_evaluation_left_belongs_to_the_corpus_of_its_whole_name(ending: str, tmp_path: Path) -> None:
    left = tmp_path / "evaluations" / f".a.b.{'0f' * 16}.{ending}"
    left.mkdir(parents=True)
    (left / "metrics.json").write_text("before")
    with replacing(left.parent / "a"):
        pass
    assert list(left.parent.iterdir()) == [left]
    with replacing(left.parent / "a.b"):
        assert [path.name for path in left.parent.glob("a*")] == (["a.b"] if ending == "old" else [])
    assert not left.exists()


def test_results_are_not_written_out_of_the_folder_of_evaluations(tmp_path: Path) -> None:
    home = tmp_path / "evaluations"
    home.mkdir()
    (home / "link").symlink_to(tmp_path)
    for target in (home / "..", home / ".", home / "link", tmp_path / "demo", home / "a" / ".." / ".."):
        with pytest.raises(UserError, match="not a folder of its own"), replacing(target):
            pass
    shutil.rmtree(home)
