"""Ensembles are joined from saved predictions of runs on the same split."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.core.files import locked
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import genre_columns, read_predictions
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.runs import ensembles
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig, TrainConfig
from genrefusion.settings.trainer import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]

TREES = ["experiment=xgboost_97", "pipeline.rounds=15"]
WORDS = ["experiment=lyrics_tfidf"]


@pytest.fixture(scope="module")
def members(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("members")
    for name, overrides in (("trees", TREES), ("words", WORDS)):
        run_experiment(compose_train(*TINY_DATA, *overrides), folder / name, quiet=True)
    return [folder / "trees", folder / "words"]


def settings(runs: Sequence[Path], *overrides: str) -> TrainConfig:
    named = f"pipeline.runs=[{','.join(map(str, runs))}]"
    return compose_train(*TINY_DATA, "experiment=ensemble", named, *overrides)


def probabilities(run: Path, part: str = "test") -> pd.DataFrame:
    table = read_predictions(run / "predictions" / f"{part}.csv").set_index("track_id")
    return table[genre_columns(table)]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["pipeline.combine=mean"], lambda a, b: (a + b) / 2),
        (["pipeline.combine=weights", "pipeline.weights=[1,3]"], lambda a, b: (a + 3 * b) / 4),
        (["pipeline.combine=product"], lambda a, b: (a * b).div((a * b).sum(axis=1), axis=0)),
    ],
)
def test_probabilities_are_joined_as_the_name_says(members, overrides, expected, tmp_path):
    run_ensemble(settings(members, *overrides), tmp_path, members, quiet=True)
    a, b = (probabilities(member).clip(lower=1e-4) for member in members)
    atol = 1e-3  # probabilities under 1e-4 count as that in a product
    pd.testing.assert_frame_equal(probabilities(tmp_path), expected(a, b), atol=atol, check_like=True)


def test_stack_is_fitted_on_validation_tracks_alone(members, tmp_path):
    run_ensemble(settings(members, "pipeline.combine=stack"), tmp_path / "one", members, quiet=True)
    spoiled = [copy_run(member, tmp_path / member.name) for member in members]
    path = spoiled[1] / "predictions" / "test.csv"
    table = read_predictions(path)
    genres = genre_columns(table)
    table[genres] = np.eye(len(genres))[np.zeros(len(table), int)]
    table.to_csv(path, index=False)
    run_ensemble(settings(members, "pipeline.combine=stack"), tmp_path / "two", spoiled, quiet=True)
    weights = [json.loads((tmp_path / run / "model" / "state.json").read_text())["weights"] for run in ("one", "two")]
    assert weights[0] == weights[1]
    assert all(weight >= 0 for weight in weights[0])


def test_stack_cannot_be_calibrated_on_what_it_was_fitted_on(members, tmp_path):
    for combine in ("stack", "mean"):
        run_ensemble(settings(members, f"pipeline.combine={combine}"), tmp_path / combine, members, quiet=True)
    asked = {
        name: EvaluateConfig(run=str(tmp_path / name), calibrate=True, trainer=TrainerSettings())
        for name in ("stack", "mean")
    }
    with pytest.raises(UserError, match="were fitted on its"):
        evaluate_run(asked["stack"], quiet=True)
    stacked = [tmp_path / "stack", members[0]]
    with pytest.raises(UserError, match="fitted on the validation tracks already"):
        run_ensemble(settings(stacked, "pipeline.combine=stack"), tmp_path / "x", stacked, quiet=True)
    run_ensemble(settings(stacked), tmp_path / "outer", stacked, quiet=True)
    with pytest.raises(UserError, match="or of a member"):
        evaluate_run(EvaluateConfig(run=str(tmp_path / "outer"), calibrate=True, trainer=TrainerSettings()), quiet=True)
    assert evaluate_run(asked["mean"], quiet=True)["test"]["n"] > 0


def test_an_ensemble_is_one_folder_that_predicts_the_same(members, demo, tmp_path, context):
    run_ensemble(settings(members, "pipeline.combine=stack"), tmp_path / "run", members, quiet=True)
    pipeline = read_pipeline(tmp_path / "run" / "model", context)
    saved = probabilities(tmp_path / "run")
    again = pipeline.predict_proba(demo.subset(list(saved.index))).tracks
    pd.testing.assert_frame_equal(again, saved, atol=1e-5, check_names=False)


def test_a_track_without_lyrics_is_predicted_by_the_other_members(members, demo, tmp_path, context):
    run_ensemble(settings(members), tmp_path / "run", members, quiet=True)
    pipeline = read_pipeline(tmp_path / "run" / "model", context)
    silent = Tracks(demo.table.assign(lyrics=None), "demo")
    trees = read_pipeline(members[0] / "model", Context(context.cache))
    expected = trees.predict_proba(silent).tracks
    pd.testing.assert_frame_equal(pipeline.predict_proba(silent).tracks, expected, check_names=False)


def test_other_splits_are_refused_with_the_tracks_that_differ(members, demo, tmp_path):
    run_experiment(compose_train(*TINY_DATA, *WORDS, "seed=1"), tmp_path / "other", quiet=True)
    with pytest.raises(UserError, match=r"tracks lie in other parts:\n  \w+\.\d+: \w+, \w+") as error:
        run_ensemble(settings(members), tmp_path / "run", [members[0], tmp_path / "other"], quiet=True)
    assert str(tmp_path / "other") in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_not_overwritten(members, tmp_path):
    run = copy_run(members[0], tmp_path / "run")
    before = (run / "predictions" / "test.csv").read_bytes()
    with pytest.raises(UserError, match="holds a run already"):
        run_ensemble(settings(members), run, members, quiet=True)
    assert (run / "predictions" / "test.csv").read_bytes() == before


@pytest.mark.long
def test_runs_of_audio_and_of_lyrics_alone_are_joined_where_the_table_has_no_digests(demo, tmp_path):
    table = demo.table.reset_index()[["track_id", "genre", "artist", "audio", "lyrics"]]
    table.to_csv(tmp_path / "tracks.csv", index=False)
    data = ["data=manifest", f"data.manifest={tmp_path / 'tracks.csv'}"]
    runs = [tmp_path / "audio", tmp_path / "words"]
    for run, overrides in zip(runs, (TREES, WORDS), strict=True):
        run_experiment(compose_train(*data, *overrides), run, quiet=True)
    for name, order in (("one", runs), ("other", runs[::-1])):
        figures = run_ensemble(settings(order), tmp_path / name, order, quiet=True)
        asked = EvaluateConfig(run=str(tmp_path / name), trainer=TrainerSettings())
        assert evaluate_run(asked, quiet=True)["test"]["accuracy"] == figures["test"]["accuracy"]


def test_members_that_heard_other_lengths_are_refused(members, tmp_path):
    other = copy_run(members[1], tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["config"]["data"]["max_seconds"] = 30.0
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"data\.max_seconds is 600 in one and 30 in the other"):
        run_ensemble(settings([members[0], other]), tmp_path / "x", [members[0], other], quiet=True)


def test_tracks_of_other_genres_are_refused(members, tmp_path):
    other = copy_run(members[1], tmp_path / "other")
    table = read_predictions(other / "predictions" / "test.csv")
    table.loc[0, "genre"] = next(genre for genre in genre_columns(table) if genre != table["genre"][0])
    table.to_csv(other / "predictions" / "test.csv", index=False)
    with pytest.raises(UserError, match="tracks have other genres there"):
        run_ensemble(settings(members), tmp_path / "run", [members[0], other], quiet=True)


def test_other_genres_are_refused_by_name(members, tmp_path):
    other = copy_run(members[1], tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["genres"] = [*record["genres"][1:], "polka"]
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"genres differ:\n  blues: in one of them only\n  polka: in one"):
        run_ensemble(settings(members), tmp_path / "run", [members[0], other], quiet=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["pipeline.members=[]"], "name experiments"),
        (["pipeline.members=[xgboost]"], "two runs or more"),
        (["pipeline.members=[xgboost,lyrics]", "pipeline.combine=weights"], "one number for each member"),
        (["pipeline.members=[xgboost,lyrics]", "pipeline.combine=median"], "No pipeline.combine 'median'"),
        (
            ["pipeline.members=[xgboost,lyrics]", "pipeline.combine=weights", "pipeline.weights=[0,0]"],
            "not all 0",
        ),
    ],
)
def test_settings_that_name_no_ensemble_are_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        compose_train("experiment=ensemble", *overrides)


def copy_run(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to))


def test_two_processes_do_not_join_in_one_folder(members, tmp_path):
    with locked(tmp_path / ".lock"), pytest.raises(UserError, match="another process is joining runs there"):
        run_ensemble(settings(members), tmp_path, members, quiet=True)
    assert not (tmp_path / "run.json").exists()


def test_a_killed_ensemble_is_no_finished_run_and_can_be_resumed(members, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(ensembles, "write_report", killed)
        run_ensemble(settings(members), tmp_path, members, quiet=True)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "running"
    with pytest.raises(UserError, match="was begun with other members"):
        run_ensemble(settings(members, "pipeline.combine=product", "resume=true"), tmp_path, members, quiet=True)
    run_ensemble(settings(members, "resume=true"), tmp_path, members, quiet=True)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"
    assert (tmp_path / "report.html").is_file()
    with pytest.raises(UserError, match="finished already"):
        run_ensemble(settings(members, "resume=true"), tmp_path, members, quiet=True)
