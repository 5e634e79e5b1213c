from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from rich.console import Console

from genrefusion.commands.corpus.describe import counts_table, describe_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.settings.commands import CorpusConfig
from genrefusion.settings.data import FolderData, GtzanData, ManifestData

WriteTone = Callable[..., Path]


@pytest.fixture
def songs(tmp_path: Path, write_tone: WriteTone) -> Path:
    for number, genre in enumerate(("jazz", "rock")):
        for song in range(3):
            write_tone(tmp_path / "songs" / genre / f"{song}.wav", level=0.1 + 0.1 * song + 0.3 * number)
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
        ["genre", "tracks", "artists", "audio", "minutes", "lyrics", "words", "train", "val", "test"],
        ["jazz", "3", "1", "–", "–", "1", "3", "–", "–", "–"],
        ["rock", "1", "1", "–", "–", "1", "1", "–", "–", "–"],
        ["all", "4", "2", "–", "–", "2", "2", "–", "–", "–"],
    ]


def test_a_genre_is_never_read_as_markup() -> None:
    table = pd.DataFrame({"track_id": ["1", "2"], "genre": ["[red]", "[red]"]}, dtype=object)
    assert cells(Tracks(table.set_index("track_id"), "mine"))[1] == ["[red]", "2", *["–"] * 8]


@pytest.mark.parametrize("action", ["describe", "validate"])
def test_a_whole_corpus_exits_with_0(songs: Path, action: str) -> None:
    assert describe(songs, action) == 0


