from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from genrefusion.reports.terminal_tables import few_songs, metric_rows, metrics_table, weakest_genres, with_interval

SONGS: dict[str, Any] = {
    "n": 60,
    "accuracy": 0.85,
    "accuracy_ci95": [0.75, 14 / 15],
    "macro_f1": 0.8417,
    "log_loss": 0.6149,
}
FRAMES = {"n": 180, "accuracy": 0.7394, "accuracy_ci95": [0.67, 0.8], "macro_f1": 0.7266}


def printed(table: Table) -> list[str]:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def genres(**recalls: tuple[float | None, str | None]) -> dict[str, Any]:
    return {"genres": {name: {"recall": recall, "taken_for": other} for name, (recall, other) in recalls.items()}}


def test_figures_are_laid_out_with_their_intervals() -> None:
    assert printed(metrics_table({"test, songs": SONGS, "test, frames": FRAMES})) == [
        "n accuracy [95 % interval] macro F1 log loss",
        "test, songs 60 0.850 [0.750, 0.933] 0.842 0.61",
        "test, frames 180 0.739 [0.670, 0.800] 0.727",
    ]


def test_what_intervals_draw_and_too_few_songs_are_said_once_below() -> None:
    songs = SONGS | {"drawn": "artists", "too_few": "n = 6 songs: too few"}
    assert printed(metrics_table({"test, songs": songs, "val, songs": songs}))[3:] == [
        "95 % intervals draw artists",
        "n = 6 songs: too few",
    ]


def test_rows_of_too_few_songs_are_named_in_one_sentence() -> None:
    few = SONGS | {"too_few": "n = 6 songs of 2 artists: too few"}
    assert few_songs({"test, songs": few, "test, frames": FRAMES}.items()) == [
        "test, songs (n = 6 songs of 2 artists): too few"
    ]
    fewer = SONGS | {"too_few": "n = 1 song: too few"}
    assert few_songs({"test, songs": few, "test, both sides": few, "val, songs": fewer}.items()) == [
        "test, songs and test, both sides (n = 6 songs of 2 artists) and val, songs (n = 1 song): too few"
    ]
    assert few_songs({"test, songs": SONGS}.items()) == []


def test_views_follow_the_songs_and_the_whole_comes_first() -> None:
    views = {"audio alone": FRAMES, "both sides": SONGS, "lyrics alone": FRAMES}
    more = SONGS | {"n": SONGS["n"] + 1}
    rows = metric_rows({"val": FRAMES, "test": more | {"views": views}})
    assert list(rows) == ["test, songs", "test, both sides", "test, audio alone", "test, lyrics alone", "val, songs"]
    assert rows["test, both sides"] == SONGS
    assert "test, both sides" not in metric_rows({"test": SONGS | {"views": views}}), "they are the same songs"
    assert list(metric_rows({"test": SONGS | {"frames": FRAMES}})) == ["test, songs", "test, frames"]


def test_an_interval_is_not_taken_for_markup() -> None:
    assert with_interval(SONGS, "accuracy") == "0.850 [0.750, 0.933]"


def test_a_title_is_never_read_as_markup() -> None:
    assert printed(metrics_table({"[red] corpus": SONGS}))[1].startswith("[red] corpus")


def test_the_weakest_genres_are_named_with_what_they_are_taken_for() -> None:
    figures = genres(rock=(0.5, "metal"), jazz=(0.9, "blues"), country=(2 / 3, "folk"), folk=(0.7, "country"))
    assert weakest_genres(figures, most=2) == "rock 0.50 (taken for metal), country 0.67 (taken for folk)"


def test_genres_without_errors_or_tracks_are_not_weak() -> None:
    assert weakest_genres(genres(rock=(1.0, None), polka=(None, None), jazz=(0.9, "rock"))) == (
        "jazz 0.90 (taken for rock)"
    )


def test_a_system_without_errors_has_no_weak_genre() -> None:
    assert weakest_genres(genres(rock=(1.0, None), jazz=(1.0, None))) == ""
