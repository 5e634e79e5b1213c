from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

import genrefusion
from conftest import TINY_DATA, compose_train, run_here
from genrefusion import (
    Run,
    Tracks,
    UserError,
    extract,
    find_runs,
    load_pipeline,
    make_pipeline,
    open_corpus,
    open_run,
    predict,
    train,
)
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.commands.predict import predict_files
from genrefusion.metrics.predictions import genre_columns
from genrefusion.reports.terminal_tables import with_interval
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig, PredictConfig, WeightsFile
from genrefusion.settings.trainer import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]


@pytest.fixture(autouse=True)
def no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program is no command of Hydra's, whose settings others of these tests have left."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)


@pytest.fixture(scope="module")
def output(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs and one that never ended."""
    folder = tmp_path_factory.mktemp("outputs")
    words = ["experiment=lyrics_tfidf", *TINY_DATA]
    run_experiment(compose_train(*words), folder / "lyrics_tfidf" / "demo" / "1", quiet=True)
    folds = compose_train(*words, "split=kfold", "split.folds=2")
    run_experiment(folds, folder / "lyrics_tfidf" / "demo" / "2", quiet=True)
    (folder / "lyrics_tfidf" / "demo" / "3").mkdir()
    (folder / "lyrics_tfidf" / "demo" / "3" / "run.json").write_text('{"status": "running"}')
    return folder


def test_finished_runs_are_listed_oldest_first(output: Path) -> None:
    runs = find_runs(output)
    assert [folder.name for folder in runs["directory"]] == ["1", "2"]
    assert runs["n"].iloc[1] == 80
    assert runs["accuracy"].between(0, 1).all()


def test_a_folder_without_runs_gives_an_empty_list(tmp_path: Path) -> None:
    assert find_runs(tmp_path).empty


def test_a_corpus_is_found_by_what_would_be_typed(demo: Tracks) -> None:
    assert open_corpus(*TINY_DATA).ids == demo.ids


def test_a_moved_run_predicts_as_it_did(output: Path, demo: Tracks, tmp_path: Path) -> None:
    run = shutil.copytree(output / "lyrics_tfidf" / "demo" / "1", tmp_path / "moved")
    expected = open_run(run).predictions().set_index("track_id")
    found = load_pipeline(run).predict_proba(demo.subset(list(expected.index))).tracks
    genres = genre_columns(expected.reset_index())
    pd.testing.assert_frame_equal(found, expected[genres], check_names=False, atol=1e-6)


def test_a_run_of_several_folds_answers_with_their_mean(output: Path, demo: Tracks) -> None:
    run = output / "lyrics_tfidf" / "demo" / "2"
    pipeline = load_pipeline(run)
    members = [p.predict_proba(demo).tracks for p in open_run(run).pipelines(pipeline.context)]
    assert len(members) == 2
    pd.testing.assert_frame_equal(pipeline.predict_proba(demo).tracks, sum(members) / 2, check_names=False)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, genrefusion; print({'torch', 'pandas', 'sklearn', 'hydra'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_what_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_model'"):
        _ = genrefusion.load_model  # type: ignore[attr-defined]


def test_pieces_of_songs_can_be_opened(demo: Tracks) -> None:
    pieces = open_corpus(*TINY_DATA, "data.piece_seconds=3")
    assert pieces.table["song"].nunique() == len(demo)
    assert len(pieces) == 3 * len(demo)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "{"),
        ("run.json", "[]"),
        ("run.json", '{"status": "finished"}'),
        ("metrics.json", "{}"),
        ("run.json", "\udcff"),
    ],
)
def test_a_damaged_run_does_not_hide_the_others(name: str, content: str, output: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(output, tmp_path / "copy") / "lyrics_tfidf" / "demo"
    (folder / "2" / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert [path.name for path in find_runs(tmp_path)["directory"]] == ["1"]
    if name == "run.json":
        with pytest.raises(UserError, match="damaged"):
            load_pipeline(folder / "2")


def test_a_corpus_is_opened_by_any_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Stücke, neu\.csv: no such file"):
        open_corpus("data=manifest", f"data.manifest={tmp_path / 'Stücke, neu.csv'}")


def by_command(words: list[str], folder: Path) -> Run:
    done = run_here("train", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    (record,) = (folder / "outputs").rglob("run.json")
    return open_run(record.parent)


@pytest.mark.parametrize(
    ("experiment", "settings"),
    [
        ("lyrics_tfidf", {"split.folds": 2}),
        ("xgboost_97", {"split.folds": 2, "pipeline.estimator": "logistic"}),
    ],
)
def test_the_same_run_by_command_and_by_python_has_the_same_signature_and_predictions(
    demo: Tracks, experiment: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = [f"{name}={value}" for name, value in settings.items()]
    command = by_command([f"experiment={experiment}", *TINY_DATA, "split=kfold", "seed=3", *typed], tmp_path)
    monkeypatch.chdir(tmp_path)
    run = train(experiment, open_corpus(*TINY_DATA), split="kfold", seed=3, settings=settings | {"output": "python"})
    assert run.record["signature"] == command.record["signature"]
    assert run.record["corpus_digest"] == command.record["corpus_digest"]
    assert run.directory.parent == Path("python").absolute() / experiment / "demo"
    pd.testing.assert_frame_equal(run.predictions(), command.predictions())
    assert run.metrics == command.metrics
    assert run.report.is_file()
    assert repr(run) == (
        f"<Run {experiment} on demo (synthetic), 2-fold by artist, seed 3: "
        f"accuracy {with_interval(run.metrics['test'], 'accuracy')}, n = 80>"
    )
    assert shlex.split(run.record["command"])[0] == f"experiment={experiment}"


def test_the_command_of_a_run_makes_it_again(demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of tracks that were chosen in Python, whose table the run keeps, and whose songs lie elsewhere."""
    monkeypatch.chdir(tmp_path)
    some = demo.subset([track for track in demo.ids if not track.startswith("pop")])
    run = train("lyrics_tfidf", some, settings={"output": str(tmp_path / "python")}, quiet=True)
    again = by_command(shlex.split(run.record["command"])[:-1], tmp_path)
    assert again.record["signature"] == run.record["signature"]
    pd.testing.assert_frame_equal(again.predictions(), run.predictions())


def test_a_run_on_chosen_tracks_is_evaluated_again_wherever_it_lies(
    demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = demo.subset([track for track in demo.ids if track[:4] in ("jazz", "meta", "blue", "disc")])
    settings = {"output": str(tmp_path), "pipeline.rounds": 3}
    run = train("xgboost_97", replace(some, corpus="four genres"), settings=settings, quiet=True)
    assert (run.record["corpus"], run.record["synthetic"], run.record["genres"]) == ("four genres", True, some.genres)
    assert capsys.readouterr().out == ""
    figures = run.metrics["test"]
    moved = run.directory.rename(tmp_path / "moved")
    evaluated = evaluate_run(EvaluateConfig(run=str(moved), trainer=TrainerSettings()), quiet=True)
    assert evaluated["test"] == figures


def test_tracks_that_were_made_in_python_are_trained_on(demo: Tracks, tmp_path: Path) -> None:
    table = demo.table[["genre", "lyrics", "artist"]].copy()
    table.loc[table.index[0], "lyrics"] = 'Böse, "zitiert"\nund\r\nmit Zeilen; NA\n'
    run = train("lyrics_tfidf", Tracks(table, "mine"), settings={"output": str(tmp_path)}, quiet=True)
    assert run.record["corpus"] == "mine"
    assert evaluate_run(EvaluateConfig(run=str(run.directory), trainer=TrainerSettings()), quiet=True)["test"]["n"]


def test_a_changed_genre_is_trained_on_and_not_what_the_table_says(demo: Tracks, tmp_path: Path) -> None:
    tracks = open_corpus(*TINY_DATA, quiet=True)
    tracks.table.loc[tracks.table["genre"] == "pop", "genre"] = "noise"
    run = train("lyrics_tfidf", tracks, settings={"output": str(tmp_path)}, quiet=True)
    assert "noise" in run.record["genres"]


def test_what_cannot_begin_leaves_no_folder(demo: Tracks, tmp_path: Path) -> None:
    settings = {"output": str(tmp_path), "split.by_artist": True, "split.folds": 100}
    with pytest.raises(UserError, match="Take fewer folds"):
        train("lyrics_tfidf", demo.subset(demo.ids[:40]), split="kfold", settings=settings, quiet=True)
    assert list(tmp_path.rglob("*")) == [path for path in tmp_path.rglob("*") if path.is_dir()]
    assert not list(tmp_path.rglob("corpus"))


def test_runs_are_joined(output: Path, demo: Tracks, tmp_path: Path) -> None:
    run = open_run(output / "lyrics_tfidf" / "demo" / "1")
    settings = {"pipeline.runs": [run, run.directory], "output": tmp_path}
    joined = train("ensemble", demo, settings=settings, quiet=True)
    pd.testing.assert_frame_equal(joined.predictions(), run.predictions(), atol=1e-6)
    evaluated = evaluate_run(EvaluateConfig(run=str(joined.directory), trainer=TrainerSettings()), quiet=True)
    assert evaluated["test"] == joined.metrics["test"]


def test_finished_runs_are_listed_with_what_tells_them_apart(output: Path) -> None:
    runs = find_runs(output)
    assert runs["corpus_digest"].str.fullmatch("[0-9a-f]{8}").all()
    assert len(set(runs["corpus_digest"])) == 1
    assert pd.Timestamp.now() - runs["date"].max() < pd.Timedelta("1h")
    assert list(runs.columns[10:]) == ["split.kind", "split.folds"]
    assert list(runs["split.kind"]) == ["holdout", "kfold"]


def test_a_table_and_a_folder_are_opened_by_their_paths(demo: Tracks, tmp_path: Path) -> None:
    folder = tmp_path / "my songs, new"
    for track in demo.ids[::10]:
        genre = str(demo.table.loc[track, "genre"])
        (folder / genre).mkdir(parents=True, exist_ok=True)
        shutil.copy(str(demo.table.loc[track, "audio"]), folder / genre)
    by_folder = open_corpus(folder, quiet=True)
    assert by_folder.genres == sorted({str(genre) for genre in demo.table["genre"][::10]})
    table = demo.table.reset_index()[["track_id", "genre", "audio"]].iloc[::10]
    table.to_csv(folder / "tracks.csv", index=False)
    assert open_corpus(folder, quiet=True).ids == open_corpus(folder / "tracks.csv", quiet=True).ids == demo.ids[::10]


def test_songs_are_predicted_as_the_command_predicts_them(
    output: Path, demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = output / "lyrics_tfidf" / "demo" / "1"
    for track in demo.ids[:2]:
        (tmp_path / f"{track}.lrc").write_text(str(demo.table.loc[track, "lyrics"]))
    answers = predict(open_run(run), lyrics=tmp_path)
    said = capsys.readouterr().out
    assert "composed songs" in said
    config = PredictConfig(run=str(run), lyrics=str(tmp_path), format="json", trainer=TrainerSettings())
    assert predict_files(config) == 0
    expected = json.loads(capsys.readouterr().out)
    assert list(answers.songs.index) == [str(tmp_path / f"{track}.lrc") for track in demo.ids[:2]]
    assert list(answers.songs["genre"]) == [answer["genre"] for answer in expected]
    found = answers.songs.drop(columns="genre").to_dict("records")
    for row, answer in zip(found, expected, strict=True):
        assert row == pytest.approx(answer["probabilities"], abs=1e-6)
    assert answers.frames.empty
    assert "<table" in answers._repr_html_()


def test_the_published_network_answers_without_a_run(
    demo: Tracks, musicnn_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = demo.table["audio"].iloc[0]
    songs, _ = predict(model="musicnn", songs=song, settings={"features.weights": musicnn_weights})
    settings = {"features": WeightsFile(weights=str(musicnn_weights)), "trainer": TrainerSettings()}
    capsys.readouterr()
    assert predict_files(PredictConfig(model="musicnn", audio=song, format="json", **settings)) == 0
    (expected,) = json.loads(capsys.readouterr().out)
    assert songs.drop(columns="genre").loc[song].to_dict() == pytest.approx(expected["probabilities"], abs=1e-6)


@pytest.fixture(scope="module")
def segments(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that hears segments of songs."""
    settings = {"features.segment_seconds": 3, "pipeline.rounds": 3, "output": tmp_path_factory.mktemp("segments")}
    return train("xgboost_97", demo, settings=settings, quiet=True)


def test_frames_of_several_songs_stand_beside_them(
    segments: Run, demo: Tracks, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(demo.table.loc[track, "audio"]) for track in (segments.split.folds[0].train[0], demo.ids[0])]
    songs, frames = predict([segments], paths)
    assert list(songs.index) == paths
    assert f"{Path(paths[0]).name}   the run was trained on it" in capsys.readouterr().out
    begins, ends = np.array(frames.loc[paths[0]].index.tolist()).T
    np.testing.assert_allclose(begins, [0, *ends[:-1]])
    assert len(begins) == 3
    genres = songs.columns[1:]
    np.testing.assert_allclose(frames[genres].groupby("song", sort=False).mean(), songs[genres])


def test_songs_that_cannot_be_read_are_told_and_refused_where_all_are_so(
    segments: Run, demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, song = tmp_path / "broken.flac", str(demo.table["audio"].iloc[0])
    broken.write_text("no sound")
    assert list(predict(segments, [broken, song]).songs.index) == [song]
    assert list(predict(segments, ["nowhere.flac", song]).songs.index) == [song]
    assert "broken.flac" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"Not one of 1 songs could be answered:\n.*broken\.flac"):
        predict(segments, broken)


@pytest.mark.parametrize(
    ("features", "settings", "shape"),
    [
        ("handcrafted_wide", None, (1, 1123)),
        ("handcrafted", {"features.segment_seconds": 3, "features.kind": "time"}, (3, 9)),
        ("mel", {"data.max_seconds": 4}, (96, 188)),
    ],
)
def test_features_are_arrays_by_track_and_kept(
    demo: Tracks, features: str, settings: dict[str, Any] | None, shape: tuple[int, int], capsys: Any, tmp_path: Path
) -> None:
    some = demo.subset(demo.ids[:3])
    settings = {"cache": tmp_path} | (settings or {})
    arrays = extract(features, some, settings=settings)
    assert {track: array.shape for track, array in arrays.items()} == dict.fromkeys(some.ids, shape)
    assert "3 songs (0 from cache)" in capsys.readouterr().out
    again = extract(features, some, settings=settings)
    assert capsys.readouterr().out == ""
    np.testing.assert_equal(again, arrays)


def test_unchecked_tracks_are_checked_before_their_features_are_kept(demo: Tracks, tmp_path: Path) -> None:
    table = demo.table[["genre", "audio"]].iloc[[0, -1]].copy()
    assert list(extract("mel", Tracks(table, "mine"), quiet=True)) == [demo.ids[0], demo.ids[-1]]
    pipeline = make_pipeline("xgboost_97")
    with pytest.raises(UserError, match=r"mine: tracks that were not checked: open_corpus\(tracks\)"):
        pipeline.fit(Tracks(table, "mine"), Tracks(table, "mine"))
    assert open_corpus(Tracks(table, "mine"), quiet=True).has("samples_sha256")
    (tmp_path / "none.flac").write_text("no sound")
    with pytest.raises(UserError, match="1 of 2 files cannot be used"):
        extract("mel", Tracks(table.assign(audio=[table["audio"].iloc[0], str(tmp_path / "none.flac")]), "mine"))


def test_a_pipeline_is_that_of_the_experiment_and_opens_as_it_was_saved(
    segments: Run, demo: Tracks, tmp_path: Path
) -> None:
    fold, settings = segments.split.folds[0], {"features.segment_seconds": 3, "pipeline.rounds": 3}
    pipeline = make_pipeline("xgboost_97", settings=settings | {"data.max_seconds": 700}, quiet=True)
    pipeline.fit(demo.subset(fold.train), demo.subset(fold.val))
    test = demo.subset(fold.test)
    expected = segments.predictions().set_index("track_id")
    found = pipeline.predict_proba(test).tracks
    pd.testing.assert_frame_equal(found, expected.loc[test.ids, found.columns], check_names=False, atol=1e-6)
    pipeline.save(tmp_path / "saved")
    loaded = load_pipeline(tmp_path / "saved")
    assert loaded.context.max_seconds == 700
    pd.testing.assert_frame_equal(loaded.predict_proba(test).tracks, found)
    pd.testing.assert_frame_equal(load_pipeline(segments.directory / "model").predict_proba(test).tracks, found)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda tracks: train("coatention", tracks), "No experiment 'coatention'. Did you mean 'coattention'?"),
        (lambda tracks: train("lyrics", "tracks.csv"), r"open_corpus\('tracks.csv'\) opens one"),
        (lambda tracks: train("lyrics", tracks, split="kfolds"), "No split 'kfolds'. Did you mean 'kfold'?"),
        (lambda tracks: train("lyrics", tracks, seed="x"), "seed=x: not a whole number"),
        (lambda tracks: train("lyrics", tracks, settings={"pipeline.wdth": 3}), "No setting 'pipeline.wdth'"),
        (lambda tracks: train("lyrics", tracks, settings={"data.root": "x"}), "data.root is told by the tracks"),
        (lambda tracks: train("lyrics", tracks, settings=["pipeline.width=3"]), "settings is a dictionary"),
        (lambda tracks: train("lyrics", tracks, settings={"sweep": "lyrics"}), "sweep=… makes several runs"),
        (lambda tracks: extract("mell", tracks), "No features 'mell'. Did you mean 'mel'?"),
        (lambda tracks: extract("none", tracks), "features=none gives no vectors"),
        (lambda tracks: make_pipeline("ensemble"), "pipeline=ensemble joins finished runs"),
        (
            lambda tracks: train("lyrics", tracks, settings={"hydra.run.dir": "x"}),
            "hydra.run.dir is of the command line",
        ),
        (lambda tracks: make_pipeline("lyrics", settings={"pipeline.lr": -1}), "pipeline.lr=-1 is out of range"),
        (
            lambda tracks: make_pipeline("xgboost", settings={"pipeline.estimater": "svm"}),
            "No setting 'pipeline.estimater'. Did you mean 'pipeline.estimator'?",
        ),
        (lambda tracks: predict("nowhere", "song.mp3"), "run=nowhere: no run there"),
        (lambda tracks: load_pipeline("nowhere"), "run=nowhere: no run there"),
        (
            lambda tracks: open_corpus("nowhere"),
            "nowhere: no such file or folder. No corpus 'nowhere'. There are: demo, folder",
        ),
        (lambda tracks: open_corpus("dem"), "dem: no such file or folder. No corpus 'dem'. Did you mean 'demo'?"),
        (lambda tracks: open_corpus("nowhere.csv"), "data.manifest=.*nowhere.csv: no such file"),
        (lambda tracks: predict("run", tracks), "songs are paths, not a Tracks. .* by load_pipeline"),
        (lambda tracks: predict("run", tracks.table), "songs are paths, not a DataFrame. A column of paths will do"),
        (lambda tracks: predict("run", "a.mp3", settings={"plot": True}), "plot is none of the settings here"),
        (lambda tracks: open_corpus("demo", workers=0), "workers=0 is out of range"),
        (lambda tracks: open_run("nowhere"), "run=nowhere: no run there"),
        (lambda tracks: open_corpus("data=manifest"), "data=manifest needs data.manifest"),
        (lambda tracks: open_corpus(3), "open_corpus takes the path of a table .* not an int. Of a DataFrame: Tracks"),
        (lambda tracks: open_corpus(tracks.table), r"not a DataFrame. Of a DataFrame: Tracks\(table.set_index"),
        (lambda tracks: train("lyrics", tracks.table), "open_corpus opens one; not a DataFrame"),
        (lambda tracks: train("lyrics", Tracks(tracks.table.reset_index(), "x")), "have their ids as index"),
        (lambda tracks: predict(5, "song.mp3"), "predict: runs takes paths as text or Path, not an int"),
        (lambda tracks: predict("nowhere", np.zeros(3)), "predict: songs takes paths as text or Path, not a float64"),
        (lambda tracks: predict("nowhere"), r'predict takes a run, or else model="musicnn", and songs: predict\(run'),
        (lambda tracks: predict(songs="song.mp3"), "predict takes a run, or else model"),
        (lambda tracks: predict("run", "song.mp3", model="musicnn"), "predict takes a run, or else model"),
        (lambda tracks: predict(model="musicn", songs="song.mp3"), "No model 'musicn'. Did you mean 'musicnn'"),
        (lambda tracks: train("lyrics", tracks, settings={"seed": 3}), "seed is given twice, as seed=0 and as seed=3"),
        (lambda tracks: make_pipeline("lyrics", settings={"seed": 3}), "seed is given twice"),
        (lambda tracks: open_corpus("data=demo", "data=gtzan"), "data is given twice"),
        (lambda tracks: open_corpus("data=gtzan data.root=x"), "each setting is an argument of its own"),
        (lambda tracks: make_pipeline("lyrics_tfidf").fit(tracks.table, tracks), "fit takes the tracks of a corpus"),
        (lambda tracks: make_pipeline("lyrics_tfidf").fit(tracks, "val.csv"), r"open_corpus\('val.csv'\) opens one"),
        (lambda tracks: tracks.subset(["nope", tracks.ids[0]]), "demo has no tracks with these ids:\n  nope$"),
        (lambda tracks: load_pipeline(None), "load_pipeline takes paths as text or Path, not a NoneType"),
        (lambda tracks: find_runs("nowhere"), "find_runs: no folder nowhere"),
    ],
)
def test_wrong_arguments_get_one_sentence(
    demo: Tracks, call: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=sentence):
        call(demo)
    assert not list(tmp_path.rglob("*.*"))


def test_paths_of_tracks_in_memory_hold_where_the_program_runs(
    demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(demo.table["audio"].iloc[0]).parents[1])
    table = demo.table[["genre", "artist", "audio"]].copy()
    table["audio"] = [os.path.relpath(path) for path in table["audio"]]
    settings = {"pipeline.rounds": 2, "output": str(tmp_path)}
    run = train("xgboost_97", Tracks(table, "mine"), settings=settings, quiet=True)
    monkeypatch.chdir(tmp_path)
    evaluate_run(EvaluateConfig(run=str(run.directory), trainer=TrainerSettings()), quiet=True)


def test_what_there_is_is_listed() -> None:
    assert {"train", "predict", "open_corpus"} <= set(dir(genrefusion))


def test_an_application_of_hydra_has_its_own_settings_again(demo: Tracks, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("mine: 3\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        open_corpus(*TINY_DATA, quiet=True)
        assert compose("own").mine == 3
