"""Reading tables that people and programs wrote, so that whatever is wrong with one is said with its name and line.

A table is CSV (``.csv``, ``.tsv``, ``.txt``: separated by commas, semicolons, tabs or bars) or JSON (``.jsonl``,
``.ndjson``: an object in each line; ``.json``: that, or one array of objects), in any encoding.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.core.files import require_file
from genrefusion.data.text_files import decode_text

_JSON = (".jsonl", ".ndjson", ".json")
ENDINGS = (".csv", ".tsv", ".txt", *_JSON)
"""Of the files that are read as tables, in any case."""

NAMED_ENDINGS = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
"""All of them, in words."""

MISSING = frozenset("nan -nan null none na n/a <na> #n/a #na nat".split())
"""What programs write where a value is missing, in small letters; beside nothing at all."""

_LONGER = 8  # characters than any of these, with a space or two around it

_IDS = ("track_id", "filename")
"""Columns in which any text is a name."""

_MARK = "="

_SAVE = "In the program that wrote it, save the table as CSV UTF-8 (File, Save as), and name that file."
_OTHERS = (
    (b"PK\x03\x04", f"a workbook or an archive, not a table of text. {_SAVE}"),  # .xlsx, .ods, .numbers
    (b"\xd0\xcf\x11\xe0", f"a workbook of Excel, not a table of text. {_SAVE}"),
    (b"PAR1", "a Parquet file. Write it as CSV: pandas.read_parquet(path).to_csv('table.csv', index=False)"),
    (b"\x1f\x8b", "compressed. Unpack it first: gunzip"),
    (b"<!doctype html", "a web page, not a table. Download the file that it shows."),
    (b"<html", "a web page, not a table. Download the file that it shows."),
)
"""Beginnings of files that are taken for tables."""

_BY_ENDING = dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), _OTHERS[0][1]) | {".parquet": _OTHERS[2][1]}
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*\n', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_ARRAY = re.compile(r"\s*\[\s*\{")
_WHOLE = re.compile(r"(-?\d+)\.0+")
_COMMA, _POINT = re.compile(r"-?\d+,\d+([eE][+-]?\d+)?"), re.compile(r"-?\d*\.\d+([eE][+-]?\d+)?")
_ROWS_TO_KNOW = 200


def read_table(path: Path, setting: str = "") -> pd.DataFrame:
    """Read a table as it stands, but for values that are missing.

    Missing is a cell that is empty or blank, or that holds what programs write for it, in any case: NaN, NULL, None,
    NA, N/A, <NA>, #N/A (`MISSING`). An artist or a song of such a name is unknown then, which costs less than to take
    many unknown ones for one. In ``track_id`` any text but nothing is a name. JSON's numbers are written as they stand
    there, whole ones without a point: 1.0 is 1.

    Parameters
    ----------
    path : Path
    setting : str
        That names the file, to be said where there is none.

    Returns
    -------
    DataFrame
        Every value text, or None where it is missing; ``attrs["note"]`` says what was guessed of the file.

    Raises
    ------
    UserError
        The file is missing, is no table, or holds no row; with the line where that can be said.
    """
    text, note = _read(path, setting)
    if path.suffix.lower() in _JSON:
        table = _with_none(pd.DataFrame(list(_json_rows(path, text)), dtype=object))
    else:
        table = _without_empty(_with_none(_read_csv(path, text, dtype=str, keep_default_na=False)))
    if table.empty:
        raise UserError(f"{path}: holds no tracks.")
    table.attrs["note"] = note
    return table


def read_numbers(path: Path, setting: str = "") -> pd.DataFrame:
    """Read a table of numbers: the columns ``track_id`` and ``filename`` as text, others as pandas takes them.

    Where semicolons or tabs separate values, numbers may have a decimal comma.

    Raises
    ------
    UserError
        As of `read_table`.
    """
    text, _ = _read(path, setting)
    if path.suffix.lower() in _JSON:
        table = pd.DataFrame(list(_json_rows(path, text)))
        return table.assign(**{name: _as_numbers(table[name]) for name in map(str, table) if name not in _IDS})
    # Behind a mark, as pandas takes the names NA and None for missing ones in a column of any type.
    table = _read_csv(path, text, converters=dict.fromkeys(_IDS, _MARK.__add__), decimal=_decimal_sign(text))
    for name in filter(table.columns.__contains__, _IDS):
        ids = [_known(marked.removeprefix(_MARK), is_id=True) for marked in table[name].tolist()]
        table[name] = pd.Series(ids, table.index, dtype=object)
    return _without_empty(table)


def _read(path: Path, setting: str) -> tuple[str, str]:
    """Text of a table with line feeds, and what to say of its encoding."""
    require_file(path, setting)
    content = path.read_bytes()
    start, ending = content[:64].lstrip().lower(), path.suffix.lower()
    other = next((words for mark, words in _OTHERS if start.startswith(mark.lower())), _BY_ENDING.get(ending))
    if other:
        raise UserError(f"{path}: {other}")
    if ending not in ENDINGS:
        raise UserError(f"{path}: a table ends in {NAMED_ENDINGS}.")
    try:
        text, encoding = decode_text(content)
    except ValueError as error:
        raise UserError(f"{path}: {error}. {_SAVE}") from error
    note = ""
    if not encoding.startswith("utf"):
        note = f"{path}: not Unicode; read as {encoding}. If names look wrong, save the table as UTF-8."
    elif damaged := text.count("\ufffd"):
        note = f"{path}: {damaged} characters are no UTF-8 and read as \ufffd. Save the table as UTF-8 again."
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").lstrip("\n"), note


def _separator(text: str) -> tuple[str, str]:
    """What separates the values of a CSV text, and the text from its header on: a line ``sep=;`` may stand before."""
    if line := _SEPARATOR_LINE.match(text):
        return line[1], text[line.end() :]
    header = text.partition("\n")[0]
    return max(_SEPARATORS, key=_QUOTED.sub("", header).count), text


def _read_csv(path: Path, text: str, **options: Any) -> pd.DataFrame:
    separator, text = _separator(text)
    try:
        with warnings.catch_warnings():
            # It warns where the first row is longer than the header, and would drop the rest.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Of bytes, as it copies a text to four bytes a character first.
            content = io.BytesIO(text.encode("utf-8", "surrogatepass"))
            table: pd.DataFrame = pd.read_csv(content, sep=separator, index_col=False, low_memory=False, **options)
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{path}: line 2 has more values than there are columns. A text that holds a '{separator}' needs quotes."
        ) from error
    except (ValueError, pd.errors.ParserError) as error:
        if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
            raise UserError(
                f"{path}: line {found[2]} has {found[3]} values, and the table {found[1]} columns. A text that holds a "
                f"'{separator}' needs quotes."
            ) from error
        raise UserError(f"{path}: not a CSV table ({str(error).strip()}).") from error
    return table


def _decimal_sign(text: str) -> str:
    """A comma if first rows have numbers with one, and none with a point."""
    separator, text = _separator(text)
    lines = text.split("\n", _ROWS_TO_KNOW)[1:_ROWS_TO_KNOW]
    cells = [cell.strip().strip('"') for line in lines for cell in line.split(separator)]
    commas, points = (any(map(number.fullmatch, cells)) for number in (_COMMA, _POINT))
    return "," if commas and not points and separator != "," else "."


def _json_rows(path: Path, text: str) -> Iterator[Mapping[str, str | None]]:
    if _ARRAY.match(text):
        try:
            found = _parse(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
        for number, row in enumerate(found, start=1):
            yield _json_row(row, f"{path}, object {number}")
        return
    # Not splitlines: it takes U+2028 and others, which JSON allows within a text, for the end of a line.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _parse(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: not JSON ({error.msg}).") from error
        yield _json_row(row, f"{path}, line {number}")


def _literal(number: str) -> str:
    whole = _WHOLE.fullmatch(number)
    return whole[1] if whole else number


_parse = json.JSONDecoder(parse_float=_literal, parse_int=str, parse_constant={"NaN": None}.get).decode


def _json_row(row: Any, where: str) -> Mapping[str, str | None]:
    if not isinstance(row, dict):
        raise UserError(f"{where}: not an object with the columns as keys.")
    return {key: value if value is None else str(value) for key, value in row.items()}


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers of a column of text; as it is where one is none."""
    try:
        return pd.to_numeric(_with_none(column.to_frame())[column.name])
    except (ValueError, TypeError):
        return column


def _with_none(table: pd.DataFrame) -> pd.DataFrame:
    """Missing values as None, in columns of plain objects."""
    columns = {name: [_known(value, name in _IDS) for value in table[name].tolist()] for name in table}
    return pd.DataFrame(columns, table.index, dtype=object)


def _known(value: object, is_id: bool) -> str | None:
    """Text of a cell; None where it says that there is none."""
    if not isinstance(value, str) or not value or value.isspace():
        return None
    return None if not is_id and len(value) < _LONGER and value.strip().casefold() in MISSING else value


def _without_empty(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what spreadsheets write around a table: columns without name and value, and empty rows at the end."""
    nameless = [name for name in table if re.match(r"Unnamed: \d+", str(name)) and table[name].isna().all()]
    table = table.drop(columns=nameless)
    filled = table.notna().any(axis=1).to_numpy().nonzero()[0]
    return table.iloc[: filled[-1] + 1 if len(filled) else 0]
