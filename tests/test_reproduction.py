from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

TINY_DATA = ["data.songs_per_genre=8", "data.seconds=9", "trainer.threads=1"]


def reproduce(folder: Path, *overrides: str) -> str:
    code = "from genrefusion.cli import reproduce; reproduce()"
    answer = subprocess.run(
        [sys.executable, "-c", code, *TINY_DATA, *overrides],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


@pytest.fixture(scope="module")
def reproduced(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("reproduced")
    return folder, reproduce(folder)


def test_each_row_stands_beside_its_claim(reproduced: tuple[Path, str]) -> None:
    folder, said = reproduced
    table = pd.read_csv(folder / "outputs/tables/paper/demo/table.csv")
    assert list(table["claimed"]) == [88.4, 82.0, 82.4, 87.35]
    assert table["accuracy"].between(0, 1).all()
    assert set(table["corpus"]) == {"demo (synthetic)"}
    assert "82.4 %" in said


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
    table = pd.read_csv(folder / "outputs/tables/paper/demo/table.csv").set_index("row")
    assert table.loc["Multi-frame averaging", "accuracy"] == 1.0
