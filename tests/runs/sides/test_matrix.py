"""The matrix of a run: its rows, its files, the runs that have none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.pipelines.base import Context
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.sides.changes import CHANGES, DRAWS
from genrefusion.runs.sides.exchanges import with_both_sides, without_lyrics
from genrefusion.runs.sides.matrix import parts_with_sides
from genrefusion.runs.store import open_run
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.trainer import TrainerSettings
from pages import Page

pytestmark = pytest.mark.usefixtures("unrendered")

VECTORS = ["features=precomputed", "features.path={vectors}"]
TREES = ["pipeline.rounds=15", "pipeline.lr=0.3", "pipeline.text.svd=8"]
EXPERIMENTS = {
    "late": ["experiment=xgboost_text", "features.kind=published", *TREES],
    "early": ["experiment=xgboost_text_early", *VECTORS, *TREES],
    "coattention": ["experiment=coattention", *VECTORS, "pipeline.width=8", "pipeline.heads=2", "pipeline.epochs=2"],
    "audio": ["experiment=xgboost_97", *TREES[:2]],
    "lyrics": ["experiment=lyrics_tfidf"],
}


@pytest.fixture(scope="module")
def runs(demo: Tracks, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    genres = demo.labels(demo.genres)[:, None] == np.arange(10)
    frames = np.repeat(genres, 3, axis=0) + rng.normal(0, 0.7, size=(3 * len(demo), 10)).astype(np.float32)
    np.savez(folder / "v.npz", track_id=demo.ids, frames=frames, offsets=3 * np.arange(len(demo) + 1))
    for name, words in EXPERIMENTS.items():
        tiny = [f"text_encoder.model={tiny_encoder}"] if name == "coattention" else []
        words = [word.format(vectors=folder / "v.npz") for word in words]
        run_experiment(compose_train(*TINY_DATA, *words, *tiny), folder / name, quiet=True)
    for name, members in {"joined": ["audio", "lyrics"], "of vectors": ["early", "coattention"]}.items():
        folders = [folder / member for member in members]
        config = compose_train(*TINY_DATA, "experiment=ensemble", f"pipeline.runs=[{','.join(map(str, folders))}]")
        run_ensemble(config, folder / name, folders, quiet=True)
    return {path.name: path for path in folder.iterdir() if path.is_dir()}


def evaluate(run: Path) -> dict[str, dict[str, float]]:
    evaluate_run(EvaluateConfig(run=str(run), sides="matrix", trainer=TrainerSettings()), quiet=True)
    matrix = json.loads((run / "evaluations" / "demo" / "sides" / "matrix.json").read_text())
    return {row["key"]: row for row in matrix["rows"]}


@pytest.mark.parametrize("name", ["late", "early", "coattention", "joined", "of vectors"])
def test_all_runs_that_read_both_sides_have_a_matrix(name: str, runs: dict[str, Path], cache: Path) -> None:
    before = sorted(path for path in cache.rglob("*") if path.is_file())
    rows = evaluate(runs[name])
    assert list(rows) == [change.key for change in CHANGES]
    saved = open_run(runs[name]).predictions()
    assert rows["both"]["accuracy"] == (saved["genre"] == saved["predicted"]).mean(), "all songs have both sides"
    without = {key for key, row in rows.items() if "problem" in row}
    # Each genre has one artist among the test songs.
    of_genre = {"lyrics_genre", "audio_genre"}
    assert without == (of_genre | {"lyrics_alone"} if name in ("late", "early") else of_genre)
    for key, row in rows.items():
        if key not in without | {"both"}:
            assert row["difference"] == pytest.approx(row["accuracy"] - rows["both"]["accuracy"]) or row["n"] < len(
                saved
            )
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert rows["lyrics_any"]["draws"] == DRAWS
    table = pd.read_csv(runs[name] / "evaluations" / "demo" / "sides" / "matrix.csv")
    assert table["key"].tolist() == list(rows)
    assert sorted(path for path in cache.rglob("*") if path.is_file()) == before, "made-up lyrics are not kept"


def test_a_side_that_is_taken_away_is_not_read(runs: dict[str, Path]) -> None:
    rows, joined = evaluate(runs["coattention"]), evaluate(runs["joined"])
    views = open_run(runs["coattention"]).directory / "views"
    for view in ("audio alone", "lyrics alone"):
        saved = pd.read_csv(views / view / "test.csv")
        assert rows[view.replace(" ", "_")]["accuracy"] == (saved["genre"] == saved["predicted"]).mean()
    for side, other in (("audio", "lyrics"), ("lyrics", "audio")):
        alone = open_run(runs[side]).predictions()
        assert joined[f"{side}_alone"]["accuracy"] == (alone["genre"] == alone["predicted"]).mean()
        assert f"{other}_any" in joined


@pytest.mark.parametrize("side", ["audio", "lyrics"])
def test_a_run_that_reads_one_side_says_so(side: str, runs: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=f"sides=matrix: the run reads the {side} alone; there is no other side"):
        evaluate(runs[side])
    assert not (runs[side] / "evaluations").exists()


def test_songs_without_a_side_take_no_part(runs: dict[str, Path], demo: Tracks, cache: Path) -> None:
    lyrics = [None, *demo.table["lyrics"][1:]]
    part = replace(demo, table=demo.table.assign(lyrics=lyrics))
    (pipeline,) = open_run(runs["early"]).pipelines(Context(FeatureCache(cache / "features")))
    known = with_both_sides(pipeline, part)
    assert known.ids == demo.ids[1:]
    unknown = replace(part, table=part.table.rename(index={demo.ids[1]: "not among the ready features"}))
    assert with_both_sides(pipeline, unknown).ids == demo.ids[2:]
    with pytest.raises(UserError, match="sides=matrix: no song of demo that is scored has both audio and lyrics"):
        parts_with_sides([([pipeline], without_lyrics(demo))])


def test_the_matrix_of_an_evaluation_goes_with_its_predictions(runs: dict[str, Path]) -> None:
    folder = runs["late"] / "evaluations" / "demo"
    evaluate(runs["late"])
    asked = EvaluateConfig(run=str(runs["late"]), trainer=TrainerSettings())
    evaluate_run(asked, quiet=True)
    assert (folder / "sides" / "matrix.json").is_file(), "they are the same"
    page = Page(folder / "report.html")
    rows = json.loads((folder / "sides" / "matrix.json").read_text())["rows"]
    shown = page.tables["With and without the sides"][1:]
    assert [row[0] for row in shown] == [row["title"] for row in rows]
    assert f"{rows[1]['difference']:+.3f}" in shown[1][3]
    table = pd.read_csv(folder / "predictions" / "test.csv")
    table.iloc[::-1].to_csv(folder / "predictions" / "test.csv", index=False)
    evaluate_run(asked, quiet=True)
    assert "With and without the sides" not in Page(folder / "report.html").tables
    assert not (folder / "sides").exists()
