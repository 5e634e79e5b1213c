from __future__ import annotations

import contextlib
import io
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from conftest import REPOSITORY
from genrefusion.metrics.comparisons import holm

TRUTH = dict.fromkeys(("inline", "file", "blank", "blank file", "none"), "jazz") | {"rock": "rock"}


def write_run(folder: Path, right: set[str]) -> Path:
    """A run whose predictions are right for some of the tracks."""
    p = [0.9 if (genre == "jazz") == (track in right) else 0.1 for track, genre in TRUTH.items()]
    table = pd.DataFrame(
        {"track_id": list(TRUTH), "fold": 0, "genre": list(TRUTH.values()), "predicted": "", "jazz": p}
    )
    (folder / "predictions").mkdir(parents=True)
    table.assign(rock=1 - table["jazz"]).to_csv(folder / "predictions" / "test.csv", index=False)
    return folder


SCRIPT = str(REPOSITORY / "scripts" / "compare.py")


def compare(*arguments: object) -> str:
    """What the script prints, run in this process."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", [SCRIPT, *map(str, arguments)])
        runpy.run_path(SCRIPT, run_name="__main__")
    return printed.getvalue()


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return write_run(tmp_path / "a", {"inline", "file", "rock"}), write_run(tmp_path / "b", {"inline", "blank"})


@pytest.fixture
def lyrics(tmp_path: Path) -> Path:
    """A table in which three tracks have lyrics: inline, in a file, and among more rows than were tested."""
    (tmp_path / "words.txt").write_text("la la")
    (tmp_path / "blank.txt").write_text(" \n")
    sides: dict[str, dict[str, str | None]] = {
        "inline": {"lyrics": "lo"},
        "file": {"lyrics_path": "words.txt"},
        "blank": {"lyrics": " \t"},
        "blank file": {"lyrics_path": "blank.txt"},
        "none": {},
        "rock": {"lyrics": "yeah"},
        "rock that was not tested": {"lyrics": "yeah"},
    }
    rows = [
        {"track_id": track, "genre": track.split()[0] if "rock" in track else "jazz"} | s for track, s in sides.items()
    ]
    path = tmp_path / "tracks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_two_runs_are_compared_on_all_tracks(runs: tuple[Path, Path]) -> None:
    said = compare(*runs).splitlines()
    assert said[0] == "n 6   run 1 0.500   run 2 0.333"
    assert said[1].startswith("1 - 2   +0.167 [")
    assert said[1].endswith("   McNemar 2 : 1, p 1.0000")
    assert said[2:] == [
        "intervals draw songs as if each were by another artist",
        "n = 6 songs: too few to tell systems apart",
    ]


def test_all_pairs_of_several_runs_are_compared_with_adjusted_p_values(tmp_path: Path) -> None:
    right: list[set[str]] = [set(TRUTH), set(), {"inline"}]
    said = compare(*(write_run(tmp_path / str(i), tracks) for i, tracks in enumerate(right))).splitlines()
    assert said[0] == "n 6   run 1 1.000   run 2 0.000   run 3 0.167"
    assert [line[:5] for line in said[1:4]] == ["1 - 2", "1 - 3", "2 - 3"]
    assert [line.split("McNemar ")[1] for line in said[1:4]] == [
        "6 : 0, p 0.0312",
        "5 : 0, p 0.0625",
        "0 : 1, p 1.0000",
    ]
    p = [float(line.split("   p ")[1].split(",")[0]) for line in said[1:4]]
    adjusted = [float(line.split("Holm ")[1].split()[0]) for line in said[1:4]]
    assert adjusted == pytest.approx(holm(p), abs=3e-4)


def test_songs_of_an_artist_are_drawn_together_and_have_no_test_of_independent_ones(runs: tuple[Path, Path]) -> None:
    alone = compare(*runs).splitlines()[1]
    names = pd.DataFrame({"track_id": list(TRUTH), "artist": ["A", "a", "a", "B", "b", "C"]})
    names.to_csv(runs[0] / "tracks.csv", index=False)
    said = compare(*runs).splitlines()
    assert "McNemar" not in said[1]
    assert said[1].split("   p ")[0] != alone.split("   p ")[0]
    assert said[2:] == ["intervals draw artists", "n = 6 songs of 3 artists: too few to tell systems apart"]


def test_a_run_with_its_columns_in_another_order_is_the_same(runs: tuple[Path, Path]) -> None:
    before = compare(runs[0], runs[0])
    path = runs[1] / "predictions" / "test.csv"
    pd.read_csv(runs[0] / "predictions" / "test.csv")[
        ["track_id", "fold", "genre", "predicted", "rock", "jazz"]
    ].to_csv(path, index=False)
    assert compare(*runs) == before


def test_runs_with_other_genres_are_refused(runs: tuple[Path, Path]) -> None:
    path = runs[1] / "predictions" / "test.csv"
    pd.read_csv(path).rename(columns={"rock": "folk"}).replace({"genre": {"rock": "folk"}}).to_csv(path, index=False)
    ended = subprocess.run([sys.executable, SCRIPT, *map(str, runs)], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "folk: in one of them only" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_only_tracks_that_all_runs_tested_count(runs: tuple[Path, Path], tmp_path: Path) -> None:
    third = write_run(tmp_path / "c", {"inline"}) / "predictions" / "test.csv"
    pd.read_csv(third).query("track_id != 'rock'").to_csv(third, index=False)
    assert compare(*runs, tmp_path / "c").splitlines()[0] == "n 5   run 1 0.400   run 2 0.400   run 3 0.200"


def test_only_tracks_with_words_count_where_lyrics_are_asked_for(runs: tuple[Path, Path], lyrics: Path) -> None:
    assert compare(*runs, "--with-lyrics", lyrics).splitlines()[0] == "n 3   run 1 1.000   run 2 0.333"


def test_runs_joined_by_commas_are_averaged(runs: tuple[Path, Path]) -> None:
    first, second = runs
    assert compare(f"{first},{first},{second}", first).splitlines()[0] == "n 6   run 1 0.500   run 2 0.500"
