from __future__ import annotations

import base64
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.commands.evaluate import evaluate_run
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import read_predictions
from genrefusion.reports.run_page import MOST_ERRORS, write_report
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import EvaluateConfig
from genrefusion.settings.trainer import TrainerSettings
from pages import IMAGE, SCRIPT, TEMPLATE, Page, needs_chromium, open_in_browser, write_explanations

pytestmark = pytest.mark.slow

SETTINGS = ["experiment=xgboost", "pipeline.rounds=3"]


@pytest.fixture(scope="module")
def folds(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "folds"
    run_experiment(compose_train(*SETTINGS, *TINY_DATA, "split=kfold", "split.folds=2"), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def hostile(demo: Tracks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every name is an attempt to become part of the page."""
    folder = tmp_path_factory.mktemp("hostile")
    table = demo.table.reset_index()[["track_id", "genre", "audio", "artist", "title"]]
    table["track_id"] += IMAGE
    table["genre"] = table["genre"].replace({"blues": SCRIPT, "jazz": IMAGE, "rock": TEMPLATE})
    table["artist"] += SCRIPT
    table["title"] = IMAGE + TEMPLATE
    unreadable = table.iloc[[0]].assign(track_id=SCRIPT, audio=str(folder / f"{TEMPLATE}.wav"))
    Path(unreadable["audio"].iloc[0]).write_text(SCRIPT)
    pd.concat([table, unreadable]).to_csv(folder / "tracks.csv", index=False)
    config = compose_train(
        *SETTINGS, "data=manifest", f"data.manifest={folder / 'tracks.csv'}", "data.on_error=skip", "pipeline.rounds=1"
    )
    config.name = IMAGE
    run_experiment(config, folder / "run", command=f"name={SCRIPT}", quiet=True)
    return folder / "run"


def test_figures_are_those_of_the_run(folds: Path) -> None:
    figures = json.loads((folds / "metrics.json").read_text())
    rows = {row[0]: row for row in Page(folds / "report.html").tables["Figures with 95 % intervals"]}
    names = ["accuracy", "balanced_accuracy", "macro_f1", "top3", "log_loss", "calibration_error"]
    for title, scores in {"test, songs": figures["test"], "val, songs": figures["val"]}.items():
        ends = {name: scores[f"{name}_ci95"] for name in names[:-1]}
        expected = [f"{scores[name]:.3f} [{ends[name][0]:.3f}, {ends[name][1]:.3f}]" for name in names[:-1]]
        expected.append(f"{scores['calibration_error']:.3f}")
        assert rows[title][1:] == [str(scores["n"]), *expected]


def test_the_page_says_what_intervals_draw(folds: Path) -> None:
    assert "95 % intervals draw artists" in Page(folds / "report.html").text


def test_folds_are_listed_with_their_mean(folds: Path) -> None:
    figures = json.loads((folds / "metrics.json").read_text())
    rows = Page(folds / "report.html").tables["Figures of each fold"]
    assert [row[0] for row in rows] == ["", "fold 1", "fold 2", "mean of the folds"]
    accuracies = [fold["accuracy"] for fold in figures["folds"]]
    low, high = figures["folds_accuracy_ci95"]
    mean = f"{np.mean(accuracies):.3f} [{low:.3f}, {high:.3f}]"
    assert [row[2] for row in rows[1:]] == [*(f"{value:.3f}" for value in accuracies), mean]
    assert rows[-1][-1] == f"{np.mean([fold['calibration_error'] for fold in figures['folds']]):.3f}"


def test_the_corpus_is_described_with_songs_and_artists_by_part(folds: Path, demo: Tracks) -> None:
    rows = Page(folds / "report.html").tables["Songs and artists by genre and part"]
    assert [row[0] for row in rows] == ["genre", *demo.genres, "all"]
    songs, artists = len(demo), demo.table["artist"].nunique()
    assert rows[0][1:] == ["in all"]
    assert rows[-1][1:] == [f"{songs} {artists} artists"]


def test_the_page_of_an_older_run_lacks_what_was_not_counted(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    (tmp_path / "run" / "corpus.json").unlink()
    assert "Songs and artists by genre and part" not in Page(rebuild(tmp_path / "run")).tables


def test_the_next_commands_name_the_run(folds: Path) -> None:
    text = Page(folds / "report.html").text
    assert f"predict run={folds} audio=SONG.mp3" in text
    assert f"evaluate run={folds} data=folder data.root=FOLDER" in text


def test_what_was_done_already_is_not_advised(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    (tmp_path / "run" / "views").mkdir()
    command = f"evaluate run={tmp_path / 'run'}"
    assert f"{command} explain=2 sides=matrix" in Page(rebuild(tmp_path / "run")).text
    write_explanations(tmp_path / "run" / "explanations", {})
    text = Page(rebuild(tmp_path / "run")).text
    assert f"{command} sides=matrix" in text
    assert "explain=2" not in text
    sides = tmp_path / "run" / "evaluations" / "demo" / "sides"
    sides.mkdir(parents=True)
    (sides / "matrix.json").write_text("{}")
    text = Page(rebuild(tmp_path / "run")).text
    assert "sides=matrix" not in text
    assert f"{command} data=folder" in text


def test_few_songs_are_told_once_with_their_rows(folds: Path, tmp_path: Path) -> None:
    figures = json.loads((folds / "metrics.json").read_text())
    figures["test"].pop("too_few", None)
    figures["val"]["too_few"] = "n = 4 songs: too few"
    shutil.copytree(folds, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(figures))
    text = Page(rebuild(tmp_path / "run")).text
    assert text.count("too few") == text.count("val, songs (n = 4 songs): too few") == 1


def test_frames_and_views_are_told_apart(folds: Path, tmp_path: Path) -> None:
    figures = json.loads((folds / "metrics.json").read_text())
    test = figures["test"]
    test["frames"] = {"n": 1234, "accuracy": 0.5, "accuracy_ci95": [0.4, 0.6], "macro_f1": 0.3, "macro_f1_ci95": [0, 1]}
    test["views"] = dict.fromkeys(("audio alone", "both sides", "lyrics alone"), figures["val"])
    shutil.copytree(folds, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(figures))
    rows = Page(rebuild(tmp_path / "run")).tables["Figures with 95 % intervals"]
    assert [row[0] for row in rows[1:]] == [
        "test, songs",
        "test, frames",
        "test, both sides",
        "test, audio alone",
        "test, lyrics alone",
        "val, songs",
    ]
    assert rows[2][1:] == ["1,234", "0.500 [0.400, 0.600]", "–", "0.300 [0.000, 1.000]", "–", "–", "–"]


def test_genres_have_their_figures_and_what_they_are_taken_for(folds: Path) -> None:
    genres = json.loads((folds / "metrics.json").read_text())["test"]["genres"]
    rows = Page(folds / "report.html").tables["Test songs by genre"][1:]
    assert [row[0] for row in rows] == list(genres)
    for name, n, recall, precision, f1, taken_for in rows:
        of = genres[name]
        shares = ["–" if of[key] is None else f"{of[key]:.3f}" for key in ("recall", "precision", "f1")]
        assert [n, recall, precision, f1] == [str(of["n"]), *shares]
        assert taken_for == (of["taken_for"] or "–")


def test_the_worst_errors_are_the_surest_wrong_ones_with_artist_and_title(folds: Path, demo: Tracks) -> None:
    predictions = read_predictions(folds / "predictions" / "test.csv").set_index("track_id")
    wrong = predictions[predictions["genre"] != predictions["predicted"]]
    sure = pd.Series({track: row[row["predicted"]] for track, row in wrong.iterrows()}).sort_values(ascending=False)
    rows = Page(folds / "report.html").tables["Wrongly predicted test songs"][1:]
    assert [row[1].split()[-1] for row in rows] == [f"{value:.3f}" for value in sure[:MOST_ERRORS]]
    for name, predicted, genre in rows:
        track = name.split(" ")[0]
        known, row = demo.table.loc[track], wrong.loc[track]
        assert name == f"{track} {known['artist']} – {known['title']}"
        assert predicted == f"{row['predicted']} {row[row['predicted']]:.3f}"
        assert genre == f"{row['genre']} {row[row['genre']]:.3f}"


def test_a_run_without_errors_says_so(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    path = tmp_path / "run" / "predictions" / "test.csv"
    table = read_predictions(path)
    table.assign(predicted=table["genre"]).to_csv(path, index=False)
    assert "No test song gets a wrong genre." in Page(rebuild(tmp_path / "run")).text


def test_all_pictures_are_within_the_page_with_a_text_in_their_place(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    shutil.copy(folds / "figures" / "roc.png", tmp_path / "run" / "figures" / "of_my_own.png")
    page = Page(rebuild(tmp_path / "run"))
    pictures = page.all("img")
    contents = [base64.b64decode(str(picture["src"]).split(",")[1]) for picture in pictures]
    names = ["confusion.svg", "roc.svg", "reliability.svg", "importance.svg", "of_my_own.png"]
    assert contents == [(tmp_path / "run" / "figures" / name).read_bytes() for name in names]
    assert len(page.all("source")) == 4
    assert all(picture["alt"] for picture in pictures)
    assert "of my own" in page.text


def test_settings_and_provenance_are_told(folds: Path) -> None:
    text = Page(folds / "report.html").text
    record = json.loads((folds / "run.json").read_text())
    for fact in ("signature", "corpus_digest", "split_digest", "protocol", "git_commit"):
        assert str(record[fact]) in text
    assert (folds / "config.yaml").read_text() in text
    assert f"{record['parameters']:,}" in text
    assert f"{record['peak_memory_mb']:,.0f} MiB" in text
    assert all(version in text for version in record["versions"].values())
    assert "Synthetic corpus." in text


def test_a_page_fetches_nothing_and_runs_nothing(folds: Path, hostile: Path) -> None:
    for folder in (folds, hostile):
        page = Page(folder / "report.html")
        assert {tag for tag, _ in page.tags}.isdisjoint(
            {"script", "link", "iframe", "object", "embed", "base", "form", "a"}
        )
        for _, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on") or name in ("href", "background")]
        shown = [picture["src"] for picture in page.all("img")] + [source["srcset"] for source in page.all("source")]
        assert all(str(source).startswith("data:image/svg+xml;base64,") for source in shown)
        assert "default-src 'none'" in str(page.all("meta")[1]["content"])
        assert "url(" not in (folder / "report.html").read_text()


def test_hostile_names_are_shown_as_they_are(hostile: Path) -> None:
    page = Page(hostile / "report.html")
    assert {SCRIPT, IMAGE, TEMPLATE} <= {row[0] for row in page.tables["Test songs by genre"]}
    assert page.tables["Wrongly predicted test songs"][1][0].endswith(f"{SCRIPT} – {IMAGE}{TEMPLATE}")
    assert f"train name={SCRIPT}" in page.text
    skipped = json.loads((hostile / "run.json").read_text())["skipped"]
    assert list(skipped) == [SCRIPT]
    assert skipped[SCRIPT] in page.text
    assert page.all("title") == [{}]


def test_a_page_can_be_made_again_from_the_folder_alone(folds: Path, hostile: Path) -> None:
    for folder in (folds, hostile):
        before = (folder / "report.html").read_bytes()
        assert rebuild(folder).read_bytes() == before


def test_a_page_stays_small_where_thousands_of_tracks_were_skipped(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["skipped"] = {f"track {number}": "empty" for number in range(5000)}
    text = Page(write_report(tmp_path / "run", record)).text
    assert "5000 tracks could not be used" in text
    assert "track 999" in text
    assert "track 1000" not in text
    assert "… and 4000 more" in text


def test_an_evaluation_has_a_page_of_its_own(folds: Path, demo: Tracks, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    table = demo.table.reset_index()[["track_id", "genre", "audio"]]
    lines = [line for _, rows in table.groupby("genre") for line in rows.head(2).to_dict("records")]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(record | {"trained_on": []}))
    pd.DataFrame(lines).to_csv(tmp_path / "tracks.csv", index=False)
    config = EvaluateConfig(run=str(tmp_path / "run"), trainer=TrainerSettings())
    config.data = compose_train("data=manifest", f"data.manifest={tmp_path / 'tracks.csv'}").data
    evaluate_run(config, quiet=True)
    (path,) = (tmp_path / "run" / "evaluations").glob("*/report.html")
    text = Page(path).text
    assert "trained on demo" in text
    assert "evaluation of a finished run" in text
    assert "20 test songs" in " ".join(text.split())
    assert record["signature"] in text
    assert "Synthetic corpus." not in text
    assert (tmp_path / "run" / "report.html").read_bytes() == (folds / "report.html").read_bytes()


def test_what_was_explained_is_on_the_page_as_it_was_written(folds: Path, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    words = [SCRIPT, IMAGE, TEMPLATE, "愛", "שלום", "&amp;", "a\u0301"]
    before = ["", " ", "\n", "\n\n", "", "  ", "\t"]
    song = {
        "track_id": IMAGE,
        "words": words,
        "before": before,
        "tokens": [2] * 7,
        "times": [1.0, 8.0, 0.5, 1, 1, 1, 1],
    }
    write_explanations(tmp_path / "run" / "explanations", song, {"track_id": SCRIPT, "genre": TEMPLATE})
    page = Page(rebuild(tmp_path / "run"))
    assert "".join(itertools.chain(*zip(before, words, strict=True))) in page.text
    assert f"true genre: {TEMPLATE} · predicted: rock, 0.75" in page.text
    assert {"script", "a"}.isdisjoint(tag for tag, _ in page.tags)
    titles = [span["title"] for span in page.all("span") if "title" in span]
    assert titles[:2] == ["1.00 times its even share, 2 tokens", "8.00 times its even share, 2 tokens"]
    assert "What was looked at" not in Page(folds / "report.html").text


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_fits_into_a_narrow_and_a_wide_window(folds: Path, width: int, dark: bool, tmp_path: Path) -> None:
    shutil.copytree(folds, tmp_path / "run")
    words = ["x" * 500, *["love"] * 300]
    many = {"words": words, "before": [" "] * 301, "tokens": [1] * 301, "times": [1.5] * 301, "track_id": "y" * 200}
    write_explanations(tmp_path / "run" / "explanations", many)
    page = rebuild(tmp_path / "run")
    seen, console = open_in_browser(page, tmp_path / "browser", width=width, dark=dark)
    assert (seen["overflow"], seen["sticking_out"], console) == (0, [], [])
    assert not {"Wrongly predicted test songs", "Configuration"} & set(seen["scrolled"])
    if width == 1400:
        assert not seen["scrolled"]
    confusion = Page(page).all("source" if dark else "img")[0]
    assert seen["shown"] == confusion["srcset" if dark else "src"]


@needs_chromium
def test_the_hint_stands_over_tables_that_scroll_and_over_no_others(folds: Path, tmp_path: Path) -> None:
    hints = """
    addEventListener("load", () => {
      const tables = [...document.getElementById("page").contentDocument.querySelectorAll(".scrolling")];
      document.getElementById("seen").textContent = JSON.stringify(tables.map(each => [
        each.querySelector(".scroll").scrollWidth > each.querySelector(".scroll").clientWidth,
        each.querySelector(".hint").offsetHeight > 0]));
    })
    """
    for number, width in enumerate((400, 1400)):
        seen, _ = open_in_browser(folds / "report.html", tmp_path / str(number), width=width, look=hints)
        assert all(scrolls == hint for scrolls, hint in seen)
        assert any(scrolls for scrolls, _ in seen) == (width == 400)


@needs_chromium
def test_a_browser_shows_every_picture_and_reports_no_error(folds: Path, hostile: Path, tmp_path: Path) -> None:
    for number, folder in enumerate((folds, hostile)):
        pictures = len(list((folder / "figures").glob("*.png")))
        seen, console = open_in_browser(folder / "report.html", tmp_path / str(number))
        assert len(seen["widths"]) == pictures >= 3
        assert min(seen["widths"]) > 100
        assert (seen["overflow"], seen["sticking_out"], console) == (0, [], [])


@needs_chromium
def test_a_browser_would_tell_of_broken_pictures_and_errors(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><img src='data:image/png;base64,AAAA'><script>nothing.there()</script>"
        "<p style='width: 900px'>wide</p><div style='overflow: auto'><div style='width: 900px'>mute</div></div>"
    )
    seen, console = open_in_browser(page, tmp_path / "browser")
    assert seen["widths"] == [0]
    assert [line.split()[-1] for line in seen["sticking_out"]] == ["wide", "mute"]
    assert len(console) == 1


def rebuild(folder: Path) -> Path:
    return write_report(folder, json.loads((folder / "run.json").read_text()))
