from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.data import tracks as tracks_module
from genrefusion.data.table_files import read_table
from genrefusion.data.text_files import read_text
from genrefusion.data.tracks import Tracks, load_table, validate_table

ROWS = [
    {"track_id": "01", "genre": "jazz", "artist": "Ann", "lyrics": "la\nla, la"},
    {"track_id": "2", "genre": "jazz", "artist": None, "lyrics": None},
    {"track_id": "é 3", "genre": "rock", "artist": "Bob", "lyrics": 'say "yeah"'},
    {"track_id": "NA", "genre": "rock", "artist": "Cy", "lyrics": "doo"},
]


def write_csv(path: Path, rows: list[dict[str, str | None]], *, sep: str = ",", encoding: str = "utf-8") -> Path:
    pd.DataFrame(rows).to_csv(path, index=False, sep=sep, encoding=encoding)
    return path


def write_jsonl(path: Path, rows: list[dict[str, str | None]], *, encoding: str = "utf-8") -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding=encoding)
    return path


PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\xff\xd8\x81"
WRITERS: dict[str, Callable[..., Path]] = {"csv": write_csv, "jsonl": write_jsonl}


def changed(row: int, **values: str | None) -> list[dict[str, str | None]]:
    """The rows with values of one of them replaced."""
    return [values_of | values if i == row else values_of for i, values_of in enumerate(ROWS)]


def load(folder: Path, rows: list[dict[str, str | None]]) -> Tracks:
    return load_table(write_jsonl(folder / "tracks.jsonl", rows), corpus="mine")


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, ending: str, encoding: str) -> None:
    path = WRITERS[ending](tmp_path / f"tracks.{ending}", ROWS, encoding=encoding)
    tracks = load_table(path, corpus="mine")
    assert tracks.ids == ["01", "2", "é 3", "NA"]
    assert tracks.genres == ["jazz", "rock"]
    assert tracks.table.reset_index().to_dict("records") == ROWS


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_a_csv_may_be_separated_as_a_spreadsheet_does(tmp_path: Path, sep: str) -> None:
    table = read_table(write_csv(tmp_path / "tracks.csv", ROWS, sep=sep))
    assert table.to_dict("records") == ROWS


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_a_csv_may_have_the_line_ends_of_any_system(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "tracks.csv"
    path.write_bytes(newline.join(["track_id,genre", "1,jazz", "2,jazz", ""]).encode())
    assert read_table(path)["genre"].tolist() == ["jazz", "jazz"]


@pytest.mark.parametrize("ending", WRITERS)
def test_values_of_a_text_column_are_text_or_none(tmp_path: Path, ending: str) -> None:
    table = read_table(WRITERS[ending](tmp_path / f"tracks.{ending}", ROWS))
    assert {type(value) for value in table.to_numpy().flat} == {str, type(None)}


def test_numbers_in_json_become_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"track_id": 7, "genre": "jazz"}\n\n{"track_id": 8, "genre": "jazz"}\n')
    assert load_table(tmp_path / "a.jsonl", corpus="mine").ids == ["7", "8"]


def test_a_broken_json_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "tracks.jsonl", ROWS)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "", lines[1][:-4], lines[2]]))
    with pytest.raises(UserError, match=r"tracks.jsonl, line 3: not JSON"):
        read_table(path)


