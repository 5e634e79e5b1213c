"""Which tracks of a run are drawn together, from what its folder says of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from genrefusion.metrics.clusters import ALONE
from genrefusion.metrics.groups import groups_of


def folder(path: Path, **columns: list[str]) -> Path:
    path.mkdir(exist_ok=True)
    tracks = [f"t{number}" for number in range(len(next(iter(columns.values()))))]
    pd.DataFrame({"track_id": tracks, **columns}).to_csv(path / "tracks.csv", index=False)
    return path


def numbers(path: Path) -> list[int]:
    return groups_of([path]).labels(["t0", "t1", "t2", "t3"]).tolist()


def test_songs_of_an_artist_are_drawn_together_however_he_is_written(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", artist=["Beyonce\u0301", "Bob", "BEYONC\u00c9", "Bob "])
    assert numbers(run) == [0, 1, 0, 1]
    assert groups_of([run]).drawn == "artists"


def test_a_group_that_is_written_there_counts_before_the_artist(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", artist=["A", "B", "C", "D"], group=["1", "1", "2", "2"])
    assert numbers(run) == [0, 0, 1, 1]
    assert groups_of([run]).drawn == "artists"
    assert groups_of([folder(tmp_path / "run", group=["1", "1", "2", "2"])]).drawn == "songs"


def test_tracks_of_unknown_artists_stand_alone_and_it_is_said(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", artist=["A", "", "Unknown", "A"])
    assert numbers(run) == [0, 1, 2, 0]
    assert groups_of([run]).drawn == "artists where they are known"


def test_pieces_of_a_song_are_drawn_together(tmp_path: Path) -> None:
    run = folder(tmp_path / "run", song=["x", "x", "y", "y"])
    assert numbers(run) == [0, 0, 1, 1]
    assert groups_of([run]).drawn == "songs"
    assert groups_of([folder(tmp_path / "run", song=["x", "x", "y", "y"], artist=["", "", "", ""])]).drawn == "songs"


def test_where_nothing_is_known_each_stands_alone(tmp_path: Path) -> None:
    for run in (tmp_path, folder(tmp_path / "run", title=["a", "b", "a", "b"])):
        assert numbers(run) == [0, 1, 2, 3]
        assert groups_of([run]).drawn == ALONE


def test_an_artist_is_the_same_in_the_runs_of_all_seeds(tmp_path: Path) -> None:
    first = folder(tmp_path / "0", artist=["A", "B"])
    second = tmp_path / "1"
    second.mkdir()
    pd.DataFrame({"track_id": ["t2", "t3"], "artist": ["b", "a"]}).to_csv(second / "tracks.csv", index=False)
    assert groups_of([first, second]).labels(["t0", "t1", "t2", "t3"]).tolist() == [0, 1, 1, 0]
