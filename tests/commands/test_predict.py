from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile

import genrefusion
from conftest import TINY, TINY_DATA, compose_train, run_here, without_rendering
from genrefusion import load_pipeline
from genrefusion.commands import predict as predict_command
from genrefusion.commands.predict import predict_files, songs_at
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import ScratchCache
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import PredictConfig
from genrefusion.settings.trainer import TrainerSettings

pytestmark = pytest.mark.slow

SCHEMA = json.loads(Path(genrefusion.__file__).with_name("prediction.schema.json").read_text())

EXPERIMENTS = {
    "multiframe": [*TINY, "pipeline.epochs=1"],
    "other frames": [*TINY, "pipeline.epochs=1", "features.frame_seconds=4"],
    "segments": [*TINY_DATA, "experiment=xgboost_97", "features.segment_seconds=3", "pipeline.rounds=3"],
    "lyrics": [*TINY_DATA, "experiment=lyrics_tfidf"],
    "co-attention": [
        *(*TINY_DATA, "experiment=coattention", "features.frame_seconds=3", "pipeline.width=32", "pipeline.epochs=1"),
        *("pipeline.trunk.width=4", "pipeline.trunk.epochs=1", "pipeline.batch_size=8"),
        "text_encoder.model={tiny}",
    ],
}

Runs = Callable[[str], Path]
WriteTone = Callable[..., Path]


