from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from conftest import TINY, compose_train
from genrefusion.config import PredictConfig
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.experiment import run_experiment
from genrefusion.prediction import find_songs, predict_files
from genrefusion.settings import TrainerSettings


@pytest.fixture(scope="module")
def run(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_experiment(compose_train(*TINY, "pipeline.epochs=1"), folder, quiet=True)
    return folder


def predict(run: Path, audio: Path | str, *, form: str = "json") -> int:
    return predict_files(PredictConfig(run=str(run), audio=str(audio), format=form, trainer=TrainerSettings()))


def test_a_test_song_gets_the_probabilities_of_the_run(
    run: Path, demo: Tracks, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = pd.read_csv(run / "predictions" / "test.csv").iloc[0]
    assert predict(run, demo.paths()[expected["track_id"]]) == 0
    answer = json.loads(capsys.readouterr().out)[0]
    assert answer["genre"] == expected["predicted"]
    assert answer["probabilities"] == pytest.approx({g: expected[g] for g in demo.genres}, abs=1e-4)
    assert len(answer["frames"]) >= 3


def test_a_moved_run_predicts_without_its_corpus(
    run: Path, demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "moved")
    shutil.copy(demo.paths()[demo.ids[0]], tmp_path / "song.flac")
    assert predict(tmp_path / "moved", tmp_path / "song.flac", form="csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "audio," + ",".join(demo.genres)
    assert len(lines) == 2


def test_unreadable_files_are_named_and_the_rest_goes_on(
    run: Path, write_tone: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "good.wav", seconds=4)
    (tmp_path / "bad.mp3").write_text("<html>")
    assert predict(run, tmp_path) == 1
    captured = capsys.readouterr()
    assert "bad.mp3" in captured.err
    assert [Path(song["audio"]).name for song in json.loads(captured.out)] == ["good.wav"]


def test_a_program_gets_an_empty_list_where_no_song_can_be_used(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp3").write_text("<html>")
    assert predict(run, tmp_path) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "bad.mp3   not an audio file" in captured.err


def test_the_table_shows_hostile_names_as_they_are(
    run: Path, write_tone: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "[bold]song[/bold].wav", seconds=4)
    assert predict(run, tmp_path, form="table") == 0
    assert "[bold]song[/bold].wav" in capsys.readouterr().out.replace("\n", "")


def test_songs_are_found_by_file_folder_and_pattern(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    a, b = write_tone(tmp_path / "a.wav"), write_tone(tmp_path / "deep" / "b.wav")
    (tmp_path / "notes.txt").write_text("no song")
    assert find_songs(str(a)) == [a]
    assert find_songs(str(tmp_path)) == [a, b]
    assert find_songs(str(tmp_path / "*" / "b.*")) == [b]
    with pytest.raises(UserError, match="no song there"):
        find_songs(str(tmp_path / "c*.wav"))
