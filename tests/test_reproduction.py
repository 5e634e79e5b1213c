from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from conftest import TINY_DATA, TINY_NETWORK
from genrefusion.config import configs_directory

ROWS = [
    {"title": "Trees", "experiment": "xgboost_97", "claimed": 88.4, "overrides": ["pipeline.rounds=3"]},
    {"title": "Frames", "experiment": "multiframe", "claimed": 82, "overrides": [*TINY_NETWORK, "pipeline.epochs=1"]},
]


OF_ALL_ROWS = ["split.test_fraction=0.4", "data.songs_per_genre=5"]
"""The second is also on the command line."""


def reproduce(folder: Path) -> str:
    code = "from genrefusion.cli import reproduce; reproduce()"
    rows = OmegaConf.to_yaml(OmegaConf.create({"overrides": OF_ALL_ROWS, "rows": ROWS}))
    (folder / "table").mkdir(exist_ok=True)
    (folder / "table" / "quick.yaml").write_text(
        f"defaults: [schema/table@_here_]\nname: quick\ntitle: Quick\nsource: this test\n{rows}"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, f"hydra.searchpath=[file://{folder}]", "table=quick", *TINY_DATA],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def reproduced(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("reproduced")
    return folder, reproduce(folder)


def test_each_row_stands_beside_its_claim(reproduced: tuple[Path, str]) -> None:
    folder, said = reproduced
    table = pd.read_csv(folder / "outputs/tables/quick/demo/table.csv")
    assert list(table["claimed"]) == [88.4, 82.0]
    assert table["accuracy"].between(0, 1).all()
    assert set(table["corpus"]) == {"demo (synthetic)"}
    assert "82.0 %" in said


def test_overrides_of_a_table_are_for_every_row_and_the_command_line_comes_after_them(
    reproduced: tuple[Path, str],
) -> None:
    table = pd.read_csv(reproduced[0] / "outputs/tables/quick/demo/table.csv")
    assert table["n"].between(30, 50).all()  # of 80 songs; 0.2 would be 16, and 5 songs a genre 25 in all


def test_finished_runs_are_taken_and_the_table_follows_their_predictions(reproduced: tuple[Path, str]) -> None:
    folder, _ = reproduced
    runs = list((folder / "outputs/multiframe/demo").iterdir())
    path = runs[0] / "predictions" / "test.csv"
    predictions = pd.read_csv(path)
    genres = [column for column in predictions if column not in ("track_id", "fold", "genre", "predicted")]
    for genre in genres:
        predictions[genre] = (predictions["genre"] == genre).astype(float)
    predictions.to_csv(path, index=False)
    reproduce(folder)
    assert list((folder / "outputs/multiframe/demo").iterdir()) == runs
    table = pd.read_csv(folder / "outputs/tables/quick/demo/table.csv").set_index("row")
    assert table.loc["Frames", "accuracy"] == 1.0


@pytest.mark.parametrize("table", sorted(path.stem for path in (configs_directory() / "table").glob("*.yaml")))
def test_every_row_of_a_table_names_an_experiment(table: str) -> None:
    rows = OmegaConf.load(configs_directory() / "table" / f"{table}.yaml").rows
    experiments = {path.stem for path in (configs_directory() / "experiment").glob("*.yaml")}
    assert {row.experiment for row in rows} <= experiments
    assert all(row.evidence for row in rows if row.get("claimed") is not None)
