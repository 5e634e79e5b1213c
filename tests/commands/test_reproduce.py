"""`reproduce` as it is typed: rows from finished runs, missing ones trained, all of it from saved predictions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from conftest import TINY_DATA, TINY_NETWORK, run_here
from genrefusion.core.alone import _answer
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import genre_columns
from genrefusion.runs import costs, training
from genrefusion.settings.composing import configs_directory

pytestmark = pytest.mark.long

ROWS = [
    {"title": "Trees", "experiment": "xgboost_97", "claimed": 88.4, "overrides": ["pipeline.rounds=3"]},
    {"title": "Words", "experiment": "lyrics_tfidf"},
    {"title": "Frames", "experiment": "multiframe", "claimed": 82, "overrides": [*TINY_NETWORK, "pipeline.epochs=1"]},
    {"title": "Both", "experiment": "ensemble", "overrides": ["pipeline.members=[xgboost_97,lyrics_tfidf]"]},
    {"title": "Lost", "experiment": "multiframe_knn", "overrides": ["pipeline.weights=nowhere.h5"]},
]


def words(folder: Path, *overrides: str, rows: list[dict[str, object]] = ROWS) -> list[str]:
    """What is typed after `reproduce` for a table of some rows, which is written."""
    (folder / "table").mkdir(exist_ok=True, parents=True)
    (folder / "table" / "quick.yaml").write_text(
        "defaults: [schema/table@_here_]\nname: quick\ntitle: Quick\nsource: this test\n"
        "columns: [claimed, accuracy, difference, n, ms_per_song]\n" + OmegaConf.to_yaml({"rows": rows})
    )
    return [f"hydra.searchpath=[file://{folder}]", "table=quick", *TINY_DATA, *overrides]


def answered_here(task: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """As `genrefusion.core.alone.run_alone` would, but in this process: a new one takes seconds to import."""
    answer = _answer(task, json.loads(json.dumps(request)))
    if "mistake" in answer:
        raise UserError(answer["mistake"])
    return dict(json.loads(json.dumps(answer["result"])))


def reproduce(
    folder: Path, *overrides: str, rows: list[dict[str, object]] = ROWS, code: int = 0
) -> tuple[str, pd.DataFrame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "run_alone", answered_here)
        patch.setattr(costs, "run_alone", answered_here)
        answer = run_here("reproduce", *words(folder, *overrides, rows=rows), cwd=folder)
    assert answer.returncode == code, answer.stdout + answer.stderr
    path = max(folder.glob("outputs/tables/quick/*/table.csv"), key=lambda path: path.stat().st_mtime_ns)
    return answer.stdout, pd.read_csv(path).set_index("title")


@pytest.fixture(scope="module")
def reproduced(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("reproduced")
    return folder, *reproduce(folder, code=1)


@pytest.fixture
def finished(reproduced: tuple[Path, str, pd.DataFrame], tmp_path: Path) -> Path:
    """A copy of the runs and tables, to change."""
    return Path(shutil.copytree(reproduced[0], tmp_path / "copy"))


def test_each_row_stands_beside_its_claim(reproduced: tuple[Path, str, pd.DataFrame]) -> None:
    _, said, table = reproduced
    assert table.loc["Trees", "claimed"] == 88.4
    measured = table.drop(index="Lost")
    assert measured["accuracy"].between(0, 1).all()
    assert set(measured["corpus"]) == {"demo (synthetic)"}
    assert (measured["ms_per_song"] > 0).all()
    assert (measured["file_bytes"] > 0).all()
    assert (measured["peak_memory_mb"] > 0).all()
    assert len(set(measured["machine"])) == 1
    assert "† " not in said
    assert "82 %" in said


def test_a_failed_row_is_named_and_loses_no_other(reproduced: tuple[Path, str, pd.DataFrame]) -> None:
    _, said, table = reproduced
    assert "nowhere.h5" in table.loc["Lost", "problem"]
    assert table.drop(index="Lost")["problem"].isna().all()
    assert "failed: " in said


def test_rows_are_compared_with_the_first_on_the_same_tracks(reproduced: tuple[Path, str, pd.DataFrame]) -> None:
    _, _, table = reproduced
    for title in ("Words", "Frames", "Both"):
        gain = table.loc[title, "accuracy"] - table.loc["Trees", "accuracy"]
        assert table.loc[title, "difference"] == pytest.approx(gain)
        assert 0 <= table.loc[title, "p"] <= table.loc[title, "p_holm"] <= 1


def test_every_form_of_the_table_is_there(reproduced: tuple[Path, str, pd.DataFrame]) -> None:
    path = next(reproduced[0].glob("outputs/tables/quick/*/table.csv"))
    assert {file.name for file in path.parent.iterdir()} >= {"table.csv", "table.md", "table.tex", "table.png"}


def test_finished_runs_are_taken_and_the_table_follows_their_predictions(
    finished: Path, reproduced: tuple[Path, str, pd.DataFrame]
) -> None:
    folder, before = finished, reproduced[2]
    runs = sorted(folder.glob("outputs/*_*/*/*/run.json"))
    (run,) = (folder / "outputs/lyrics_tfidf/demo").iterdir()
    path = run / "predictions" / "test.csv"
    predictions = pd.read_csv(path)
    for genre in genre_columns(predictions):
        predictions[genre] = (predictions["genre"] == genre).astype(float)
    predictions.assign(predicted=predictions["genre"]).to_csv(path, index=False)
    _, table = reproduce(folder, code=1)
    assert sorted(folder.glob("outputs/*_*/*/*/run.json")) == runs
    assert table.loc["Words", "accuracy"] == 1.0
    assert table.loc["Both", "accuracy"] > before.loc["Both", "accuracy"]
    assert table.loc["Trees", "accuracy"] == before.loc["Trees", "accuracy"]


def test_costs_are_measured_where_the_machine_is_noted_and_marked_where_it_is_another(
    finished: Path,
) -> None:
    folder = finished
    trees, texts = (next(folder.glob(f"outputs/{name}/demo/*/costs.json")) for name in ("xgboost_97", "lyrics_tfidf"))
    here = json.loads(trees.read_text())
    elsewhere = here | {"machine": here["machine"] | {"processor": "Abacus"}, "ms_per_song": 5000}
    texts.write_text(json.dumps(elsewhere))
    without = {name: value for name, value in here.items() if name != "machine"} | {"ms_per_song": 1e9}
    trees.write_text(json.dumps(without))  # as an earlier version left it
    said, table = reproduce(folder, "rows=[xgboost_97,lyrics_tfidf,ensemble]")
    assert json.loads(trees.read_text())["machine"] == here["machine"]
    assert table.loc["Trees", "ms_per_song"] < 1e9
    assert json.loads(texts.read_text()) == elsewhere
    assert table.loc["Words", "machine"].startswith("Abacus, ")
    assert table["machine"].nunique() == 2
    assert "5,000†" in said
    (path,) = folder.glob("outputs/tables/quick/*rows*/table.md")
    assert "; † measured on Abacus, " in path.read_text()
    assert "† measured on Abacus, " in path.with_name("report.html").read_text()


def test_rows_can_be_chosen_and_are_averaged_over_seeds(demo: Tracks, tmp_path: Path) -> None:
    _, table = reproduce(tmp_path, "seeds=[0,1]", "rows=[lyrics_tfidf]")
    assert list(table.index) == ["Words"]
    assert table.loc["Words", "seeds"] == 2
    runs = [pd.read_csv(path) for path in tmp_path.glob("outputs/lyrics_tfidf/demo/*/predictions/test.csv")]
    means = [(run["genre"] == run["predicted"]).mean() for run in runs]
    assert table.loc["Words", "accuracy"] == pytest.approx(sum(means) / 2)


def test_a_table_that_was_killed_ends_as_one_that_was_not(
    reproduced: tuple[Path, str, pd.DataFrame], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "from genrefusion.cli import reproduce; reproduce()"]
    process = subprocess.Popen(
        [*command, *words(tmp_path, rows=ROWS[:2])], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until = time.monotonic() + 120
    while not list(tmp_path.glob("outputs/lyrics_tfidf/demo/*/run.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.glob("outputs/tables"))
    said, table = reproduce(tmp_path, rows=ROWS[:2])
    assert "found" in said
    same = ["accuracy", "accuracy_low", "accuracy_high", "macro_f1", "difference", "p", "n"]
    pd.testing.assert_frame_equal(table[same], reproduced[2].loc[["Trees", "Words"], same], check_dtype=False)


def test_rows_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    answer = run_here("reproduce", *words(tmp_path, "rows=[lyrics_tfidff]"), cwd=tmp_path)
    assert answer.returncode == 2
    assert "Did you mean 'lyrics_tfidf'?" in answer.stderr


@pytest.mark.parametrize("table", sorted(path.stem for path in (configs_directory() / "table").glob("*.yaml")))
def test_every_row_of_a_table_names_an_experiment(table: str) -> None:
    rows = OmegaConf.load(configs_directory() / "table" / f"{table}.yaml").rows
    experiments = {path.stem for path in (configs_directory() / "experiment").glob("*.yaml")}
    assert {row.experiment for row in rows} <= experiments
    assert all(row.evidence for row in rows if row.get("claimed") is not None)