def test_lyrics_may_hold_the_line_separators_of_unicode(tmp_path: Path) -> None:
    rows = changed(0, lyrics="one\u2028two\u0085three\x0cfour")
    assert load(tmp_path, rows).table["lyrics"].iloc[0] == "one\u2028two\u0085three\x0cfour"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '["01", "jazz"]\n', "line 1: not an object"),
        ("a.jsonl", "\n\n", "holds no tracks"),
        ("a.csv", "", "not a CSV table"),
        ("a.csv", "track_id,genre\n1,jazz,x,y\n", "line 2"),
        ("a.csv", "track_id,genre\n", "holds no tracks"),
        ("a.xlsx", "PK", "a workbook.*CSV UTF-8"),
        ("a.doc", "track_id,genre", r"a table ends in .csv, .tsv"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tracks.csv: no such file"):
        load_table(tmp_path / "tracks.csv", corpus="mine")


@pytest.mark.parametrize(
    ("row", "values", "message"),
    [
        (1, {"track_id": "01"}, r"row 3  01  track_id is there twice"),
        (1, {"track_id": None}, r"row 3  \(no id\)  track_id is empty"),
        (1, {"track_id": " "}, r"row 3 .*track_id is empty"),
        (1, {"genre": None}, r"row 3  2  genre is empty"),
        (1, {"genre": "  "}, r"row 3  2  genre is empty"),
        (1, {"genre": "NaN"}, r"row 3  2  genre is empty"),
        (1, {"genre": " frame"}, r"row 3  2  not a name for a genre"),
        (0, {"split": "validation"}, r"row 2  01  split is not train, val or test \('validation'\)"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(
    tmp_path: Path, row: int, values: dict[str, str | None], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, changed(row, **values))


def test_all_broken_rows_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [{"track_id": str(i), "genre": None} for i in range(12)]
    with pytest.raises(UserError, match=r"12 of 12 rows break a rule:") as caught:
        load(tmp_path, rows)
    assert str(caught.value).count("genre is empty") == 8
    assert "and 4 more" in str(caught.value)


@pytest.mark.parametrize("name", ["gerne", "Genre", "genres", " genre"])
def test_a_misspelt_column_is_named_with_the_right_one(name: str) -> None:
    table = pd.DataFrame({"track_id": ["1", "2"], name: ["jazz", "jazz"]})
    with pytest.raises(UserError, match=f"column '{name}' looks like 'genre'"):
        validate_table(table, where="tracks.csv")


@pytest.mark.parametrize("name", ["artist_id", "artists", "genres", "Lyrics", "track_ids"])
def test_a_column_like_a_known_one_beside_it_is_another_and_is_kept(tmp_path: Path, name: str) -> None:
    tracks = load(tmp_path, [row | {name: "x"} for row in ROWS])
    assert tracks.table[name].tolist() == ["x"] * 4


def test_a_known_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track_id,genre,genre\n1,jazz,rock\n")
    with pytest.raises(UserError, match="there twice: genre"):
        load_table(tmp_path / "t.csv", corpus="mine")


def test_missing_columns_are_named_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no column track_id or genre. There are: file, label.\n.*needs track_id"):
        validate_table(pd.DataFrame({"file": ["1"], "label": ["jazz"]}), where="tracks.csv")


def test_unknown_columns_are_kept(tmp_path: Path) -> None:
    rows = [row | {"mood": "blue"} for row in ROWS]
    assert load(tmp_path, rows).table["mood"].tolist() == ["blue"] * 4


def test_paths_are_relative_to_the_folder_of_the_table(
    tmp_path: Path, write_tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    song = write_tone(tmp_path / "corpus" / "songs" / "a b.wav")
    elsewhere = write_tone(tmp_path / "other.wav")
    (tmp_path / "corpus").mkdir(exist_ok=True)
    rows = [
        {"track_id": "1", "genre": "jazz", "audio": "songs/a b.wav"},
        {"track_id": "2", "genre": "jazz", "audio": str(elsewhere)},
    ]
    write_csv(tmp_path / "corpus" / "tracks.csv", rows)
    monkeypatch.chdir(tmp_path)
    tracks = load_table(Path("corpus/tracks.csv"), corpus="mine")
    assert tracks.paths() == {"1": song, "2": elsewhere}


@pytest.mark.parametrize("column", ["audio", "lyrics_path"])
def test_missing_files_are_named_with_their_tracks(tmp_path: Path, column: str) -> None:
    rows = [row | {column: f"nowhere/{row['track_id']}"} for row in ROWS]
    with pytest.raises(UserError, match=r"4 files are missing. Paths are relative to the table's folder:\n  01  .*01"):
        load(tmp_path, rows)


def test_lyrics_are_read_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("\ufeffnuit\nétoile", encoding="utf-8")
    rows = [
        {"track_id": "1", "genre": "jazz", "lyrics_path": "one.txt", "lyrics": None},
        {"track_id": "2", "genre": "jazz", "lyrics_path": "one.txt", "lyrics": "inline"},
        {"track_id": "3", "genre": "jazz", "lyrics_path": None, "lyrics": None},
    ]
    assert load(tmp_path, rows).table["lyrics"].tolist() == ["nuit\nétoile", "inline", None]


def test_lyrics_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_bytes(PICTURE)
    rows = [row | {"lyrics": None, "lyrics_path": "one.txt"} for row in ROWS]
    with pytest.raises(UserError, match=r"one.txt: lyrics cannot be read \(no text"):
        load(tmp_path, rows)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (0, {"genre": "rock"}),
        (0, {"lyrics": "lo"}),
        (1, {"lyrics": ""}),
        (0, {"artist": "Eve"}),
        (2, {"track_id": "e 3"}),
        (0, {"split": "test"}),
        (0, {"sha256": "0" * 64}),
    ],
)
def test_the_digest_changes_with_whatever_changes_a_result(
    tmp_path: Path, row: int, values: dict[str, str | None]
) -> None:
    rows = [*ROWS, {"track_id": "5", "genre": "jazz", "artist": None, "lyrics": None}]
    other = [old | values if i == row else old for i, old in enumerate(rows)]
    same = values == {"lyrics": ""}  # an empty cell and none are one thing
    assert (load(tmp_path, rows).digest == load(tmp_path, other).digest) is same


def test_the_digest_does_not_change_with_the_order_of_rows(tmp_path: Path) -> None:
    assert load(tmp_path, ROWS).digest == load(tmp_path, ROWS[::-1]).digest


def test_the_digest_does_not_change_with_notes_or_the_kind_of_file(tmp_path: Path) -> None:
    noted = [row | {"mood": "blue", "title": "Song"} for row in ROWS]
    csv = load_table(write_csv(tmp_path / "tracks.csv", ROWS), corpus="other name")
    assert load(tmp_path, noted).digest == csv.digest


def test_the_digest_does_not_change_with_where_the_songs_are(tmp_path: Path, write_tone: Callable[..., Path]) -> None:
    digests = set()
    for folder in ("here", "there"):
        write_tone(tmp_path / folder / "a.wav")
        digests.add(load(tmp_path / folder, [row | {"audio": "a.wav"} for row in ROWS]).digest)
    assert len(digests) == 1


WORDS = "the night is long and the road is cold"


def test_a_track_is_known_again_by_its_audio_and_by_its_lyrics(tmp_path: Path) -> None:
    first, *_ = load(tmp_path, changed(0, sha256="ab" * 32, lyrics=WORDS)).content_digests()
    (words,) = load(tmp_path, changed(0, lyrics=f"[Chorus]\n[00:12.00] {WORDS.title()}!")).content_digests()[0]
    assert first == {"ab" * 32, words}


def test_a_track_is_known_again_by_what_a_run_of_version_0_1_noted(tmp_path: Path) -> None:
    first, *_ = load(tmp_path, changed(0, sha256="ab" * 32, lyrics=f"[Chorus]\n{WORDS} (solo)\nSolo")).all_digests()
    assert {"ab" * 32, hashlib.sha256(WORDS.encode()).hexdigest()} < first


def test_tracks_without_audio_and_lyrics_have_digests_of_their_own(tmp_path: Path) -> None:
    bare = [
        row | {"genre": "jazz", "lyrics": lyrics} for row, lyrics in zip(ROWS[:3], (None, "la la", WORDS), strict=True)
    ]
    path = write_jsonl(tmp_path / "tracks.jsonl", bare)
    here, there = (load_table(path, corpus=corpus).content_digests() for corpus in ("here", "there"))
    assert here == load_table(path, corpus="here").content_digests()
    assert len({*here[:2], *there[:2]}) == 4, "tracks 1 and 2 have nothing but corpus and id"
    assert here[2:] == there[2:], "the same lyrics are the same wherever they are"


def test_a_track_lacks_sides_of_which_it_has_none(tmp_path: Path, write_tone: Callable[..., Path]) -> None:
    write_tone(tmp_path / "a.wav")
    sides: dict[str, dict[str, str | None]] = {
        "both": {"audio": "a.wav", "lyrics": "la"},
        "audio": {"audio": "a.wav", "lyrics": None},
        "blank": {"audio": "a.wav", "lyrics": " \n\t"},
        "lyrics": {"audio": None, "lyrics": "lo"},
        "none": {"audio": None, "lyrics": "  "},
    }
    tracks = load(tmp_path, [{"track_id": track, "genre": "jazz"} | row for track, row in sides.items()])
    assert tracks.lacking("audio") == ["lyrics", "none"]
    assert tracks.lacking("lyrics") == ["audio", "blank", "none"]
    assert tracks.lacking("audio", "lyrics") == ["none"]
    with pytest.raises(UserError, match=r"1 of 5 tracks of mine have no audio and no lyrics.*\n  none\n"):
        tracks.require("audio", "lyrics")


def test_a_side_without_a_column_is_lacking(tmp_path: Path) -> None:
    tracks = load(tmp_path, ROWS)
    assert tracks.lacking("audio") == tracks.ids
    assert tracks.lacking("audio", "lyrics") == ["2"]


def test_a_track_without_audio_is_named_where_audio_is_needed(tmp_path: Path, write_tone: Callable[..., Path]) -> None:
    write_tone(tmp_path / "a.wav")
    tracks = load(tmp_path, [row | {"audio": None if row["track_id"] == "2" else "a.wav"} for row in ROWS])
    with pytest.raises(UserError, match=r"1 of 4 tracks of mine have no audio, which is needed here:\n  2"):
        tracks.paths()


def test_a_subset_has_the_tracks_in_the_order_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path, ROWS).subset(["é 3", "01"]).ids == ["é 3", "01"]


@pytest.mark.parametrize(("value", "synthetic"), [("true", True), ("True", True), ("false", False), (None, False)])
def test_synthetic_music_is_known_as_such(tmp_path: Path, value: str | None, synthetic: bool) -> None:
    assert load(tmp_path, [row | {"synthetic": value} for row in ROWS]).synthetic is synthetic


def test_a_column_without_a_value_is_as_none(tmp_path: Path) -> None:
    tracks = load(tmp_path, [row | {"audio": None} for row in ROWS])
    assert not tracks.has("audio")
    assert not tracks.has("license")
    assert tracks.has("lyrics")


def skip(folder: Path, rows: list[dict[str, str | None]]) -> Tracks:
    return load_table(write_jsonl(folder / "tracks.jsonl", rows), corpus="mine", skip=True)


def test_rows_that_break_a_rule_are_left_out_and_listed_where_that_is_asked_for(tmp_path: Path) -> None:
    broken: list[dict[str, str | None]] = [
        {"track_id": "01", "genre": "rock"},
        {"track_id": "odd", "genre": "rock", "split": "dev"},
        {"track_id": None, "genre": "rock"},
        {"track_id": "5", "genre": None},
        {"track_id": "6", "genre": "fold "},
    ]
    tracks = skip(tmp_path, [*ROWS, *broken])
    assert tracks.ids == [row["track_id"] for row in ROWS]
    assert tracks.skipped == {
        "01": "track_id is there twice ('01')",
        "odd": "split is not train, val or test ('dev')",
        "row 8": "track_id is empty (None)",
        "5": "genre is empty (None)",
        "6": "not a name for a genre: tables of predictions use it ('fold ')",
    }


def test_rows_whose_files_are_missing_or_no_text_are_left_out_and_listed_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "cover.txt").write_bytes(PICTURE)
    rows = [row | {"track_id": f"whole {i}"} for i in range(2) for row in ROWS]
    rows += [{"track_id": "gone", "genre": "jazz", "audio": "gone.mp3", "lyrics_path": None}]
    rows += [{"track_id": "picture", "genre": "jazz", "audio": None, "lyrics_path": "cover.txt"}]
    tracks = skip(tmp_path, [{**row, "track_id": str(i)} for i, row in enumerate(rows)])
    assert len(tracks) == 8
    assert tracks.skipped["8"] == f"{tmp_path / 'gone.mp3'} is missing"
    assert tracks.skipped["9"].startswith(f"{tmp_path / 'cover.txt'}: lyrics cannot be read (no text")


def test_a_table_without_a_row_to_use_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not one of its rows can be used:\n  row 2  track_id is empty"):
        skip(tmp_path, [{"track_id": None, "genre": None}])


def test_a_text_where_a_path_should_stand_is_a_missing_file(tmp_path: Path) -> None:
    words = "la " * 2000  # longer than any path can be
    with pytest.raises(UserError, match="1 file is missing"):
        load(tmp_path, changed(0, audio=words))
    assert list(skip(tmp_path, [*ROWS, ROWS[0] | {"track_id": "5", "audio": words}]).skipped) == ["5"]


def test_each_text_is_cleaned_once_for_all_tracks_that_are_made_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[str] = []
    monkeypatch.setattr("genrefusion.data.tracks.clean_lyrics", lambda text: cleaned.append(text) or text)
    count = 9000  # more than any memory of the last texts would hold
    table = pd.DataFrame({"genre": "jazz", "lyrics": [f"word {i}" for i in range(count)]}, pd.RangeIndex(count))
    tracks = Tracks(table.set_index(table.index.astype(str)), "many")
    for part in (tracks, tracks, tracks.subset(tracks.ids[::2]), replace(tracks, table=tracks.table[:100])):
        assert part.lyrics == list(part.table["lyrics"])
        assert not part.lacking("lyrics")
    assert len(cleaned) == count


@pytest.mark.parametrize("skip", [False, True])
def test_each_file_of_lyrics_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skip: bool) -> None:
    read: list[str] = []
    monkeypatch.setattr(tracks_module, "read_text", lambda path: read.append(path.name) or read_text(path))
    for name in ("1.txt", "2.txt"):
        (tmp_path / name).write_text(f"words of {name}")
    rows = [{"track_id": name, "genre": "jazz", "lyrics_path": name} for name in ("1.txt", "2.txt")]
    tracks = load_table(write_csv(tmp_path / "tracks.csv", rows), corpus="test", skip=skip)
    assert tracks.lyrics == ["words of 1.txt", "words of 2.txt"]
    assert read == ["1.txt", "2.txt"]


def test_columns_are_known_in_any_case_where_no_other_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Track_ID, Genre ,ARTIST,artist\na,rock,x,y\nb,rock,x,y\n")
    tracks = load_table(tmp_path / "t.csv", corpus="t")
    assert (tracks.ids, tracks.genres, list(tracks.table["artist"])) == (["a", "b"], ["rock"], ["y", "y"])
