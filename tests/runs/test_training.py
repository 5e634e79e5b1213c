"""What a run promises of its folder."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, TINY_NETWORK, compose_train, run_here
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.core.errors import UserError
from genrefusion.core.files import locked
from genrefusion.core.terminal import Terminal
from genrefusion.data.splits import Fold, Split, genres_without
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.predictions import read_predictions
from genrefusion.metrics.scores import score
from genrefusion.pipelines.lyrics import LyricsPipeline
from genrefusion.runs import training
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.training import prepare, run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.data import ManifestData
from genrefusion.settings.features import PrecomputedFeatures
from genrefusion.settings.trainer import TrainerSettings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]


def test_val_is_taken_from_train_where_ready_features_lack_the_tables_own(demo: Tracks, tmp_path: Path) -> None:
    part = ["test" if i % 5 == 0 else "val" if i % 5 == 1 else "train" for i in range(len(demo))]
    table = demo.table.reset_index()[["track_id", "genre", "lyrics"]].assign(split=part)
    table.to_csv(tmp_path / "tracks.csv", index=False)
    lacking = [track for track, p in zip(demo.ids, part, strict=True) if p == "val"]
    data = ["data=manifest", f"data.manifest={tmp_path / 'tracks.csv'}", "split=predefined", "experiment=xgboost"]

    def vals(ids: list[str]) -> set[str]:
        path = tmp_path / f"{len(ids)}.csv"
        pd.DataFrame({"track_id": ids, "x": 1.0}).to_csv(path, index=False)
        config = compose_train(*data, "features=table", f"features.path={path}")
        return set(prepare(config, Terminal(quiet=True))[1].folds[0].val)

    assert vals(demo.ids) == set(lacking), "the file has them: they are taken"
    held = vals([track for track in demo.ids if track not in lacking])
    assert held
    assert {part[demo.ids.index(track)] for track in held} == {"train"}


def test_a_corpus_of_one_genre_is_refused_before_a_run_begins(demo: Tracks, tmp_path: Path) -> None:
    table = demo.table.reset_index()[["track_id", "genre", "lyrics"]]
    table[table["genre"] == "jazz"].to_csv(tmp_path / "tracks.csv", index=False)
    done = run_here("train", "experiment=lyrics_tfidf", "data=manifest", "data.manifest=tracks.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "Two genres at least are needed to train; the tracks have: jazz.\n"
    assert not list(tmp_path.rglob("20*"))


def test_two_processes_do_not_train_in_one_folder(demo: Tracks, tmp_path: Path) -> None:
    config = compose_train(*TINY_DATA, "experiment=lyrics_tfidf")
    with locked(tmp_path / ".lock"), pytest.raises(UserError, match="another process is training there"):
        run_experiment(config, tmp_path, quiet=True)
    assert not (tmp_path / "run.json").exists()
    run_experiment(config, tmp_path, quiet=True)
    assert not (tmp_path / ".lock").exists()


@pytest.mark.long
def test_the_interval_of_a_run_on_pieces_draws_artists(demo: Tracks, tmp_path: Path) -> None:
    words = [*TINY_DATA, "experiment=xgboost_97", "pipeline.rounds=3", "data.piece_seconds=2"]
    figures = run_experiment(compose_train(*words), tmp_path, quiet=True)
    predictions = read_predictions(tmp_path / "predictions" / "test.csv")
    songs = pd.read_csv(tmp_path / "tracks.csv", dtype=str).set_index("track_id")["song"].to_dict()
    assert figures["test"]["n"] > len({songs[track] for track in predictions["track_id"]})
    assert figures["test"]["drawn"] == "artists"
    assert figures["test"]["accuracy_ci95"] == score(predictions, groups=groups_of([tmp_path]))["accuracy_ci95"]
    assert figures["test"]["accuracy_ci95"] != score(predictions)["accuracy_ci95"]
    assert figures["val"]["n"] > 0


def test_a_run_knows_its_songs_again_where_only_their_lyrics_are_there(demo: Tracks, tmp_path: Path) -> None:
    """The corpus that was trained on has digests of its audio, the other one has lyrics alone."""
    rows = demo.table.reset_index()[["track_id", "genre", "lyrics", "artist"]]
    rows.assign(sha256=[f"{number:064x}" for number in range(len(rows))]).to_csv(tmp_path / "full.csv", index=False)
    rows.to_csv(tmp_path / "lyrics.csv", index=False)
    words = ["experiment=lyrics_tfidf", "data=manifest", f"data.manifest={tmp_path}/full.csv"]
    run_experiment(compose_train(*words), tmp_path / "run", quiet=True)
    asked = EvaluateConfig(
        run=str(tmp_path / "run"), data=ManifestData(manifest=f"{tmp_path}/lyrics.csv"), trainer=TrainerSettings()
    )
    tested = pd.read_csv(tmp_path / "run" / "splits.csv", dtype=str).query("part == 'test'")
    assert evaluate_run(asked, quiet=True)["test"]["n"] == len(tested)


def test_track_ids_that_look_like_numbers_or_like_nothing_stay_as_they_are(demo: Tracks, tmp_path: Path) -> None:
    ids = [f"{number:06}" for number in range(len(demo))]
    ids[7] = "NA"
    demo.table.reset_index().assign(track_id=ids).drop(columns=["sha256"]).to_csv(tmp_path / "t.csv", index=False)
    corpus = ["data=manifest", f"data.manifest={tmp_path}/t.csv", "split=kfold", "split.folds=2"]
    config = compose_train(*TINY_NETWORK, "pipeline.epochs=1", *corpus)
    run_experiment(config, tmp_path / "run", quiet=True)
    for name in ("predictions/test.csv", "frames/test.csv", "tracks.csv"):
        assert set(pd.read_csv(tmp_path / "run" / name, dtype=str, keep_default_na=False)["track_id"]) == set(ids)
    figures = evaluate_run(EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings()), quiet=True)
    assert figures["test"]["n"] == len(ids)


def test_a_failed_evaluation_leaves_the_one_before(demo: Tracks, tmp_path: Path) -> None:
    """The second time the ready features that it reads lack the songs to test."""

    def write_vectors(name: str, tracks: list[str]) -> Path:
        frames = np.random.default_rng(0).normal(size=(2 * len(tracks), 3)).astype(np.float32)
        np.savez(tmp_path / name, track_id=tracks, frames=frames, offsets=np.arange(0, 2 * len(tracks) + 1, 2))
        return tmp_path / name

    whole, part = write_vectors("whole.npz", demo.ids), write_vectors("part.npz", demo.ids[:1])
    words = [*TINY_DATA, "experiment=xgboost", "features=precomputed", f"features.path={whole}", "pipeline.rounds=2"]
    run_experiment(compose_train(*words), tmp_path / "run", quiet=True)
    evaluate_run(EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings()), quiet=True)
    result = tmp_path / "run" / "evaluations" / "demo" / "predictions" / "test.csv"
    kept = result.read_bytes()
    asked = EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings())
    asked.features.path = str(part)
    with pytest.raises(UserError, match=r"part\.npz"):
        evaluate_run(asked, quiet=True)
    assert result.read_bytes() == kept


def test_what_has_to_be_said_of_features_stands_beside_every_figure(
    demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caution = "what gave these vectors may know some of the songs"
    monkeypatch.setattr(PrecomputedFeatures, "caution", caution)
    rng = np.random.default_rng(0)
    frames, offsets = rng.normal(size=(2 * len(demo), 3)).astype(np.float32), np.arange(0, 2 * len(demo) + 1, 2)
    np.savez(tmp_path / "vectors.npz", track_id=demo.ids, frames=frames, offsets=offsets)
    words = ["experiment=xgboost_text_early", "features=precomputed", f"features.path={tmp_path / 'vectors.npz'}"]
    run, other = tmp_path / "run", tmp_path / "other"
    run_experiment(compose_train(*TINY_DATA, *words, "pipeline.rounds=2"), run)
    run_experiment(compose_train(*TINY_DATA, "experiment=lyrics_tfidf"), other, quiet=True)
    evaluate_run(EvaluateConfig(run=str(run), trainer=TrainerSettings(), sides="matrix", calibrate=True))
    joined = compose_train("experiment=ensemble", f"pipeline.runs=[{run},{other}]", "pipeline.combine=mean")
    run_ensemble(joined, tmp_path / "joined", [run, other])
    said = capsys.readouterr().out
    assert said.count(caution) == 5, "train, evaluate, calibrated, sides, ensemble"
    for page in (run, run / "evaluations" / "demo", tmp_path / "joined"):
        assert caution in (page / "report.html").read_text()


@pytest.mark.parametrize("rename", [False, True])
def test_a_copied_corpus_of_ready_features_is_not_scored_on_what_was_learnt(rename: bool, tmp_path: Path) -> None:
    """Neither audio nor lyrics: tracks are known by their vectors, in a folder of another name and under other ids."""
    rng = np.random.default_rng(0)
    ids = [f"t{number:02}" for number in range(40)]
    vectors = rng.normal(size=(40, 24)) + np.repeat(np.eye(2, 24), 20, axis=0)

    def write(folder: Path, ids: list[str]) -> list[str]:
        folder.mkdir()
        pd.DataFrame({"track_id": ids, "genre": ["jazz"] * 20 + ["rock"] * 20}).to_csv(
            folder / "tracks.csv", index=False
        )
        table = pd.DataFrame(vectors, columns=[f"x{i}" for i in range(24)])
        table.insert(0, "track_id", ids)
        table.to_csv(folder / "features.csv", index=False)
        return ["data=manifest", f"data.manifest={folder / 'tracks.csv'}", f"features.path={folder / 'features.csv'}"]

    words = ["experiment=xgboost", "features=table", "pipeline.rounds=3", *write(tmp_path / "corpus", ids)]
    run_experiment(compose_train(*words), tmp_path / "run", quiet=True)
    write(tmp_path / "copy", [f"new {name}" for name in ids] if rename else ids)
    asked = EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings())
    asked.data = ManifestData(manifest=str(tmp_path / "copy" / "tracks.csv"))
    asked.features.path = str(tmp_path / "copy" / "features.csv")
    tested = pd.read_csv(tmp_path / "run" / "splits.csv").query("part == 'test'")
    assert evaluate_run(asked, quiet=True)["test"]["n"] == len(tested)


def test_a_run_is_finished_when_its_page_is_there_and_not_before(
    demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while the page is written, it is completed without a new training."""
    words = [*TINY_DATA, "experiment=lyrics_tfidf"]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(training, "write_report", killed)
        run_experiment(compose_train(*words), tmp_path, quiet=True)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "running"
    monkeypatch.setattr(LyricsPipeline, "fit", killed)
    run_experiment(compose_train(*words, "resume=true"), tmp_path, quiet=True)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "checkpoints").exists()


