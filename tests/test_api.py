from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import genrefusion
from conftest import TINY_DATA, compose_train
from genrefusion import find_runs, load_pipeline, open_corpus, open_run
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import genre_columns
from genrefusion.runs.training import run_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def output(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs and one that never ended."""
    folder = tmp_path_factory.mktemp("outputs")
    words = ["experiment=lyrics_tfidf", *TINY_DATA]
    run_experiment(compose_train(*words), folder / "lyrics_tfidf" / "demo" / "1", quiet=True)
    folds = compose_train(*words, "split=kfold", "split.folds=2")
    run_experiment(folds, folder / "lyrics_tfidf" / "demo" / "2", quiet=True)
    (folder / "lyrics_tfidf" / "demo" / "3").mkdir()
    (folder / "lyrics_tfidf" / "demo" / "3" / "run.json").write_text('{"status": "running"}')
    return folder


def test_finished_runs_are_listed_oldest_first(output: Path) -> None:
    runs = find_runs(output)
    assert [folder.name for folder in runs["directory"]] == ["1", "2"]
    assert runs["n"].iloc[1] == 80
    assert runs["accuracy"].between(0, 1).all()


def test_a_folder_without_runs_gives_an_empty_list(tmp_path: Path) -> None:
    assert find_runs(tmp_path).empty


def test_a_corpus_is_found_by_what_would_be_typed(demo: Tracks) -> None:
    assert open_corpus(*TINY_DATA).ids == demo.ids


def test_a_moved_run_predicts_as_it_did(output: Path, demo: Tracks, tmp_path: Path) -> None:
    run = shutil.copytree(output / "lyrics_tfidf" / "demo" / "1", tmp_path / "moved")
    expected = open_run(run).predictions().set_index("track_id")
    found = load_pipeline(run).predict_proba(demo.subset(list(expected.index))).tracks
    genres = genre_columns(expected.reset_index())
    pd.testing.assert_frame_equal(found, expected[genres], check_names=False, atol=1e-6)


def test_a_run_of_several_folds_answers_with_their_mean(output: Path, demo: Tracks) -> None:
    run = output / "lyrics_tfidf" / "demo" / "2"
    pipeline = load_pipeline(run)
    members = [p.predict_proba(demo).tracks for p in open_run(run).pipelines(pipeline.context)]
    assert len(members) == 2
    pd.testing.assert_frame_equal(pipeline.predict_proba(demo).tracks, sum(members) / 2, check_names=False)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, genrefusion; print({'torch', 'pandas', 'sklearn', 'hydra'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_what_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_model'"):
        _ = genrefusion.load_model  # type: ignore[attr-defined]


def test_pieces_of_songs_can_be_opened(demo: Tracks) -> None:
    pieces = open_corpus(*TINY_DATA, "data.piece_seconds=3")
    assert pieces.table["song"].nunique() == len(demo)
    assert len(pieces) == 3 * len(demo)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{"),
        ("run.json", "[]"),
        ("run.json", '{"status": "finished"}'),
        ("metrics.json", "{}"),
        ("run.json", "\udcff"),
    ],
)
def test_a_damaged_run_does_not_hide_the_others(name: str, content: str, output: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(output, tmp_path / "copy") / "lyrics_tfidf" / "demo"
    (folder / "2" / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert [path.name for path in find_runs(tmp_path)["directory"]] == ["1"]
    if name == "run.json":
        with pytest.raises(UserError, match="damaged"):
            load_pipeline(folder / "2")


def test_a_corpus_is_opened_by_any_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Stücke, neu\.csv: no such file"):
        open_corpus("data=manifest", f"data.manifest={tmp_path / 'Stücke, neu.csv'}")
