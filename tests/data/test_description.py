from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from genrefusion.config import CorpusConfig
from genrefusion.data.description import counts_table, describe_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.settings import FolderData

WriteTone = Callable[..., Path]


@pytest.fixture
def songs(tmp_path: Path, write_tone: WriteTone) -> Path:
    for genre in ("jazz", "rock"):
        for song in range(3):
            write_tone(tmp_path / "songs" / genre / f"{song}.wav", level=0.1 + 0.1 * song)
    return tmp_path / "songs"


def describe(songs: Path, action: str) -> int:
    data = FolderData(root=str(songs))
    config = CorpusConfig(action=action, data=data, cache=str(songs.parent / "cache"), workers=1)
    return describe_corpus(config)


def cells(tracks: Tracks) -> list[list[str]]:
    """The counts as they are printed."""
    console = Console(width=100)
    with console.capture() as capture:
        console.print(counts_table(tracks))
    return [line.split() for line in capture.get().splitlines()]


def test_tracks_artists_audio_and_lyrics_are_counted_by_genre() -> None:
    table = pd.DataFrame(
        {
            "track_id": ["1", "2", "3", "4"],
            "genre": ["rock", "jazz", "jazz", "jazz"],
            "artist": ["Eve", "Ann", "Ann", None],
            "lyrics": ["la", None, "lo lo lo", None],
        },
        dtype=object,
    )
    assert cells(Tracks(table.set_index("track_id"), "mine")) == [
        ["genre", "tracks", "artists", "audio", "lyrics", "words", "of", "lyrics,", "median"],
        ["jazz", "3", "1", "–", "1", "3"],
        ["rock", "1", "1", "–", "1", "1"],
        ["all", "4", "2", "–", "2", "2"],
    ]


def test_a_genre_is_never_read_as_markup() -> None:
    table = pd.DataFrame({"track_id": ["1", "2"], "genre": ["[red]", "[red]"]}, dtype=object)
    assert cells(Tracks(table.set_index("track_id"), "mine"))[1] == ["[red]", "2", "–", "–", "–", "–"]


@pytest.mark.parametrize("action", ["describe", "validate"])
def test_a_whole_corpus_exits_with_0(songs: Path, action: str) -> None:
    assert describe(songs, action) == 0


def test_a_corpus_is_described_without_opening_its_songs(songs: Path) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    assert describe(songs, "describe") == 0


def test_a_broken_song_is_named_and_the_exit_code_is_1(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    assert describe(songs, "validate") == 1
    printed = capsys.readouterr().out
    assert "jazz/0   empty" in printed
    assert "5 tracks can be used, 1 cannot" in printed


def test_the_counts_of_a_checked_corpus_are_of_the_songs_that_can_be_used(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    describe(songs, "validate")
    assert ["jazz", "2", "–", "2", "–", "–"] in [line.split() for line in capsys.readouterr().out.splitlines()]
