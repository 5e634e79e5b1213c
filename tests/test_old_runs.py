"""Runs of earlier commits open, evaluate and predict; what was broken off goes on, or says why it cannot."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conftest import REPOSITORY, compose_train
from genrefusion.api import find_runs, load_pipeline, open_corpus
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.commands.predict import predict_files
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import load_table
from genrefusion.metrics.predictions import genre_columns, read_predictions
from genrefusion.runs.store import open_run
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig, PredictConfig
from genrefusion.settings.data import ManifestData
from genrefusion.settings.trainer import TrainerSettings
from pages import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]

FIXTURES = REPOSITORY / "tests" / "fixtures"
COMMITS = ("d8fd36f", "cea9ebd")
"""Of version 0.1, with results of version 1 and 2."""

HOLDOUTS = ("xgboost", "xgboost_text", "lyrics", "coattention", "multiframe_knn", "ensemble")
FINISHED = (*HOLDOUTS, "kfold")
TEST = ["blues8", "blues9", "metal8", "metal9", "pop8", "pop9"]


@pytest.fixture(params=COMMITS)
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the runs of a commit were made; they name their corpus by a path from there."""
    shutil.copytree(FIXTURES / "d8fd36f" / "corpus", tmp_path / "old" / "corpus")
    shutil.copytree(FIXTURES / request.param / "runs", tmp_path / "old" / "runs")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def probabilities(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("track_id")[genre_columns(table)].sort_index().astype(float)


@pytest.mark.parametrize("name", FINISHED)
def test_an_old_run_is_evaluated_to_its_own_predictions(name: str, old: Path) -> None:
    run = open_run(old / "runs" / name)
    figures = evaluate_run(EvaluateConfig(run=str(run.directory), trainer=TrainerSettings()), quiet=True)
    saved = run.predictions()
    again = read_predictions(run.directory / "evaluations" / "corpus" / "predictions" / "test.csv")
    pd.testing.assert_frame_equal(probabilities(again), probabilities(saved), atol=1e-3)
    assert figures["test"]["n"] == len(saved)
    assert figures["test"]["accuracy"] == (saved["genre"] == saved["predicted"]).mean()


def test_what_an_old_run_looked_at_is_in_its_report(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genrefusion.runs.explain.explain.MOST_SONGS", 1)
    run = old / "runs" / "coattention"
    evaluate_run(EvaluateConfig(run=str(run), explain=1, trainer=TrainerSettings()), quiet=True)
    (song,) = json.loads((run / "explanations" / "songs.json").read_text())["songs"]
    assert song["track_id"] in TEST
    assert len(Page(run / "report.html").all("article")) == 1


def test_an_old_run_is_evaluated_in_any_folder(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names its corpus by a path from where it was made."""
    (old.parent / "elsewhere").mkdir()
    monkeypatch.chdir(old.parent / "elsewhere")
    figures = evaluate_run(EvaluateConfig(run=str(old / "runs" / "xgboost"), trainer=TrainerSettings()), quiet=True)
    assert figures["test"]["n"] == len(TEST)


@pytest.mark.parametrize("name", HOLDOUTS)
def test_an_old_run_predicts_songs_and_tracks(name: str, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = probabilities(open_run(old / "runs" / name).predictions())
    corpus = load_table(Path("corpus/tracks.csv"), corpus="corpus")
    folder = old / "songs"
    folder.mkdir()
    for track in TEST[::2]:
        shutil.copy(corpus.table["audio"][track], folder)
        (folder / f"{track}.txt").write_text(corpus.table["lyrics"][track])
    sides = {"lyrics": str(folder)} if name == "lyrics" else {"audio": str(folder)}
    asked = PredictConfig(run=str(old / "runs" / name), format="json", trainer=TrainerSettings(), **sides)
    assert predict_files(asked) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["trained_on"] for answer in answers] == [False] * 3
    found = pd.DataFrame([answer["probabilities"] for answer in answers], index=TEST[::2])
    pd.testing.assert_frame_equal(found, saved.loc[TEST[::2]], atol=1e-3, check_names=False)
    tracks = open_corpus("data=manifest", "data.manifest=corpus/tracks.csv").subset(TEST)
    loaded = load_pipeline(old / "runs" / name).predict_proba(tracks).tracks
    pd.testing.assert_frame_equal(loaded, saved.loc[TEST], atol=1e-3)


@pytest.mark.parametrize("name", HOLDOUTS)
def test_an_old_run_knows_the_songs_it_learnt_from(name: str, old: Path, tmp_path: Path) -> None:
    shutil.copytree("corpus", tmp_path / "copy of it")
    data = ManifestData(manifest=str(tmp_path / "copy of it" / "tracks.csv"))
    asked = EvaluateConfig(run=str(old / "runs" / name), data=data, trainer=TrainerSettings())
    assert evaluate_run(asked, quiet=True)["test"]["n"] == len(TEST)


def test_an_old_run_without_its_page_is_given_one(old: Path) -> None:
    directory = old / "runs" / "xgboost"
    record = json.loads((directory / "run.json").read_text())
    before = (directory / "predictions" / "test.csv").read_bytes()
    run_experiment(compose_train(*record["command"].split(), "resume=true"), directory, quiet=True)
    assert (directory / "report.html").is_file()
    assert (directory / "predictions" / "test.csv").read_bytes() == before


def test_an_old_run_that_was_broken_off_is_not_gone_on_with(old: Path) -> None:
    directory = old / "runs" / "broken_off"
    record = json.loads((directory / "run.json").read_text())
    with pytest.raises(UserError, match="not finished"):
        open_run(directory)
    words = [word for word in record["command"].split() if word != "resume=true"]
    with pytest.raises(UserError, match=r"broken_off: was begun by genrefusion 0\.1\.0, since when .*train it anew"):
        run_experiment(compose_train(*words, "resume=true"), directory, quiet=True)


@pytest.mark.parametrize("old", ["d8fd36f"], indirect=True)  # the other was broken off before it had a table
def test_an_old_sweep_shows_what_it_found_and_is_not_gone_on_with(old: Path) -> None:
    from genrefusion.commands.sweep import _open_sweep, open_study

    words = ["experiment=xgboost", "sweep=xgboost", "sweep.trials=2", "pipeline.rounds=8", "features.kind=published"]
    words += ["data=manifest", "data.manifest=corpus/tracks.csv", "split=predefined", "resume=true"]
    settings = compose_train(*words)
    study = open_study(old / "runs" / "sweep", settings.sweep)
    table = pd.read_csv("runs/sweep/sweep.csv")
    assert study.best_trial.value == pytest.approx(table["val_log_loss"].min())
    with pytest.raises(UserError, match=r"sweep: was begun by .*, since when results have changed"):
        _open_sweep(old / "runs" / "sweep", settings, words)
    best = compose_train("experiment=xgboost", *[f"pipeline.{k}={v}" for k, v in _best(old).items()])
    assert best.pipeline.max_depth == study.best_params["pipeline.max_depth"]


def _best(old: Path) -> dict[str, object]:
    import yaml

    return dict(yaml.safe_load((old / "runs" / "sweep" / "experiment" / "best.yaml").read_text())["pipeline"])


@pytest.mark.parametrize("commit", COMMITS)
def test_old_runs_are_listed_and_say_their_figures(commit: str) -> None:
    runs = find_runs(FIXTURES / commit / "runs")
    assert len(runs) >= len(FINISHED)
    assert runs["corpus_digest"].notna().all()
    for directory in runs["directory"]:
        assert re.search(r": accuracy \d\.\d{3} \[\d.*\], n = \d+>$", repr(open_run(directory)))
