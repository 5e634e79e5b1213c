"""``evaluate calibrate=true``: what the temperature is fitted on, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.calibration import FEWEST_TRACKS, apply_temperature, fit_temperature, too_few_to_calibrate
from genrefusion.metrics.predictions import arrays, genre_columns, read_predictions
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.trainer import TrainerSettings
from pages import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]


@pytest.fixture(scope="module")
def trained(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "folds"
    words = [*TINY_DATA, "experiment=lyrics_tfidf", "split=kfold", "split.folds=2"]
    run_experiment(compose_train(*words), folder, quiet=True)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def evaluate(run: Path, *, calibrate: bool = True, data: Any = None) -> dict[str, Any]:
    return evaluate_run(
        EvaluateConfig(run=str(run), calibrate=calibrate, data=data, trainer=TrainerSettings()), quiet=True
    )


def found(run: Path, corpus: str = "demo") -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Test predictions before and after, and what was noted."""
    folder = run / "evaluations"
    before, after = (
        read_predictions(folder / name / "predictions" / "test.csv") for name in (corpus, f"{corpus}_calibrated")
    )
    return before, after, json.loads((folder / f"{corpus}_calibrated" / "calibration.json").read_text())


def test_accuracy_does_not_change_and_nothing_is_overwritten(run: Path) -> None:
    plain = evaluate(run, calibrate=False)
    page = run / "evaluations" / "demo" / "report.html"  # which says what came of it
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path != page}
    calibrated = evaluate(run)
    assert calibrated["test"]["accuracy"] == plain["test"]["accuracy"]
    assert calibrated["test"]["genres"] == plain["test"]["genres"]
    assert calibrated["test"]["log_loss"] != plain["test"]["log_loss"]
    assert {path: path.read_bytes() for path in kept} == kept
    before, after, _ = found(run)
    pd.testing.assert_frame_equal(after[["track_id", "fold", "genre", "predicted"]], before.iloc[:, :4])


def test_each_fold_gets_the_temperature_of_its_own_validation_tracks(run: Path) -> None:
    evaluate(run)
    before, after, noted = found(run)
    val = read_predictions(run / "predictions" / "val.csv")
    for fold, temperature in enumerate(noted["temperatures"]):
        assert temperature == fit_temperature(*arrays(val[val["fold"] == fold]))
        expected = apply_temperature(arrays(before[before["fold"] == fold])[1], temperature)
        np.testing.assert_allclose(arrays(after[after["fold"] == fold])[1], expected, atol=1e-8)
    assert len(set(noted["temperatures"])) == 2


def test_only_the_validation_tracks_decide_the_temperature(run: Path) -> None:
    """The saved test predictions may say what they like; another verdict on the validation tracks changes it."""
    evaluate(run)
    first = found(run)[2]["temperatures"]
    saved = run / "predictions" / "test.csv"
    test = pd.read_csv(saved)
    test.assign(genre=test["genre"].to_numpy()[::-1]).to_csv(saved, index=False)
    evaluate(run)
    assert found(run)[2]["temperatures"] == first
    saved = run / "predictions" / "val.csv"
    val = pd.read_csv(saved)
    genres = val["genre"].where(val["fold"] == 0, val["predicted"])
    val.assign(genre=genres).to_csv(saved, index=False)
    evaluate(run)
    assert found(run)[2]["temperatures"] == [first[0], 1], "of the second fold every validation track is right now"


def test_another_corpus_gets_the_temperature_of_all_validation_tracks(run: Path, demo: Tracks, tmp_path: Path) -> None:
    table = demo.table.reset_index()[["track_id", "genre", "lyrics"]].groupby("genre").head(2)
    table.to_csv(tmp_path / "other.csv", index=False)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"trained_on": []}))
    data = compose_train("data=manifest", f"data.manifest={tmp_path / 'other.csv'}").data
    evaluate(run, data=data)
    (folder,) = (run / "evaluations").glob("*_calibrated")
    before, after, noted = found(run, folder.name.removesuffix("_calibrated"))
    temperature = fit_temperature(*arrays(read_predictions(run / "predictions" / "val.csv")))
    assert noted["temperatures"] == [temperature]
    expected = apply_temperature(arrays(before)[1], temperature)
    np.testing.assert_allclose(after[genre_columns(after)], expected, atol=1e-8)


def test_what_is_said_before_and_after_is_what_the_tables_have(run: Path) -> None:
    plain = evaluate(run, calibrate=False)["test"]
    calibrated = evaluate(run)["test"]
    noted = found(run)[2]
    for name in ("log_loss", "calibration_error"):
        assert noted["before"][name] == pytest.approx(plain[name])
        assert noted["after"][name] == pytest.approx(calibrated[name], abs=1e-6)
    assert (run / "evaluations" / "demo_calibrated" / "figures" / "reliability.png").is_file()


def test_the_page_has_what_it_changes_as_long_as_the_predictions_stay(run: Path) -> None:
    evaluate(run)
    evaluate(run, calibrate=False)
    known = json.loads((run / "evaluations" / "demo_calibrated" / "calibration.json").read_text())
    rows = Page(run / "evaluations" / "demo" / "report.html").tables["Before and after temperature scaling"][1:]
    assert rows == [
        [name.replace("_", " "), f"{before:.3f}", f"{known['after'][name]:.3f}"]
        for name, before in known["before"].items()
    ]


def test_few_validation_songs_are_told_on_the_terminal_and_on_the_page(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_run(EvaluateConfig(run=str(run), calibrate=True, trainer=TrainerSettings()))
    songs = len(read_predictions(run / "predictions" / "val.csv")) // 2  # for each of the two folds
    said = too_few_to_calibrate(songs)
    assert f"from {songs} validation songs says little" in said
    assert capsys.readouterr().out.splitlines().count(f"note     {said}") == 1
    page = " ".join(Page(run / "evaluations" / "demo" / "report.html").text.split())
    assert page.count(said[1:]) == 1
    assert too_few_to_calibrate(FEWEST_TRACKS) == ""


def test_a_run_without_validation_predictions_cannot_be_calibrated(run: Path) -> None:
    (run / "predictions" / "val.csv").unlink()
    with pytest.raises(UserError, match=r"val.csv: no such file"):
        evaluate(run)
