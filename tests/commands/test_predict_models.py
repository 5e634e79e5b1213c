"""The ready answer: `predict` with the published tag network in place of a run."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import soundfile

import genrefusion
from conftest import compose_train, run_here, shared, without_rendering
from genrefusion.commands.predict import predict_files
from genrefusion.pipelines.ready import TAG_OF, reference
from genrefusion.runs.training import run_experiment
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


def test_what_is_wrong_with_weights_is_said_once_and_before_any_song(tmp_path: Path, write_tone: WriteTone) -> None:
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / "songs" / name)
    (tmp_path / "w.safetensors").write_text("text")
    answer = run_here("predict", "model=musicnn", "audio=songs", "features.weights=w.safetensors", cwd=tmp_path)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("w.safetensors: not the weights of musicnn==0.1.0 (")


def write_noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(32_000), 16_000)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve songs of two genres."""
    folder = tmp_path_factory.mktemp("songs")
    for number in range(12):
        write_noise(folder / ("jazz", "rock")[number % 2] / f"{number}.wav", number)
    return folder


def trained_on(weights: Path, corpus: Path, folder: Path) -> Path:
    """A run on given weights, which then are nowhere but in its cache."""
    given = Path(shutil.copy(weights, folder / "given.safetensors"))
    words = ["experiment=xgboost", "pipeline.rounds=2", "features=musicnn", f"features.weights={given}"]
    config = compose_train(*words, "data=folder", f"data.root={corpus}", f"cache={folder / 'cache'}")
    with without_rendering():
        run_experiment(config, folder / "run", quiet=True)
    given.unlink()
    return folder


@pytest.fixture(scope="module")
def on_published(musicnn_weights: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_on(musicnn_weights, corpus, tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def on_others(other_weights: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_on(other_weights, corpus, tmp_path_factory.mktemp("others"))


def predict(folder: Path, corpus: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = [f"run={folder / 'run'}", f"audio={corpus / 'jazz'}", "format=csv", *words]
    return run_here("predict", *given, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["on_published", "on_others"])
def test_a_run_finds_its_weights_in_the_cache_without_their_path(
    trained: str, request: pytest.FixtureRequest, corpus: Path
) -> None:
    folder = request.getfixturevalue(trained)
    assert predict(folder, corpus, f"cache={folder / 'cache'}").returncode == 0


@pytest.mark.slow
def test_a_run_on_published_weights_keeps_their_name(on_published: Path) -> None:
    kept = json.loads((on_published / "run" / "model" / "pipeline.json").read_text())["features"]
    assert (kept["weights"], kept["weights_sha256"]) == ("musicnn", None)


@pytest.mark.slow
def test_beside_a_run_its_weights_may_be_given_and_no_others(
    on_others: Path, corpus: Path, musicnn_weights: Path, other_weights: Path
) -> None:
    empty = f"cache={on_others / 'empty'}"
    lost = predict(on_others, corpus, empty)
    assert (lost.returncode, lost.stderr.count("\n")) == (2, 1)
    assert "given.safetensors: no such file. Give the path of the wheel" in lost.stderr
    wrong = predict(on_others, corpus, empty, f"features.weights={musicnn_weights}")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "not the weights that the run was trained on" in wrong.stderr
    usual = predict(on_others, corpus, f"cache={on_others / 'cache'}")
    assert predict(on_others, corpus, empty, f"features.weights={other_weights}").stdout == usual.stdout


@pytest.mark.slow
def test_weights_are_given_to_an_evaluation_too(on_others: Path, other_weights: Path) -> None:
    words = [f"run={on_others / 'run'}", f"cache={on_others / 'other'}", f"features.weights={other_weights}"]
    assert run_here("evaluate", *words, cwd=on_others).returncode == 0
