"""Reading CSV and JSON Lines files, so that whatever is wrong with one is said with its name and line."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import pandas as pd

from genrefusion.core.errors import UserError


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or JSON Lines file of tracks as it stands, every value text or None.

    Raises
    ------
    UserError
        The file is missing, is no table, or is not encoded in UTF-8; with the line where that can be said.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 (byte {error.start}: 0x{error.object[error.start]:02x}).\n"
            f"Convert it: iconv -f latin1 -t utf-8 {path.name} > utf8{path.suffix}"
        ) from error
    if path.suffix == ".csv":
        return _read_csv(path, text)
    if path.suffix in (".jsonl", ".json"):
        return _read_json_lines(path, text)
    raise UserError(f"{path}: a tracks table ends in .csv or .jsonl.")


def _read_csv(path: Path, text: str) -> pd.DataFrame:
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    try:
        with warnings.catch_warnings():
            # It warns where the first row is longer than the header, and would drop the rest.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{path}: line 2 has more values than there are columns. A text that holds a '{separator}' needs quotes."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{path}: not a CSV table ({str(error).strip()}).") from error
    if table.empty:
        raise UserError(f"{path}: holds no tracks.")
    return _with_none(table)


def _read_json_lines(path: Path, text: str) -> pd.DataFrame:
    rows = []
    # Not splitlines: it takes U+2028 and others, which JSON allows within a text, for the end of a line.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {number}: not JSON ({error.msg}).") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: not an object with the columns as keys.")
        rows.append({key: value if value is None else str(value) for key, value in row.items()})
    if not rows:
        raise UserError(f"{path}: holds no tracks.")
    return _with_none(pd.DataFrame(rows))


def _with_none(table: pd.DataFrame) -> pd.DataFrame:
    """Empty cells as None, in columns of plain objects."""
    table = table.astype(object)
    return table.where(table.notna() & (table != ""), None)
