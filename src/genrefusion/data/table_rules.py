"""What the rows and columns of a tracks table must be."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING, Any

import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.terminal import is_plain
from genrefusion.data.names import tidy

if TYPE_CHECKING:
    import pandera.pandas as pa

REQUIRED = ("track_id", "genre")
OPTIONAL = (
    *("audio", "lyrics", "lyrics_path", "artist", "title", "song"),
    *("split", "sha256", "license", "seconds", "synthetic"),
)
PARTS = ("train", "val", "test")
RESERVED = ("track_id", "fold", "frame", "genre", "predicted")
"""Names that no genre can have: tables of predictions use them for other columns."""


def with_known_names(table: pd.DataFrame) -> pd.DataFrame:
    """Table whose columns are called as they are known: ``Genre`` is ``genre`` where that is not there too."""
    meant = {name: name.strip().lower() for name in table.columns}
    known = set(REQUIRED + OPTIONAL) - set(table.columns)
    once = {of for of in meant.values() if list(meant.values()).count(of) == 1}
    return table.rename(columns={name: of for name, of in meant.items() if of in known & once})


def check_columns(columns: list[str], where: str) -> None:
    """Refuse columns that are missing, misspelt or there twice."""
    missing = [name for name in REQUIRED if name not in columns]
    known = REQUIRED + OPTIONAL
    unknown = [name for name in columns if name not in known]
    near = {name: difflib.get_close_matches(name.strip().lower(), known, n=1, cutoff=0.8) for name in unknown}
    # Beside the known column a near one is another: artist_id, genres.
    typos = [f"column '{name}' looks like '{of}'" for name, match in near.items() for of in match if of not in columns]
    if typos:
        raise UserError(
            f"{where}: misspelt columns. Rename them, or those that are something else to names less alike:\n"
            + bullet_list(typos)
        )
    if doubled := [name for name in known if f"{name}.1" in columns]:  # as pandas calls the second one
        raise UserError(f"{where}: columns that are there twice: {', '.join(doubled)}. Take one of each out.")
    if missing:
        raise UserError(
            f"{where}: no column {' or '.join(missing)}. There are: {', '.join(columns)}.\n"
            f"A tracks table needs track_id and genre, and can have: {', '.join(OPTIONAL)}."
        )


def _not_blank(values: pd.Series[Any]) -> pd.Series[Any]:
    return values.astype(str).str.strip() != ""


def _shown_as_it_is(names: pd.Series[Any]) -> pd.Series[Any]:
    return names.astype(str).map(lambda name: all(map(is_plain, name)))


@functools.cache
def _schema() -> pa.DataFrameSchema:
    import pandera.pandas as pa  # a fifth of a second: only where a table is read

    return pa.DataFrameSchema(
        {
            "track_id": pa.Column(
                str, [pa.Check(_not_blank, error="track_id is empty")], unique=True, report_duplicates="exclude_first"
            ),
            "genre": pa.Column(
                str,
                [
                    pa.Check(_not_blank, error="genre is empty"),
                    pa.Check(_shown_as_it_is, error="genre has characters that are not shown, which steer a terminal"),
                    pa.Check.notin(RESERVED, error="not a name for a genre: tables of predictions use it"),
                ],
            ),
            "split": pa.Column(
                str, pa.Check.isin(PARTS, error="split is not train, val or test"), nullable=True, required=False
            ),
        }
    )


_FAULTS = {"not_nullable": "is empty", "field_uniqueness": "is there twice"}


def row_faults(table: pd.DataFrame) -> dict[int, str]:
    """Say which rows, by their position, break a rule, and the first rule that each breaks."""
    from pandera.errors import SchemaErrors

    checked = table.assign(genre=[tidy(name) if isinstance(name, str) else name for name in table["genre"]])
    try:
        _schema().validate(checked, lazy=True)
    except SchemaErrors as error:
        faults: dict[int, str] = {}
        for case in error.failure_cases.to_dict("records"):
            if pd.isna(case["index"]):
                continue
            row = int(case["index"])
            fault = _FAULTS.get(case["check"])
            message = f"{case['column']} {fault}" if fault else str(case["check"])
            faults.setdefault(row, f"{message} ({table[case['column']].iloc[row]!r})")
        return faults
    return {}