def test_a_finished_run_without_a_page_gets_it(demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*TINY_DATA, "experiment=lyrics_tfidf"]
    figures = run_experiment(compose_train(*words), tmp_path, quiet=True)
    page = (tmp_path / "report.html").read_bytes()
    with pytest.raises(UserError, match="finished already"):
        run_experiment(compose_train(*words, "resume=true"), tmp_path, quiet=True)
    (tmp_path / "report.html").unlink()
    with pytest.raises(UserError, match="was begun with other settings"):
        run_experiment(compose_train(*words, "resume=true", "pipeline.c=2"), tmp_path, quiet=True)
    monkeypatch.delattr(LyricsPipeline, "fit")
    again = run_experiment(compose_train(*words, "resume=true"), tmp_path, quiet=True)
    assert again == json.loads(json.dumps(figures))
    assert (tmp_path / "report.html").read_bytes() == page


@pytest.mark.parametrize("name", ["tracks.csv", "checkpoints", "model", "report.html"])
def test_a_run_begins_where_it_writes_nothing_over(name: str, demo: Tracks, tmp_path: Path) -> None:
    (tmp_path / name / "mine").mkdir(parents=True)
    with pytest.raises(UserError, match=f"holds {name} of something else"):
        run_experiment(compose_train(*TINY_DATA, "experiment=lyrics_tfidf"), tmp_path, quiet=True)
    assert (tmp_path / name / "mine").is_dir()
    assert not (tmp_path / "run.json").exists()


