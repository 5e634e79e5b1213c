"""The ready answer: `predict` with the published tag network in place of a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import genrefusion
from conftest import run_here, shared
from genrefusion.commands.predict import predict_files
from genrefusion.pipelines.ready import TAG_OF, reference
from genrefusion.settings.commands import PredictConfig, WeightsFile
from genrefusion.settings.trainer import TrainerSettings

SCHEMA = json.loads(Path(genrefusion.__file__).with_name("prediction.schema.json").read_text())

WriteTone = Callable[..., Path]
Ask = Callable[..., str]


@pytest.fixture
def ask(musicnn_weights: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """What the network answers, as it is printed."""

    def ask(audio: Path, form: str = "json", *, code: int = 0, **settings: Any) -> str:
        weights = WeightsFile(weights=str(musicnn_weights))
        given = PredictConfig(
            model="musicnn", audio=str(audio), format=form, features=weights, trainer=TrainerSettings(), **settings
        )
        assert predict_files(given) == code
        return capsys.readouterr().out

    return ask


def test_a_song_gets_genres_frames_and_tags_over_time(ask: Ask, write_tone: WriteTone, tmp_path: Path) -> None:
    (answer,) = found = json.loads(ask(write_tone(tmp_path / "song.wav", seconds=50)))
    jsonschema.validate(found, SCHEMA)
    assert list(answer["probabilities"]) == list(TAG_OF)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["genre"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert [(round(frame["begin"]), round(frame["end"])) for frame in answer["frames"]] == [(0, 27), (27, 50)]
    tags = answer["tags"]
    assert len(tags["begin"]) == len(tags["end"]) == 17
    assert tags["end"][-1] == pytest.approx(50, abs=0.02)
    assert {len(row) for row in tags["probabilities"].values()} == {17}
    ratios = {genre: np.mean(tags["probabilities"][tag]) / reference()[tag] for genre, tag in TAG_OF.items()}
    expected = {genre: ratio / sum(ratios.values()) for genre, ratio in ratios.items()}
    assert answer["probabilities"] == pytest.approx(expected, rel=0.01)


def test_tags_have_a_line_each_and_stay_what_they_are(ask: Ask, write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "[ 1, 2 ].wav", seconds=10)
    lines = ask(song).splitlines()
    assert len([line for line in lines if line.lstrip().startswith('"Hip-Hop": [')]) == 1
    assert len(lines) < 120
    assert json.loads("".join(lines))[0]["audio"] == str(song)


def test_a_folder_as_csv(ask: Ask, write_tone: WriteTone, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / name, seconds=4)
    (tmp_path / "c.mp3").write_text("<html>")
    rows = list(csv.reader(io.StringIO(ask(tmp_path, "csv", code=1))))
    assert rows[0] == ["audio", "lyrics", "begin", "end", "predicted", *TAG_OF]
    assert [(Path(row[0]).name, row[2]) for row in rows[1:]] == [
        *(("a.wav", ""), ("a.wav", "0.000")),
        *(("b.wav", ""), ("b.wav", "0.000")),
    ]


def test_the_table_names_the_genres_it_knows_and_the_highest_tags(
    ask: Ask, write_tone: WriteTone, tmp_path: Path
) -> None:
    lines = ask(write_tone(tmp_path / "song.wav", seconds=4), "table").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["model", "song", "tags"]
    assert "blues, country, hiphop, jazz, metal, pop, rock" in lines[0]
    assert len(lines[2].split(", ")) == 5


def test_a_song_is_drawn(ask: Ask, write_tone: WriteTone, tmp_path: Path) -> None:
    ask(write_tone(tmp_path / "song.wav", seconds=4), plot=True, output=str(tmp_path / "drawn"))
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["song.png"]


def test_a_jazz_piano_is_jazz(ask: Ask) -> None:
    assert json.loads(ask(shared("bensound/thejazzpiano.mp3")))[0]["genre"] == "jazz"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "predict needs run=DIR, the folder of a run, or model=musicnn"),
        (["model=musicnn"], "predict needs run=DIR, the folder of a run, or model=musicnn"),
        (["model=musicnn", "run=somewhere", "audio=song.wav"], "leave one of them out"),
        (["model=weights/musicnn.whl", "audio=song.wav"], "No model 'weights/musicnn.whl'. Did you mean 'musicnn'?"),
        (["model=musicnn", "audio=song.wav", "lyrics=song.txt"], "model=musicnn reads no lyrics"),
        (["model=musicnn", "lyrics=song.txt"], "model=musicnn reads no lyrics"),
        (["model=musicnn", "audio=song.wav", "features.weights=none.whl"], "features.weights=none.whl: no such file"),
    ],
)
def test_mistakes_have_their_cure(words: list[str], message: str, write_tone: WriteTone, tmp_path: Path) -> None:
    write_tone(tmp_path / "song.wav")
    (tmp_path / "song.txt").write_text("words")
    answer = run_here("predict", *words, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_weights_beside_a_run_are_refused(tmp_path: Path) -> None:
    answer = run_here("predict", "run=somewhere", "audio=song.wav", "features.weights=musicnn.whl", cwd=tmp_path)
    assert answer.stderr == "features.weights is of model=musicnn; a run knows its own. Leave it out.\n"
