"""Files that a tracks table names and that are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from genrefusion.core.errors import UserError, bullet_list


def require_files(table: pd.DataFrame, where: Path) -> None:
    """Refuse a table that names files which do not exist.

    Parameters
    ----------
    table : DataFrame
        With absolute paths.
    where : Path
        Its file.

    Raises
    ------
    UserError
        Some are missing; the first ones are named.
    """
    if missing := missing_files(table):
        count = f"{len(missing)} {'file is' if len(missing) == 1 else 'files are'}"
        raise UserError(
            f"{where}: {count} missing. Paths are relative to the table's folder:\n"
            f"{bullet_list(f'{table.track_id.iloc[row]}  {file}' for row, file in missing.items())}\n"
            "Put them back, or go on without them: data.on_error=skip"
        )


def missing_files(table: pd.DataFrame) -> dict[int, str]:
    """Files that rows, by their position, name and that do not exist."""
    found = {
        number: str(path)
        for column in ("audio", "lyrics_path")
        for number, path in enumerate(table[column].tolist() if column in table else [])
        # Not of pathlib, which raises where a text that is no path stands in the column.
        if path and not os.path.exists(path)  # noqa: PTH110
    }
    return dict(sorted(found.items()))
