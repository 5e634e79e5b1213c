"""Tables as spreadsheets, databases and programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.data.table_files import read_numbers, read_table

TABLE = pd.DataFrame(
    {
        "track_id": ["01", "2", "NA"],
        "genre": ["rock", "pop", "jazz"],
        "artist": ["Guns N’ Roses", "Beyoncé", "Motörhead, live; at last"],
        "lyrics": ['say "yeah"\nla la', "la\tla | la", "doo"],
    }
)
ROWS = TABLE.to_dict("records")
SAVE = "save the table as CSV UTF-8"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac_roman"])
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_a_csv_is_read_in_any_encoding_and_with_any_separator(tmp_path: Path, sep: str, encoding: str) -> None:
    rows = TABLE.iloc[1:] if encoding == "mac_roman" else TABLE  # one sign alone is taken for that of cp1252
    rows.to_csv(tmp_path / "t.csv", index=False, sep=sep, encoding=encoding)
    table = read_table(tmp_path / "t.csv")
    assert table.to_dict("records") == rows.to_dict("records")
    assert table.attrs["note"].startswith(f"{tmp_path / 't.csv'}: not Unicode; read as ") is ("utf" not in encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Кино, Алиса, Земфира", "cp1251"), ("宇多田ヒカル、椎名林檎", "cp932"), ("周杰伦和王菲", "gb18030")],
)
def test_names_of_other_alphabets_are_read(tmp_path: Path, text: str, encoding: str) -> None:
    table = TABLE.assign(artist=text, lyrics="la")
    table.to_csv(tmp_path / "t.csv", index=False, encoding=encoding)
    assert read_table(tmp_path / "t.csv").to_dict("records") == table.to_dict("records")


@pytest.mark.parametrize("ending", [".csv", ".CSV", ".tsv", ".Txt"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\r\r\n"])
def test_a_csv_has_any_ending_in_any_case_and_any_line_ends(tmp_path: Path, ending: str, newline: str) -> None:
    text = TABLE.drop(columns="lyrics").to_csv(index=False, lineterminator=newline)
    (tmp_path / f"t{ending}").write_bytes(text.encode())
    assert read_table(tmp_path / f"t{ending}").to_dict("records") == TABLE.drop(columns="lyrics").to_dict("records")


@pytest.mark.parametrize("line", ["sep=;", "SEP=;\r", '"sep=;"'])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_line_that_names_the_separator_is_none_of_the_table(tmp_path: Path, line: str, encoding: str) -> None:
    text = f"{line}\n{TABLE.to_csv(index=False, sep=';')}"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert read_table(tmp_path / "t.csv").to_dict("records") == ROWS


def test_what_spreadsheets_write_around_a_table_is_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("track_id,genre,,\n1,rock,,\n,,,\n2,pop,,\n,,,\n ,,,\n")
    table = read_table(tmp_path / "t.csv")
    assert list(table.columns) == ["track_id", "genre"]
    assert table["track_id"].tolist() == ["1", None, "2"], "an empty row between others is told with its number"


@pytest.mark.parametrize("ending", [".jsonl", ".JSONL", ".ndjson", ".json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_json_is_read_by_lines_and_as_an_array(tmp_path: Path, ending: str, encoding: str) -> None:
    path = tmp_path / f"t{ending}"
    rows = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    for text in ("\n".join(rows), "[" + ",\n ".join(rows) + "]", json.dumps(ROWS, indent=2, ensure_ascii=False)):
        path.write_bytes(text.encode(encoding))
        assert read_table(path).to_dict("records") == ROWS


@pytest.mark.parametrize(
    "word", ["", " ", "NaN", "nan", "NULL", "null", "None", "NA", "n/a", "N/A", "<NA>", "#N/A", " nan ", "NaT"]
)
def test_what_programs_write_for_a_missing_value_is_none(tmp_path: Path, word: str) -> None:
    table = pd.DataFrame({"track_id": [1, 2], "genre": ["rock", word], "artist": [word, "A"], "lyrics": ["la", word]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.csv", "t.jsonl"):
        read = read_table(tmp_path / name)
        assert read[["genre", "artist", "lyrics"]].to_numpy().tolist() == [["rock", None, "la"], [None, "A", None]]


def test_a_name_that_holds_such_a_word_is_a_name(tmp_path: Path) -> None:
    names = ["None of the Above", "Nana", "NULL!", "Na Na Na", "n"]
    pd.DataFrame({"track_id": names, "genre": "rock", "artist": names}).to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv")["artist"].tolist() == names


def test_numbers_of_json_are_written_as_they_stand_and_whole_ones_without_a_point(tmp_path: Path) -> None:
    ids = ["1.0", "1", "12345678901234567890123", "0.10", "-2.00", '"007"', '"1.0"', "NaN", "null"]
    (tmp_path / "t.jsonl").write_text("".join(f'{{"track_id": {track}, "genre": NaN}}\n' for track in ids))
    table = read_table(tmp_path / "t.jsonl")
    expected = ["1", "1", "12345678901234567890123", "0.10", "-2", "007", "1.0", None, None]
    assert table["track_id"].tolist() == expected
    assert table["genre"].tolist() == [None] * len(ids)


def test_ids_of_csv_stay_as_they_are(tmp_path: Path) -> None:
    ids = ["007", "1e5", "12345678901234567890", "TRUE", "1.0", "None", "nan"]
    pd.DataFrame({"track_id": ids, "genre": "rock"}).to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv")["track_id"].tolist() == ids


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"PK\3\4\24\0\6\0" + bytes(range(256)), SAVE),
        ("t.csv", b"PK\3\4\24\0\6\0" + bytes(range(256)), SAVE),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), SAVE),
        ("t.ods", b"", SAVE),
        ("t.numbers", b"PK", SAVE),
        ("t.parquet", b"PAR1" + bytes(range(256)), "read_parquet"),
        ("t.csv", b"PAR1" + bytes(range(256)), "read_parquet"),
        ("t.csv.gz", b"\x1f\x8b\x08" + bytes(64), "gunzip"),
        ("t.csv", b"\n<!DOCTYPE html><html>", "a web page"),
        ("t.csv", bytes(range(256)) * 8, SAVE),
        ("t", b"track_id,genre\n1,rock\n", r"ends in \.csv, \.tsv, \.txt, \.jsonl, \.ndjson or \.json"),
        ("t.csv", b"track_id,genre\n1,rock\n2,pop\n3,jazz,x\n", "line 4 has 3 values, and the table 2 columns"),
        ("t.csv", b'track_id,genre\n1,rock\n2,"pop\n', "not a CSV table"),
        ("t.json", b'[{"track_id": 1},\n{"track_id" 2}]', "line 2: not JSON"),
        ("t.json", b'[{"track_id": 1}, 2]', "object 2: not an object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_table, read_numbers):
        with pytest.raises(UserError, match=message) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_damaged_utf_8_is_told(tmp_path: Path) -> None:
    text = "track_id,genre,artist\n" + "".join(f"{number},rock,Äöü Beyoncé\n" for number in range(20))
    content = text.encode()
    (tmp_path / "t.csv").write_bytes(content.replace("é".encode(), b"\xc3", 1))
    assert "1 characters are no UTF-8" in read_table(tmp_path / "t.csv").attrs["note"]


NUMBERS = pd.DataFrame({"track_id": ["01", "2"], "x": [1.5, -2.25], "y": [3e-05, 1000.5], "n": [1, 2]})


@pytest.mark.parametrize(("sep", "decimal"), [(";", ","), (";", "."), (",", "."), ("\t", ","), ("\t", "."), ("|", ",")])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_numbers_have_a_decimal_point_or_comma(tmp_path: Path, sep: str, decimal: str, encoding: str) -> None:
    NUMBERS.assign(filename="é.wav").to_csv(
        tmp_path / "t.csv", index=False, sep=sep, decimal=decimal, encoding=encoding, lineterminator="\r\n"
    )
    read = read_numbers(tmp_path / "t.csv")
    assert read["track_id"].tolist() == ["01", "2"]
    assert read["filename"].tolist() == ["é.wav"] * 2
    np.testing.assert_allclose(read[["x", "y", "n"]], NUMBERS[["x", "y", "n"]])


def test_numbers_are_read_of_json(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"track_id": 7, "x": 1.5, "y": NaN}, {"track_id": "b", "x": 2, "y": 1e3}]')
    read = read_numbers(tmp_path / "t.json")
    assert read["track_id"].tolist() == ["7", "b"]
    np.testing.assert_array_equal(read[["x", "y"]], [[1.5, np.nan], [2, 1000]])


@pytest.mark.parametrize("column", ["track_id", "filename"])
def test_numbers_may_belong_to_a_track_of_any_name(tmp_path: Path, column: str) -> None:
    names = ["NA", "None", "null", "nan", "007", "1.0"]
    table = pd.DataFrame({column: names, "x": ["1", "NA", "", "null", "nan", "6"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for path in (tmp_path / "t.csv", tmp_path / "t.jsonl"):
        read = read_numbers(path)
        assert read[column].tolist() == names
        np.testing.assert_array_equal(read["x"], [1, *[np.nan] * 4, 6])


def test_rows_of_numbers_without_anything_are_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,track_id\n1.5,1\n2.5\n,\n3.5,2\n,\n")
    assert read_numbers(tmp_path / "t.csv")["track_id"].tolist() == ["1", None, None, "2"]
