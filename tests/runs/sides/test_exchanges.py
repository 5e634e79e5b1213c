"""Songs that have been given the side of another one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.data.groups import group_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.runs.sides.changes import CHANGES, DAMAGED, Songs, Version
from genrefusion.runs.sides.exchanges import partners
from genrefusion.runs.sides.words import Vocabulary

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
MAKE = {change.key: change.make for change in CHANGES}
EXCHANGES = [f"{side}_{within}" for side in ("lyrics", "audio") for within in ("genre", "artist", "any")]


@pytest.fixture(scope="module")
def songs(demo: Tracks) -> Songs:
    return Songs(
        demo,
        genres=demo.labels(demo.genres),
        artists=group_tracks(demo.table),
        songs=group_tracks(demo.table, by_artist=False),
        vocabulary=Vocabulary(demo.lyrics),
    )


def sources(version: Version, demo: Tracks) -> tuple[list[str], list[str]]:
    """Ids of the songs that audio and lyrics of each track of a version were taken from."""
    by_text = dict(zip(demo.table["lyrics"], demo.ids, strict=True))
    by_path = dict(zip(demo.table["audio"], demo.ids, strict=True))
    assert len(by_text) == len(by_path) == len(demo)
    table = version.tracks.table
    return [by_path[path] for path in table["audio"]], [by_text[text] for text in table["lyrics"]]


@pytest.mark.parametrize("key", EXCHANGES)
@pytest.mark.parametrize("draw", range(3))
def test_one_side_is_its_own_and_the_other_never_is(key: str, draw: int, songs: Songs, demo: Tracks) -> None:
    version = MAKE[key](songs, draw)
    audio, lyrics = sources(version, demo)
    kept, given = (audio, lyrics) if key.startswith("lyrics") else (lyrics, audio)
    assert kept == version.of
    assert all(own != other for own, other in zip(kept, given, strict=True))
    assert len(set(given)) == len(given), "what is there in all stays as it is"
    assert version.tracks.ids == audio, "ready features are found by the id of the song that is heard"


@pytest.mark.parametrize("key", EXCHANGES)
def test_blocks_and_artists_are_kept(key: str, songs: Songs, demo: Tracks) -> None:
    table = demo.table.assign(artist=group_tracks(demo.table))
    for draw in range(3):
        own, given = (table.loc[ids] for ids in sources(MAKE[key](songs, draw), demo))
        same = {name: own[name].to_numpy() == given[name].to_numpy() for name in ("genre", "artist")}
        assert len(own) > len(demo) / 2
        if key.endswith("artist"):
            assert same["artist"].all()
        else:
            assert not same["artist"].any()
            assert same["genre"].all() == key.endswith("genre")


@pytest.mark.parametrize("key", EXCHANGES)
def test_a_draw_is_the_same_again_and_the_next_is_another(key: str, songs: Songs) -> None:
    first, again, second = (MAKE[key](songs, draw).tracks.table for draw in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first["lyrics"].sort_index().equals(second["lyrics"].sort_index())


def test_of_an_artist_with_most_songs_as_many_as_possible_get_a_partner() -> None:
    apart = np.array([0] * 7 + [1, 2, 3])
    for seed in range(20):
        found = partners(np.zeros(10, np.int64), apart, np.random.default_rng(seed))
        given = found >= 0
        assert given.sum() == 6, "three songs of the artist, and the three others"
        assert (apart[given] != apart[found[given]]).all()


def test_a_song_alone_in_its_block_gets_none() -> None:
    found = partners(np.array([0, 1, 1]), np.arange(3), np.random.default_rng(0))
    assert found.tolist() == [-1, 2, 1]


def test_every_other_song_can_be_drawn() -> None:
    draws = [partners(np.zeros(4, np.int64), np.arange(4), np.random.default_rng(seed)) for seed in range(60)]
    assert {int(draw[0]) for draw in draws} == {1, 2, 3}


def test_a_song_of_which_nothing_is_heard_has_no_file_and_another_id(songs: Songs, demo: Tracks) -> None:
    version = MAKE["lyrics_alone"](songs, 0)
    assert version.tracks.lacking("audio") == version.tracks.ids
    assert not set(version.tracks.ids) & set(demo.ids)
    assert version.of == demo.ids
    assert version.tracks.lyrics == demo.lyrics


@pytest.mark.parametrize("kind", ["dropped", "misheard"])
def test_damaged_words_are_as_many_as_said(kind: str, songs: Songs, demo: Tracks) -> None:
    for number in range(5):
        own = WORD.findall(demo.lyrics[number])
        for share in DAMAGED:
            words = WORD.findall(MAKE[f"{kind}_{share * 100:.0f}"](songs, 0).tracks.lyrics[number])
            lost = len(own) - len(words)
            if kind == "misheard":
                assert lost == 0
                lost = sum(a != b for a, b in zip(own, words, strict=True))
            assert lost / len(own) == pytest.approx(share, abs=0.02)


def test_a_draw_of_words_does_not_depend_on_the_other_songs(songs: Songs, demo: Tracks) -> None:
    few = Songs(demo.subset(demo.ids[3:5]), songs.genres[3:5], songs.artists[3:5], songs.songs[3:5], songs.vocabulary)
    for key in ("dropped_30", "misheard_30"):
        assert MAKE[key](few, 0).tracks.lyrics == MAKE[key](songs, 0).tracks.lyrics[3:5]


def test_songs_are_left_as_they_are(songs: Songs, demo: Tracks, tmp_path: Path) -> None:
    before = demo.table.copy()
    for change in CHANGES:
        change.make(songs, 0)
    pd.testing.assert_frame_equal(demo.table, before)
