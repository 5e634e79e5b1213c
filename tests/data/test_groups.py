"""What belongs together, and what only looks alike."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genrefusion.data.groups import group_tracks, knows_artists, lyrics_key, recordings_of_two_genres

WORDS = "the night is long and the road is cold and I am far from home"


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    index = pd.Index([f"t{number:02}" for number in range(len(rows))], name="track_id")
    return pd.DataFrame(list(rows), index=index, dtype=object).astype(object).where(lambda t: t.notna(), None)


def together(*rows: dict[str, Any], by_artist: bool = True) -> bool:
    return len(set(group_tracks(table(*rows), by_artist=by_artist))) == 1


def name(form: str) -> dict[str, Any]:
    return {"artist": unicodedata.normalize(form, "Beyoncé")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (name("NFC"), name("NFD")),
        ({"artist": "Guns N’ Roses"}, {"artist": "guns n' roses "}),
        ({"song": "x"}, {"song": "x"}),
        ({"artist": "Ann", "song": "x"}, {"artist": None, "song": "x"}),
        ({"sha256": "ab"}, {"sha256": "ab"}),
        ({"sha256": "a1", "samples_sha256": "ab"}, {"sha256": "a2", "samples_sha256": "ab"}),
        ({"lyrics": WORDS}, {"lyrics": f"[Verse 1]\n{WORDS.upper()}!"}),
        ({"audio": "/music/rock/01.wav"}, {"audio": "/music/rock/01.mp3"}),
        ({"song_sha256": "ab", "sha256": "1"}, {"sha256": "ab"}),
    ],
)
def test_what_two_tracks_share_puts_them_together(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert together(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"artist": None}, {"artist": None}),
        ({"artist": " "}, {"artist": " "}),
        ({"artist": "Unknown Artist"}, {"artist": "Unknown Artist"}),
        ({"artist": "Various Artists"}, {"artist": "various artists"}),
        ({"artist": "n/a"}, {"artist": "N/A"}),
        ({"artist": "-"}, {"artist": "-"}),
        ({"audio": "/music/blues/01.wav"}, {"audio": "/music/rock/01.wav"}),
        ({"audio": "/music/blues.00001.wav"}, {"audio": "/music/blues.00002.wav"}),
        ({"lyrics": "la la"}, {"lyrics": "la la"}),
        ({"lyrics": ""}, {"lyrics": ""}),
        ({"song": None}, {"song": None}),
        ({"artist": "x"}, {"song": "x"}),
    ],
)
def test_what_says_nothing_puts_nothing_together(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not together(one, other)


def test_what_is_shared_with_a_third_track_counts() -> None:
    assert together(
        {"artist": "Ann", "sha256": "1"},
        {"artist": "Bob", "sha256": "1"},
        {"artist": "Bob", "lyrics": WORDS},
        {"lyrics": WORDS},
    )


def test_without_artists_recordings_stay_whole() -> None:
    rows = [{"artist": "Ann", "sha256": "1"}, {"artist": "Ann", "sha256": "2"}, {"artist": "Bob", "sha256": "1"}]
    first, second, third = group_tracks(table(*rows), by_artist=False)
    assert first == third != second


def test_lyrics_that_many_artists_share_are_a_placeholder() -> None:
    text = "We do not have the lyrics of this song yet"
    rows = [{"artist": f"artist {i}", "lyrics": text} for i in range(8)]
    assert len(set(group_tracks(table(*rows)))) == 8
    assert len(set(group_tracks(table(*rows[:3])))) == 1  # a song and two covers


def test_pieces_and_copies_of_a_song_do_not_make_its_lyrics_a_placeholder() -> None:
    """Two encodings of one song by nobody in particular, cut into pieces: their lyrics alone tell that they are one."""
    rows = [{"song": song, "lyrics": WORDS} for song in ("a.flac", "b.ogg") for _ in range(20)]
    assert together(*rows)


@pytest.mark.parametrize(("artists", "groups"), [(5, 1), (6, 6)])
def test_lyrics_of_up_to_five_artists_are_a_song(artists: int, groups: int) -> None:
    rows = [{"artist": f"artist {i}", "lyrics": WORDS} for i in range(artists)]
    assert len(set(group_tracks(table(*rows)))) == groups


def test_an_artist_named_like_a_track_or_a_song_is_another_group() -> None:
    rows = [{"artist": None}, {"artist": "track t00"}, {"artist": "t00"}, {"song": "t00"}]
    assert len(set(group_tracks(table(*rows)))) == 4


def test_numbers_do_not_depend_on_the_order_of_the_table() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "artist": f"a{rng.integers(9)}" if rng.random() < 0.8 else None,
            "sha256": str(rng.integers(40)),
            "song": f"s{rng.integers(60)}",
        }
        for _ in range(60)
    ]
    whole = table(*rows)
    numbers = pd.Series(group_tracks(whole), whole.index)
    mixed = whole.sample(frac=1, random_state=1)
    assert pd.Series(group_tracks(mixed), mixed.index).sort_index().equals(numbers)


def test_groups_are_the_connected_parts_that_a_graph_library_finds() -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(1)
    rows = [{"artist": f"a{rng.integers(80)}", "sha256": str(rng.integers(90))} for _ in range(120)]
    whole = table(*rows)
    edges = [
        (i, j)
        for column in ("artist", "sha256")
        for i, one in enumerate(whole[column])
        for j, other in enumerate(whole[column])
        if one == other
    ]
    graph = coo_matrix((np.ones(len(edges)), np.array(edges).T), shape=(120, 120))
    _, expected = connected_components(graph, directed=False)
    pairs = pd.DataFrame({"found": group_tracks(whole), "expected": expected})
    assert pairs["found"].nunique() == pairs["expected"].nunique() == len(pairs.drop_duplicates())


def test_one_recording_under_two_genres_is_named() -> None:
    rows = [{"genre": "rock", "sha256": "1"}, {"genre": "pop", "sha256": "1"}, {"genre": "pop", "sha256": "2"}]
    assert recordings_of_two_genres(table(*rows)) == ["t00 (rock), t01 (pop)"]
    artist = [{"genre": "rock", "artist": "Ann"}, {"genre": "pop", "artist": "Ann"}]
    assert recordings_of_two_genres(table(*artist)) == []


def test_artists_are_known_if_one_is() -> None:
    assert knows_artists(table({"artist": None}, {"artist": "Ann"}))
    assert not knows_artists(table({"artist": "Unknown"}, {"artist": " "}))
    assert not knows_artists(table({"genre": "rock"}))


def test_the_key_of_lyrics_is_of_their_letters() -> None:
    assert lyrics_key(WORDS) == lyrics_key(WORDS.upper().replace(" ", "  ")) != lyrics_key(WORDS + " again")
    assert lyrics_key("la la la") == lyrics_key("") == ""


def test_the_key_of_lyrics_never_changes() -> None:
    """Runs keep it: another rule would make them forget what they learnt from."""
    letters = b"thenightislongandtheroadiscoldandiamfarfromhome"
    assert lyrics_key(f"[Verse 1]\n[00:01.00] {WORDS}") == hashlib.sha256(letters).hexdigest()