def test_a_corpus_says_whom_to_name_and_under_which_licence_it_is(
    tmp_path: Path, write_tone: WriteTone, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in ("jazz/jazz.00000", "jazz/jazz.00001", "rock/rock.00000", "rock/rock.00001"):
        write_tone(tmp_path / "genres" / f"{clip}.wav")
    data = GtzanData(root=str(tmp_path))
    describe_corpus(CorpusConfig(data=data, cache=str(tmp_path / "cache"), workers=1))
    printed = " ".join(capsys.readouterr().out.split())
    assert "cite Tzanetakis and Cook" in printed
    assert "licence none is stated" in printed
    assert "from http://opihi.cs.uvic.ca/sound/genres.tar.gz" in printed


def test_the_licences_in_a_table_are_counted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(table, "jazz/0", license="CC0-1.0")
    describe_corpus(CorpusConfig(data=ManifestData(manifest=str(table)), cache=str(table.parent / "cache"), workers=1))
    assert "unknown (5), CC0-1.0 (1)" in capsys.readouterr().out


def test_a_corpus_is_described_where_songs_are_broken(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    assert describe(songs, "describe") == 0
    assert "0:10 in all; a track 0:02 in the median, 0:02 to 0:02; 1 unknown" in capsys.readouterr().out


def test_a_broken_song_is_named_and_the_exit_code_is_1(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    assert describe(songs, "validate") == 1
    printed = capsys.readouterr().out
    assert f"jazz/0   {songs}/jazz/0.wav   empty: put a whole copy in its place, or go on without it" in printed
    assert "5 tracks can be used, 1 cannot; problems: 1" in printed


def test_what_a_mix_to_mono_loses_is_noted_and_is_no_problem(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tone, rate = soundfile.read(songs / "jazz" / "0.wav")
    soundfile.write(songs / "jazz" / "0.wav", np.stack([tone, -0.8 * tone], axis=1), rate)
    for _ in range(2):  # the second time from the cache
        assert describe(songs, "validate") == 0
        assert f"note     jazz/0   {songs}/jazz/0.wav   mixed to mono it loses 19 dB" in capsys.readouterr().out


def test_what_is_left_out_of_a_folder_is_a_problem(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "jazz" / "gone.wav").symlink_to("nowhere.wav")
    assert describe(songs, "validate") == 1
    printed = capsys.readouterr().out
    assert "problem  left out   jazz/gone.wav   behind links that lead nowhere\n" in printed
    assert "6 tracks can be used, 1 cannot; problems: 1" in printed


def test_the_counts_of_a_checked_corpus_are_of_the_songs_that_can_be_used(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (songs / "jazz" / "0.wav").write_bytes(b"")
    describe(songs, "validate")
    assert ["jazz", "2", "–", "2", "0", *["–"] * 5] in [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def table(songs: Path) -> Path:
    """A table of the songs, with digests, lyrics, artists and parts that are all in order."""
    rows = []
    for path in sorted(songs.rglob("*.wav")):
        genre, song = path.parent.name, path.stem
        rows.append(
            {
                "track_id": f"{genre}/{song}",
                "genre": genre,
                "audio": f"{genre}/{song}.wav",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "artist": f"{genre} {song}",
                "split": ("train", "val", "test")[int(song)],
                "lyrics": "one two three four five six",
            }
        )
    return write_rows(songs, rows)


def write_rows(songs: Path, rows: list[dict[str, str]]) -> Path:
    (songs / "tracks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return songs / "tracks.jsonl"


def change(table: Path, track: str, **values: str) -> None:
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    write_rows(table.parent, [row | values if row["track_id"] == track else row for row in rows])


def validate(table: Path, capsys: pytest.CaptureFixture[str], **settings: str) -> tuple[int, list[str], str]:
    """Exit code, the lines of problems, and all that was printed."""
    data = ManifestData(manifest=str(table), **settings)
    config = CorpusConfig(action="validate", data=data, cache=str(table.parents[1] / "cache"), workers=1)
    code = describe_corpus(config)
    printed = capsys.readouterr().out
    return code, [line for line in printed.splitlines() if line.startswith("problem")], printed


def test_a_table_in_order_has_no_problem(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, problems, printed = validate(table, capsys)
    assert (code, problems) == (0, [])
    assert "6 tracks can be used, 0 cannot; problems: 0" in printed
    assert "artists  6, 1 tracks each\n" in printed
    assert "lyrics   of 6 of 6 tracks (100%), 6 words in the median, 6 to 6" in printed
    assert "split    2 train (2 artists), 2 val (2 artists), 2 test (2 artists)" in printed


@pytest.mark.parametrize(
    ("values", "problem", "cure"),
    [
        ({"audio": "jazz/gone.wav"}, "jazz/gone.wav is missing", "put it back, or take the row out"),
        ({"sha256": "0" * 64}, "jazz/0.wav   changed since the table was made", "correct sha256 in its row"),
        ({"audio": "tracks.jsonl", "sha256": ""}, "tracks.jsonl   not an audio file", "put a whole copy in its place"),
        ({"split": "dev"}, "split is not train, val or test ('dev')", "mend its row"),
        (
            {"artist": "JAZZ 1"},
            "artist JAZZ 1   in train (jazz/0) and val (jazz/1)",
            "give all its tracks the same split",
        ),
        (
            {"audio": "jazz/1.wav", "sha256": ""},
            "the same file as jazz/0 (in val, the other in train)",
            "take one of the two rows out",
        ),
        ({"lyrics": "[Chorus]"}, "jazz/0   no lyrics", "add it, or go on without the track with data.on_error=skip"),
    ],
)
def test_each_problem_is_named_with_its_cure_and_the_rest_is_told(
    table: Path, capsys: pytest.CaptureFixture[str], values: dict[str, str], problem: str, cure: str
) -> None:
    change(table, "jazz/0", **values)
    code, problems, printed = validate(table, capsys, needs="lyrics")
    assert code == 1
    assert len(problems) == 1
    assert problem in problems[0]
    assert cure in problems[0]
    assert any(line.split()[:2] == ["rock", "3"] for line in printed.splitlines()), "the rest of the report comes"


def test_all_problems_are_told_at_once(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(table, "jazz/0", audio="jazz/gone.wav")
    change(table, "rock/1", sha256="0" * 64)
    change(table, "rock/2", artist="rock 0")
    code, problems, printed = validate(table, capsys)
    assert (code, len(problems)) == (1, 3)
    assert "4 tracks can be used, 2 cannot; problems: 3" in printed


def test_files_outside_the_folder_of_the_table_are_allowed_and_counted(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = table.parents[1] / "elsewhere.wav"
    (table.parent / "jazz" / "0.wav").rename(elsewhere)
    change(table, "jazz/0", audio="../elsewhere.wav")
    code, _, printed = validate(table, capsys)
    assert code == 0
    assert "note     files outside the table's folder: 1" in printed


def test_lengths_of_the_table_are_taken_before_those_of_headers(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(table, "jazz/0", seconds="3600")
    change(table, "jazz/1", seconds="NaN")
    assert "length   1:00:10 in all; a track 0:02 in the median, 0:02 to 1:00:00\n" in validate(table, capsys)[2]
