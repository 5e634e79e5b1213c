"""Every experiment of `configs/experiment` runs on a tiny corpus and leaves a whole run folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from conftest import TINY, TINY_DATA, TINY_NETWORK, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.metrics import scores as metrics
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.intervals import folds_interval
from genrefusion.metrics.predictions import read_predictions
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig, TrainConfig
from genrefusion.settings.composing import configs_directory
from genrefusion.settings.trainer import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]

EXPERIMENTS = sorted(path.stem for path in (configs_directory() / "experiment").glob("*.yaml"))
QUICK = [*TINY, "pipeline.epochs=1"]
QUICK_OF = {"multiframe": [*TINY_NETWORK, "pipeline.epochs=1"], "xgboost": ["pipeline.rounds=3"]}
QUICK_OF["lyrics"] = ["pipeline.epochs=1"]
QUICK_OF["coattention"] = [
    "features.frame_seconds=3",
    "pipeline.trunk.width=4",
    "pipeline.trunk.epochs=1",
    "pipeline.epochs=1",
    "pipeline.width=16",
]


TABLES = sorted(path.stem for path in (configs_directory() / "table").glob("*.yaml"))


@pytest.fixture(scope="module")
def run(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "holdout"
    run_experiment(compose_train(*QUICK, "experiment=multiframe"), folder, quiet=True)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_runs(
    experiment: str, demo: Tracks, tiny_encoder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if experiment.startswith("musicnn"):
        request.getfixturevalue("musicnn_weights")  # skips where they cannot be fetched
    named = ["pipeline.members=[xgboost_97,lyrics_tfidf]"] if experiment == "ensemble" else []
    config = compose_train(*TINY_DATA, f"experiment={experiment}", *named)
    if config.pipeline.name == "ensemble":
        members = {name: quick(name, tiny_encoder) for name in config.pipeline.members}
        for name, member in members.items():
            run_experiment(member, tmp_path / name, quiet=True)
        figures = run_ensemble(config, tmp_path / "run", [tmp_path / name for name in members], quiet=True)
    else:
        figures = run_experiment(quick(experiment, tiny_encoder), tmp_path / "run", quiet=True)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["name"] == experiment
    assert figures["test"]["n"] == len(read_predictions(tmp_path / "run" / "predictions" / "test.csv"))


def quick(experiment: str, tiny_encoder: Path) -> TrainConfig:
    """Settings that make an experiment a matter of seconds."""
    config = compose_train(f"experiment={experiment}")
    cut = config.features.name == "mel"
    settings = [word for word in QUICK_OF[config.pipeline.name] if cut or not word.startswith("features.")]
    tuned = [f"text_encoder.model={tiny_encoder}"] if experiment == "lyrics_finetuned" else []
    return compose_train(f"experiment={experiment}", *TINY_DATA, *settings, *tuned)


def test_run_folder_is_whole(run: Path) -> None:
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files >= {
        "config.yaml",
        "run.json",
        "run.log",
        "splits.csv",
        "history.csv",
        "metrics.json",
        "predictions/val.csv",
        "predictions/test.csv",
        "frames/val.csv",
        "frames/test.csv",
        "model/pipeline.json",
        "figures/confusion.png",
        "figures/reliability.png",
        "figures/learning_curve.png",
        "tracks.csv",
        "trained_on.json",
        "report.html",
    }
    assert not (run / "checkpoints").exists()
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["synthetic"] is True
    assert record["versions"]["torch"]


def test_figures_are_those_of_the_saved_predictions(run: Path) -> None:
    saved = json.loads((run / "metrics.json").read_text())
    for part in ("val", "test"):
        again = metrics.score(read_predictions(run / "predictions" / f"{part}.csv"), groups=groups_of([run]))
        assert saved[part]["accuracy"] == again["accuracy"]
        assert saved[part]["accuracy_ci95"] == again["accuracy_ci95"]


def test_no_track_and_no_artist_crosses_the_split_of_a_run(run: Path, demo: Tracks) -> None:
    split = pd.read_csv(run / "splits.csv").set_index("track_id")
    assert split.index.is_unique
    artists = demo.table["artist"].groupby(split["part"]).agg(set)
    assert not artists["train"] & artists["test"]
    assert not artists["train"] & artists["val"]
    assert not artists["val"] & artists["test"]


def test_folds_are_pooled_and_listed(demo: Tracks, tmp_path: Path) -> None:
    config = compose_train(*QUICK, "split=kfold", "split.folds=2")
    figures = run_experiment(config, tmp_path / "run", quiet=True)
    assert figures["test"]["n"] == len(demo)
    assert sum(fold["n"] for fold in figures["folds"]) == len(demo)
    mean = sum(fold["accuracy"] * fold["n"] for fold in figures["folds"]) / len(demo)
    assert figures["test"]["accuracy"] == pytest.approx(mean)
    accuracies = [fold["accuracy"] for fold in figures["folds"]]
    assert figures["folds_accuracy"] == pytest.approx(sum(accuracies) / 2)
    assert tuple(figures["folds_accuracy_ci95"]) == folds_interval(accuracies, test_share=0.5)[1]
    assert (tmp_path / "run" / "model" / "fold1" / "pipeline.json").is_file()
    evaluated = evaluate_run(evaluate_settings(tmp_path / "run"), quiet=True)
    assert evaluated["test"]["accuracy"] == figures["test"]["accuracy"]


def test_evaluate_gives_the_figures_of_the_run(run: Path) -> None:
    trained = json.loads((run / "metrics.json").read_text())
    assert evaluate_run(evaluate_settings(run), quiet=True)["test"]["accuracy"] == trained["test"]["accuracy"]


def test_evaluate_on_another_corpus_leaves_out_what_was_trained_on(run: Path, demo: Tracks) -> None:
    config = evaluate_settings(run)
    config.data = compose_train(*QUICK).data
    figures = evaluate_run(config, quiet=True)
    trained = (pd.read_csv(run / "splits.csv")["part"] != "test").sum()
    assert figures["test"]["n"] == len(demo) - trained


def test_evaluate_refuses_unknown_genres(run: Path, demo: Tracks, tmp_path: Path) -> None:
    table = demo.table.reset_index()[["track_id", "genre", "audio"]].head(4).assign(genre="polka")
    table.to_csv(tmp_path / "tracks.csv", index=False)
    config = evaluate_settings(run)
    config.data = compose_train("data=manifest", f"data.manifest={tmp_path / 'tracks.csv'}").data
    with pytest.raises(UserError, match=r"not trained on: polka"):
        evaluate_run(config, quiet=True)


def test_evaluate_takes_no_ready_features_for_a_run_that_computes_them(run: Path) -> None:
    config = evaluate_settings(run)
    config.features.path = "features.csv"
    with pytest.raises(UserError, match=r"features.path=features.csv: the run computes its features itself"):
        evaluate_run(config, quiet=True)


def test_evaluate_reads_the_ready_features_that_it_is_given(demo: Tracks, tmp_path: Path) -> None:
    number = demo.table["genre"].map({genre: i for i, genre in enumerate(demo.genres)})
    number = number.where(demo.table.index != demo.ids[0], 0.1)  # a column that tells every genre is refused
    for name, tell in {"right": number, "wrong": (number + 5) % 10}.items():
        pd.DataFrame({"track_id": demo.ids, "tell": tell}).to_csv(tmp_path / f"{name}.csv", index=False)
    table = ["experiment=xgboost", "features=table", f"features.path={tmp_path / 'right.csv'}"]
    figures = run_experiment(compose_train(*TINY_DATA, *table, "pipeline.rounds=20"), tmp_path / "run", quiet=True)
    assert figures["test"]["accuracy"] == 1
    config = evaluate_settings(tmp_path / "run")
    assert evaluate_run(config, quiet=True)["test"]["accuracy"] == 1
    config.features.path = str(tmp_path / "wrong.csv")
    assert evaluate_run(config, quiet=True)["test"]["accuracy"] == 0


def test_signature_ignores_where_and_how_fast_a_run_is_made(run: Path, demo: Tracks, tmp_path: Path) -> None:
    first = json.loads((run / "run.json").read_text())
    elsewhere = compose_train(*QUICK, "workers=1", "trainer.threads=1", f"output={tmp_path}")
    run_experiment(elsewhere, tmp_path / "same", quiet=True)
    other = compose_train(*QUICK, "pipeline.lr=0.01")
    run_experiment(other, tmp_path / "other", quiet=True)
    assert json.loads((tmp_path / "same" / "run.json").read_text())["signature"] == first["signature"]
    assert json.loads((tmp_path / "other" / "run.json").read_text())["signature"] != first["signature"]


def test_a_folder_with_a_run_is_not_overwritten(run: Path) -> None:
    before = (run / "run.json").read_bytes()
    with pytest.raises(UserError, match="holds a run already"):
        run_experiment(compose_train(*QUICK), run, quiet=True)
    assert (run / "run.json").read_bytes() == before


@pytest.mark.long
def test_a_killed_run_resumes_to_the_same_predictions(demo: Tracks, tmp_path: Path) -> None:
    settings = [*TINY, "split=kfold", "split.folds=2", "pipeline.epochs=3", "trainer.threads=1"]
    run_experiment(compose_train(*settings), tmp_path / "whole", quiet=True)
    process = start_train(*settings, f"hydra.run.dir={tmp_path / 'killed'}")
    state = tmp_path / "killed" / "checkpoints" / "fold1" / "member0.safetensors"
    wait_for(state, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "metrics.json").exists()
    run_experiment(compose_train(*settings, "resume=true"), tmp_path / "killed", quiet=True)
    for table in ("predictions/test.csv", "predictions/val.csv", "frames/test.csv"):
        expected, found = (pd.read_csv(tmp_path / name / table) for name in ("whole", "killed"))
        pd.testing.assert_frame_equal(found, expected, atol=1e-5)


@pytest.mark.long
def test_resuming_with_other_settings_is_refused_and_says_which(demo: Tracks, tmp_path: Path) -> None:
    process = start_train(*TINY, f"hydra.run.dir={tmp_path / 'run'}", "pipeline.epochs=50")
    wait_for(tmp_path / "run" / "checkpoints" / "fold0" / "member0.safetensors", process)
    process.kill()
    process.wait()
    with pytest.raises(UserError, match=r"pipeline\.lr: 0\.003 there, 0\.1 here"):
        run_experiment(
            compose_train(*TINY, "pipeline.epochs=50", "pipeline.lr=0.1", "resume=true"), tmp_path / "run", quiet=True
        )


def evaluate_settings(run: Path) -> EvaluateConfig:
    return EvaluateConfig(run=str(run), trainer=TrainerSettings())


def start_train(*overrides: str) -> subprocess.Popen[bytes]:
    code = "from genrefusion.cli import train; train()"
    return subprocess.Popen([sys.executable, "-c", code, *overrides], stdout=subprocess.DEVNULL)


def wait_for(path: Path, process: subprocess.Popen[bytes], *, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