def test_genres_without_songs_in_a_part_are_named(
    demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = demo.table.reset_index()[["track_id", "genre", "lyrics"]]
    number = table.groupby("genre").cumcount()
    table["split"] = ["test" if n < 2 else "val" if n < 4 else "train" for n in number]
    first, second = sorted(table["genre"].unique())[:2]
    table.loc[(table["genre"] == first) & (table["split"] == "test"), "split"] = "train"
    table.loc[table["genre"].isin([first, second]) & (table["split"] == "val"), "split"] = "train"
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["experiment=lyrics_tfidf", "data=manifest", f"data.manifest={tmp_path}/t.csv", "split=predefined"]
    run_experiment(compose_train(*words), tmp_path / "run")
    lines = [f"no val song of: {first}, {second}", f"no test song of: {first}"]
    printed, page = capsys.readouterr().out, (tmp_path / "run" / "report.html").read_text()
    for line in lines:
        assert line in [row.strip() for row in printed.splitlines()]
        assert f"This split has {line}." in page
    assert "no train song" not in printed + page


def test_of_folds_those_are_named_in_which_a_genre_is_lacking(demo: Tracks) -> None:
    (name, *_) = demo.genres
    folds = [list(demo.table.index[demo.table["genre"] != name]), demo.ids]
    split = Split([Fold(demo.ids, demo.ids, test) for test in [*folds, folds[0]]], "folds")
    assert genres_without(demo, split) == [f"no test song of: {name} (folds 1, 3)"]


@pytest.fixture(scope="module")
def words_run(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on lyrics whose corpus has artists and titles."""
    folder = tmp_path_factory.mktemp("words")
    demo.table.drop(columns=["audio", "sha256", "samples_sha256"]).to_csv(folder / "trained.csv")
    words = ["experiment=lyrics_tfidf", "data=manifest", f"data.manifest={folder}/trained.csv"]
    run_experiment(compose_train(*words), folder / "run", quiet=True)
    return folder / "run"


def ask(run: Path, table: pd.DataFrame, path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path)
    return evaluate_run(EvaluateConfig(run=str(run), data=ManifestData(manifest=str(path)), trainer=TrainerSettings()))


def test_a_placeholder_for_lyrics_makes_no_song_known(words_run: Path, demo: Tracks, tmp_path: Path) -> None:
    """Half of the songs that were trained on, and half of others, have a line of a lyrics site in their place."""
    line = "We do not have the lyrics of this song yet"
    corpus = demo.table[["genre", "artist"]].assign(lyrics=line)
    words = ["experiment=xgboost", "features=table", "pipeline.rounds=2", "data=manifest"]
    rng = np.random.default_rng(0)

    def write(name: str) -> list[str]:
        corpus.to_csv(tmp_path / f"{name}.csv")
        features = pd.DataFrame(rng.normal(size=(len(demo), 20)), index=corpus.index).add_prefix("x")
        features.to_csv(tmp_path / f"{name}_features.csv")
        return [f"data.manifest={tmp_path / f'{name}.csv'}", f"features.path={tmp_path / f'{name}_features.csv'}"]

    run_experiment(compose_train(*words, *write("one")), tmp_path / "run", quiet=True)
    write("other")
    asked = EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings())
    asked.data, asked.features.path = (
        ManifestData(manifest=str(tmp_path / "other.csv")),
        str(tmp_path / "other_features.csv"),
    )
    assert evaluate_run(asked, quiet=True)["test"]["n"] == len(demo)


def test_a_song_is_known_again_by_artist_and_title(words_run: Path, demo: Tracks, tmp_path: Path) -> None:
    """Other lyrics of it, as a second transcription has them."""
    other = demo.table[["genre", "artist", "title"]].assign(
        lyrics=[f"other words of it, number {i} in all" for i in range(len(demo))]
    )
    tested = pd.read_csv(words_run / "splits.csv").query("part == 'test'")
    named = demo.table.loc[tested["track_id"], ["artist", "title"]].duplicated().sum()
    assert not named
    figures = ask(words_run, other.assign(artist=other["artist"].str.upper()), tmp_path / "other.csv")
    assert figures["test"]["n"] == len(tested)


def test_songs_by_artists_that_were_trained_on_are_counted(
    words_run: Path, demo: Tracks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = demo.table[["genre", "artist"]].assign(
        lyrics=[f"quite new words of song {i} by them" for i in range(len(demo))]
    )
    new.loc[new.index[:70], "artist"] = "Somebody Else"
    assert ask(words_run, new, tmp_path / "new.csv")["test"]["n"] == len(demo)
    trained = set(pd.read_csv(words_run / "splits.csv").query("part != 'test'")["track_id"])
    artists = set(demo.table.loc[sorted(trained), "artist"])
    count = new["artist"].isin(artists).sum()
    assert f"{count} of {len(demo)} tracks are by artists that were trained on" in capsys.readouterr().out


def test_corpora_of_one_name_are_evaluated_side_by_side(words_run: Path, demo: Tracks, tmp_path: Path) -> None:
    fresh = demo.table[["genre"]].assign(
        lyrics=[f"words of no other song are these {i} here" for i in range(len(demo))]
    )
    for number, folder in ((40, "a"), (20, "b"), (40, "a")):
        ask(words_run, fresh[:number], tmp_path / folder / "songs.csv")
    sizes = [
        len(read_predictions(path / "predictions" / "test.csv")) for path in (words_run / "evaluations").glob("songs*")
    ]
    assert sorted(sizes) == [20, 40]


def test_what_was_calibrated_stays_as_long_as_the_predictions_do(words_run: Path) -> None:
    evaluate_run(EvaluateConfig(run=str(words_run), calibrate=True, trainer=TrainerSettings()), quiet=True)
    evaluate_run(EvaluateConfig(run=str(words_run), trainer=TrainerSettings()), quiet=True)
    (calibrated,) = (words_run / "evaluations").glob("*_calibrated")
    path = calibrated.with_name(calibrated.name.removesuffix("_calibrated")) / "predictions" / "test.csv"
    path.write_text(path.read_text().replace("0.", "0.0", 1))  # as if they were of another time
    evaluate_run(EvaluateConfig(run=str(words_run), trainer=TrainerSettings()), quiet=True)
    assert not calibrated.exists()