@pytest.fixture(scope="module")
def runs(demo: Tracks, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Runs:
    """Folder of a run of each experiment, trained when it is asked for."""
    made: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("runs") / "run"
            with without_rendering():
                words = [word.format(tiny=tiny_encoder) for word in EXPERIMENTS[name]]
                run_experiment(compose_train(*words), folder, quiet=True)
            made[name] = folder
        return made[name]

    return run


@pytest.fixture(scope="module")
def run(runs: Runs) -> Path:
    return runs("multiframe")


def predict(run: object, audio: object = None, *, form: str = "json", **settings: Any) -> int:
    given = None if audio is None else str(audio)
    return predict_files(PredictConfig(run=run, audio=given, format=form, trainer=TrainerSettings(), **settings))


@pytest.fixture
def answers(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[dict[str, Any]]]:
    """Predict, and read the JSON after it was checked against the schema."""

    def ask(run: object, audio: object = None, **settings: Any) -> list[dict[str, Any]]:
        predict(run, audio, **settings)
        found = json.loads(capsys.readouterr().out)
        jsonschema.validate(found, SCHEMA)
        for song in found:
            for row in (song["probabilities"], *(frame["probabilities"] for frame in song["frames"])):
                assert sum(row.values()) == pytest.approx(1, abs=1e-4)
        return found

    return ask


Answers = Callable[..., list[dict[str, Any]]]


def test_a_test_song_gets_the_probabilities_of_the_run(run: Path, demo: Tracks, answers: Answers) -> None:
    expected = pd.read_csv(run / "predictions" / "test.csv").iloc[0]
    frames = pd.read_csv(run / "frames" / "test.csv").query("track_id == @expected.track_id")
    answer = answers(str(run), demo.paths()[expected["track_id"]])[0]
    assert answer["genre"] == expected["predicted"]
    assert answer["probabilities"] == pytest.approx({g: expected[g] for g in demo.genres}, abs=1e-4)
    found = [[frame["probabilities"][g] for g in demo.genres] for frame in answer["frames"]]
    np.testing.assert_allclose(found, frames[demo.genres], atol=1e-4)


@pytest.mark.parametrize(("name", "length"), [("multiframe", 3), ("segments", 3)])
def test_frames_have_their_times(
    name: str, length: int, runs: Runs, write_tone: WriteTone, tmp_path: Path, answers: Answers
) -> None:
    answer = answers(str(runs(name)), write_tone(tmp_path / "song.wav", seconds=9.05))[0]
    assert answer["seconds"] == 9.05
    times = [(frame["begin"], frame["end"]) for frame in answer["frames"]]
    np.testing.assert_allclose(times, [(0, 3), (3, 6), (6, 9)], atol=0.06)


@pytest.mark.long
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_pipeline_answers(name: str, runs: Runs, demo: Tracks, tmp_path: Path, answers: Answers) -> None:
    """As the run did, for two of its test songs with their lyrics beside them."""
    expected = pd.read_csv(runs(name) / "predictions" / "test.csv").head(2)
    for track in expected["track_id"]:
        song = tmp_path / f"{track.replace('/', '_')}.flac"
        shutil.copy(demo.paths()[track], song)
        song.with_suffix(".txt").write_text(demo.lyrics[demo.ids.index(track)])
    found = {Path(answer["audio"]).stem: answer for answer in answers(str(runs(name)), tmp_path)}
    for row in expected.to_dict("records"):
        answer = found[row["track_id"].replace("/", "_")]
        assert answer["probabilities"] == pytest.approx({g: row[g] for g in demo.genres}, abs=2e-3)
        reads = name in ("lyrics", "co-attention")
        assert answer["lyrics"] == (f"sidecar {Path(answer['audio']).stem}.txt" if reads else None)
        assert (answer["seconds"] is None) == (name == "lyrics")


@pytest.mark.long
def test_a_side_may_be_missing(runs: Runs, write_tone: WriteTone, tmp_path: Path, answers: Answers) -> None:
    song = write_tone(tmp_path / "song.flac", seconds=4)
    (tmp_path / "words.txt").write_text("love and rain again")
    run = str(runs("co-attention"))
    heard, both, read = (
        answers(run, song)[0],
        answers(run, song, lyrics=str(tmp_path / "words.txt"))[0],
        answers(run, lyrics=str(tmp_path))[0],
    )
    assert [a["lyrics"] for a in (heard, both, read)] == [None, "file words.txt", "file words.txt"]
    assert read["audio"] is None
    assert len({json.dumps(a["probabilities"]) for a in (heard, both, read)}) == 3


def test_a_song_that_the_run_was_trained_on_is_told(
    run: Path, demo: Tracks, tmp_path: Path, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = pd.read_csv(run / "splits.csv", dtype=str).groupby("part")["track_id"].first()
    for part, track in parts.items():
        copy = Path(shutil.copyfile(demo.paths()[track], tmp_path / f"{part}.flac"))
        assert answers(run, copy)[0]["trained_on"] == (part != "test")
        predict(run, copy, form="table")
        assert ("the run was trained on it" in capsys.readouterr().out) == (part != "test")


def test_a_side_that_a_song_lacks_is_told(
    runs: Runs, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = write_tone(tmp_path / "song.wav", seconds=9)
    predict(runs("co-attention"), song, form="table")
    assert "no lyrics: answered without" in " ".join(capsys.readouterr().out.split())
    song.with_suffix(".txt").write_text("we dance all night\n" * 8)
    predict(runs("co-attention"), song, form="table")
    assert "answered without" not in " ".join(capsys.readouterr().out.split())


def test_lyrics_alone_suffice_for_a_run_that_reads_nothing_else(runs: Runs, tmp_path: Path, answers: Answers) -> None:
    (tmp_path / "song.mp3").write_text("no audio, but nobody listens")
    (tmp_path / "song.lrc").write_text("[00:01.00]love and rain again")
    answer = answers(str(runs("lyrics")), tmp_path)[0]
    assert answer["lyrics"] == "sidecar song.lrc"
    assert (
        answers(str(runs("lyrics")), lyrics=str(tmp_path / "song.lrc"))[0]["probabilities"] == answer["probabilities"]
    )


def test_of_a_folder_of_lyrics_hidden_files_and_folders_are_none(runs: Runs, tmp_path: Path, answers: Answers) -> None:
    for name in ("song.txt", "._song.txt", ".notes.lrc"):
        (tmp_path / name).write_text("love and rain again")
    (tmp_path / "album.txt").mkdir()
    assert [a["lyrics"] for a in answers(str(runs("lyrics")), lyrics=str(tmp_path))] == ["file song.txt"]


def test_lyrics_in_tags_are_found(runs: Runs, write_tone: WriteTone, tmp_path: Path, answers: Answers) -> None:
    file = mutagen.File(write_tone(tmp_path / "song.flac"))
    file["LYRICS"] = "love and rain again"
    file.save()
    assert answers(str(runs("lyrics")), tmp_path)[0]["lyrics"] == "tags"


def test_lyrics_that_are_no_text_are_named_and_the_song_goes_on(
    runs: Runs, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "song.flac", seconds=4)
    (tmp_path / "song.txt").write_bytes(b"\xff\xfe\x00")
    assert predict(str(runs("co-attention")), tmp_path) == 1
    captured = capsys.readouterr()
    assert "song.txt   lyrics cannot be read (no text" in captured.err
    assert json.loads(captured.out)[0]["lyrics"] is None


def test_a_song_without_what_is_needed_is_named(
    runs: Runs, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "song.flac")
    assert predict(str(runs("lyrics")), tmp_path) == 1
    captured = capsys.readouterr()
    assert "song.flac   no lyrics, which the run needs" in captured.err
    assert json.loads(captured.out) == []


def test_runs_are_joined_by_their_mean(runs: Runs, demo: Tracks, tmp_path: Path, answers: Answers) -> None:
    song = tmp_path / "song.flac"
    shutil.copy(demo.paths()[demo.ids[0]], song)
    (tmp_path / "words.txt").write_text("love and rain again")
    names = [str(runs(name)) for name in ("multiframe", "segments", "lyrics")]
    parts = [
        answers(name, song, lyrics=None if number < 2 else str(tmp_path / "words.txt"))
        for number, name in enumerate(names)
    ]
    rows = [part[0]["probabilities"] for part in parts]
    joined = answers(names, song, lyrics=str(tmp_path / "words.txt"))[0]
    assert joined["probabilities"] == pytest.approx({g: np.mean([r[g] for r in rows]) for g in demo.genres}, abs=1e-5)
    assert joined["frames"] == []
    without = answers(names, song)[0]
    assert without["probabilities"] == pytest.approx(
        {g: np.mean([r[g] for r in rows[:2]]) for g in demo.genres}, abs=1e-5
    )


def test_frames_are_joined_where_they_are_the_same(runs: Runs, demo: Tracks, answers: Answers) -> None:
    song = demo.paths()[demo.ids[0]]
    one = answers(str(runs("multiframe")), song)
    assert answers([str(runs("multiframe"))] * 2, song) == one
    assert answers([str(runs("multiframe")), str(runs("other frames"))], song)[0]["frames"] == []


def test_runs_of_other_genres_are_refused(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["genres"] = [*record["genres"][1:], "ska"]
    (other / "run.json").write_text(json.dumps(record))
    with pytest.raises(
        UserError, match=r"other genres cannot be joined:\n  blues: only in .*run\n  ska: only in .*other"
    ):
        predict([str(run), str(other)], "song.wav")


def test_a_run_on_ready_features_is_refused(demo: Tracks, tmp_path: Path, write_tone: WriteTone) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(len(demo), 2)), pd.Index(demo.ids, name="track_id"), ["a", "b"])
    table.to_csv(tmp_path / "ready.csv")
    words = ["experiment=xgboost", "pipeline.estimator=logistic", "features=table"]
    config = compose_train(*TINY_DATA, *words, f"features.path={tmp_path / 'ready.csv'}")
    with without_rendering():
        run_experiment(config, tmp_path / "run", quiet=True)
    with pytest.raises(UserError, match=r"reads ready features \(.*ready.csv\), which other songs do not have"):
        predict(str(tmp_path / "run"), write_tone(tmp_path / "song.wav"))


def test_a_run_on_composed_songs_says_once_what_answers_for_real_ones(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / "my songs" / name)
    assert predict([str(run), str(run)], tmp_path / "my songs") == 0
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith(f"note     run=[{run},{run}] learned from composed songs")
    assert line.endswith(f"predict model=musicnn 'audio={tmp_path}/my songs'")
    jsonschema.validate(json.loads(printed.out), SCHEMA)

    real = shutil.copytree(run, tmp_path / "real")
    record = json.loads((real / "run.json").read_text())
    (real / "run.json").write_text(json.dumps(record | {"synthetic": False}))
    assert predict(str(real), tmp_path / "my songs") == 0
    assert capsys.readouterr().err == ""


def test_of_a_run_programs_get_what_they_always_got(run: Path, write_tone: WriteTone, tmp_path: Path, answers) -> None:
    (answer,) = answers(str(run), write_tone(tmp_path / "song.wav", seconds=4))
    assert sorted(answer) == sorted(SCHEMA["items"]["required"])


def test_a_moved_run_predicts_without_its_corpus(
    run: Path, demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "moved")
    shutil.copy(demo.paths()[demo.ids[0]], tmp_path / "song.flac")
    assert predict(str(tmp_path / "moved"), tmp_path / "song.flac", form="csv") == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["audio", "lyrics", "begin", "end", "predicted", *demo.genres]
    assert [row[2:4] for row in rows[1:]] == [["", ""], ["0.000", "3.000"], ["3.008", "6.008"], ["6.016", "9.016"]]


def test_a_program_from_python_gets_the_same(run: Path, demo: Tracks, answers: Answers) -> None:
    expected = load_pipeline(run).predict_proba(demo.subset(demo.ids[:1])).tracks.iloc[0]
    assert answers(str(run), demo.paths()[demo.ids[0]])[0]["probabilities"] == pytest.approx(dict(expected), abs=1e-5)


def test_unreadable_files_are_named_and_the_rest_goes_on(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "good.wav", seconds=4)
    (tmp_path / "empty.flac").touch()
    (tmp_path / "text.mp3").write_text("<html>")
    (tmp_path / "folder.mp3").mkdir()
    write_tone(tmp_path / "silent.wav", level=0)
    write_tone(tmp_path / "short.wav", seconds=0.1)
    soundfile.write(tmp_path / "nan.wav", np.full(44100, np.nan, np.float32), 22050, "FLOAT")
    whole = write_tone(tmp_path / "cut.ogg", seconds=9).read_bytes()
    (tmp_path / "cut.ogg").write_bytes(whole[: len(whole) // 2])
    assert predict(str(run), tmp_path) == 1
    captured = capsys.readouterr()
    assert [Path(song["audio"]).name for song in json.loads(captured.out)] == ["good.wav"]
    named = dict(line.removeprefix(f"{tmp_path}/").split("   ", 1) for line in captured.err.splitlines())
    assert "composed songs" in named.pop("note")
    assert named.pop("cut.ogg").startswith(("cut off", "damaged"))
    assert named == {
        "empty.flac": "empty",
        "folder.mp3": "a folder, not a file",
        "nan.wav": "holds samples that are no numbers (NaN or infinite)",
        "short.wav": "too short: 0.10 s (data.min_seconds is 1)",
        "silent.wav": "silent",
        "text.mp3": 'not an audio file (starts with "<html>")',
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_song_without_permission_is_named(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "song.wav").chmod(0)
    assert predict(str(run), tmp_path) == 1
    assert "song.wav   no permission to read it" in capsys.readouterr().err


def test_one_song_that_a_pipeline_refuses_does_not_take_others_along(
    runs: Runs,
    write_tone: WriteTone,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genrefusion.data.mixing.LOUDEST", np.inf)  # or the song would be refused before
    write_tone(tmp_path / "good.wav", seconds=4)
    soundfile.write(tmp_path / "loud.wav", np.full(88200, 1e9, np.float32), 22050, "FLOAT")
    assert predict(str(runs("segments")), tmp_path) == 1
    captured = capsys.readouterr()
    assert [Path(song["audio"]).name for song in json.loads(captured.out)] == ["good.wav"]
    assert "loud.wav   The audio has samples that are not finite or beyond 1e6" in captured.err


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_one_song_of_wild_samples_takes_no_others_along(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    write_tone(tmp_path / "good.wav", seconds=4)
    soundfile.write(tmp_path / "loud.wav", np.full(88200, 1e30, np.float32), 22050, "FLOAT")
    (tmp_path / "link").symlink_to(tmp_path)
    assert predict(str(run), tmp_path, form=form) == 1
    captured = capsys.readouterr()
    assert "good.wav" in captured.out
    _, again, loud = captured.err.splitlines()
    assert again == f"{tmp_path}/link   behind links in a circle (to the whole folder, in which it lies)"
    assert loud.startswith(f"{tmp_path}/loud.wav   holds samples up to 1e+30, where 1 is full scale")


@pytest.mark.parametrize("form", ["table", "csv"])
def test_what_a_mix_to_mono_loses_is_noted(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    tone, rate = soundfile.read(write_tone(tmp_path / "song.wav", seconds=4))
    soundfile.write(tmp_path / "song.wav", np.stack([tone, -0.8 * tone], axis=1), rate)
    assert predict(str(run), tmp_path / "song.wav", form=form) == 0
    captured = capsys.readouterr()
    assert "mixed to mono it loses 19 dB" in (captured.out if form == "table" else captured.err)


def test_a_program_gets_an_empty_list_where_no_song_can_be_used(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp3").write_text("<html>")
    assert predict(str(run), tmp_path) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "bad.mp3   not an audio file" in captured.err


def test_the_table_shows_percents_and_times(
    run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tone(tmp_path / "song.wav", seconds=6.05)
    assert predict(str(run), tmp_path, form="table") == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0].endswith("song.wav   0:06")
    assert re.fullmatch(r"\w+ +\d+ %  ━+", lines[1])
    assert [line.split()[0] for line in lines[-2:]] == ["0:00–0:03", "0:03–0:06"]


HOSTILE = ("[bold]song[/bold]", 'it\'s "x", ${y} \\', "two\nlines\x1b[31m", "東京", os.fsdecode(b"latin\xe9"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_on_one_line_as_they_are(
    name: str, run: Path, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"{name}.wav"
    target.parent.mkdir(exist_ok=True)  # one of them has a slash
    shutil.move(write_tone(tmp_path / "song.wav"), target)
    settings = {"plot": True, "output": str(tmp_path / "drawn")}
    assert predict(str(run), target, form="table", **settings) == 0
    shown = name.replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\udce9", "\\xe9")
    assert f"{tmp_path}/{shown}.wav   0:02\n" in capsys.readouterr().out
    assert predict(str(run), tmp_path, form="json") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["audio"] == f"{tmp_path}/{name}.wav".replace("\udce9", "\\xe9")
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_can_be_typed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str | None] = []
    monkeypatch.setattr(predict_command, "predict_files", lambda config: given.append(config.audio) or 0)
    assert run_here("predict", "run=x", f"audio={name}.wav", cwd=tmp_path).returncode == 0
    assert given == [f"{name}.wav"]


def test_several_songs_are_typed_in_brackets_but_for_a_name_with_brackets(
    run: Path, write_tone: WriteTone, tmp_path: Path
) -> None:
    for name in ("a b.wav", "2", "[2]"):
        shutil.move(write_tone(tmp_path / "song.wav"), tmp_path / name)

    def answered(audio: str) -> list[str]:
        done = run_here("predict", f"run={run}", f"audio={audio}", "format=json", cwd=tmp_path)
        assert done.returncode == 0
        return [answer["audio"] for answer in json.loads(done.stdout)]

    assert answered("['a b.wav',2]") == ["a b.wav", "2"]
    assert answered("[2]") == ["[2]"]


def test_bytes_that_are_no_text_can_be_typed_in_a_terminal(tmp_path: Path) -> None:
    code = "from genrefusion import cli; from genrefusion.commands import predict; predict.predict_files = lambda c: print(ascii(c.audio)); cli.predict()"
    command = [sys.executable, "-c", code, "run=x", b"audio=latin\xe9.wav"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout == ascii("latin\udce9.wav") + "\n"


def test_two_songs_of_one_name_have_two_pictures(run: Path, write_tone: WriteTone, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_tone(tmp_path / folder / f"{'long' * 60}.wav")
    before = sorted(tmp_path.rglob("*"))
    assert predict(str(run), tmp_path, plot=True, output=str(tmp_path / "drawn")) == 0
    pictures = sorted((tmp_path / "drawn").iterdir())
    assert [p.name.removeprefix("long") != p.name and p.read_bytes()[1:4] for p in pictures] == [b"PNG"] * 2
    assert sorted(p for p in tmp_path.rglob("*") if "drawn" not in p.parts) == before


def test_features_are_kept_where_a_cache_is_named(
    run: Path, write_tone: WriteTone, tmp_path: Path, cache: Path
) -> None:
    song = write_tone(tmp_path / "song.wav", level=0.123)
    before = set(cache.rglob("*"))
    assert predict(str(run), song) == 0
    assert set(cache.rglob("*")) == before
    assert predict(str(run), song, cache=str(tmp_path / "kept")) == 0
    assert len(list((tmp_path / "kept").rglob("*.safetensors"))) == 1


def test_songs_are_forgotten_after_they_are_answered(
    run: Path, write_tone: WriteTone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [write_tone(tmp_path / "songs" / f"{n}.wav", level=0.1 + 0.05 * n) for n in range(5)]
    kept: list[int] = []
    forget = ScratchCache.forget

    def count(cache: ScratchCache, name: str | None = None) -> None:
        kept.append(sum(len(store.songs) for store in cache.stores.values()))
        forget(cache, name)

    monkeypatch.setattr(ScratchCache, "forget", count)
    assert predict(str(run), songs[0].parent, workers=1) == 0
    assert [number for number in kept if number] == [2, 2, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"run": None}, "predict needs run=DIR"),
        ({"audio": None}, "predict needs run=DIR"),
        ({"audio": "{folder}/none*"}, "no song there"),
        ({"audio": "**x"}, r"audio=\*\*x: "),
        ({"lyrics": "{folder}/none.txt"}, "none.txt: no such file or folder"),
        ({"lyrics": "{folder}/words.txt"}, "one file for 2 songs"),
        ({"lyrics": "{folder}"}, "the run reads no lyrics"),
        ({"audio": None, "lyrics": "{folder}/words.txt"}, "the run reads no lyrics"),
    ],
)
def test_mistakes_have_their_cure(
    settings: dict[str, str | None], message: str, run: Path, write_tone: WriteTone, tmp_path: Path
) -> None:
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / name)
    (tmp_path / "words.txt").write_text("words")
    given = {"run": str(run), "audio": str(tmp_path)} | settings
    given = {key: value and value.format(folder=tmp_path) for key, value in given.items()}
    with pytest.raises(UserError, match=message):
        predict(**given)


def test_songs_are_found_by_file_folder_and_pattern(write_tone: WriteTone, tmp_path: Path) -> None:
    a, b = write_tone(tmp_path / "a.wav"), write_tone(tmp_path / "deep" / "b.wav")
    (tmp_path / "notes.txt").write_text("no song")
    assert songs_at(str(a)).songs == [a]
    assert songs_at(str(tmp_path)).songs == [a, b]
    assert songs_at(str(tmp_path / "*")).songs == [a, b]
    assert songs_at(str(tmp_path / "*" / "b.*")).songs == [b]
    assert songs_at(str(tmp_path / "notes.txt")).songs == [tmp_path / "notes.txt"]
    with pytest.raises(UserError, match="no song there"):
        songs_at(str(tmp_path / "c*.wav"))


def test_nothing_slow_is_imported_that_a_prediction_does_not_need(
    run: Path, write_tone: WriteTone, tmp_path: Path
) -> None:
    code = (
        "import sys; from genrefusion.cli import predict\n"
        "try: predict()\n"
        "except SystemExit: print({'sklearn', 'matplotlib', 'librosa', 'numba', 'pandera', 'transformers', 'h5py',"
        " 'xgboost', 'scipy.stats', 'scipy.signal', 'scipy.optimize'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, f"run={run}", f"audio={write_tone(tmp_path / 'song.wav')}", "format=csv"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "set()"


def test_where_no_song_is_answered_the_end_is_no_success(runs: Runs, tmp_path: Path, capsys) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    asked = PredictConfig(run=str(runs("multiframe")), audio=str(tmp_path), format="json", trainer=TrainerSettings())
    assert predict_files(asked) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == []
    assert printed.err.splitlines()[-1] == "Not one of 2 songs could be answered."
