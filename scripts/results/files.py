"""The files of ``data/results/``: a line for each figure, with what it was measured on, how and with what."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically

Row = Mapping[str, str]


def key_of(row: Row) -> str:
    """Name of a row of systems or of differences: its table and its name there."""
    return f"{row['table']}/{row['row']}"


class Results:
    """What the files hold, in their order.

    Parameters
    ----------
    folder : Path
        ``data/results``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.systems = self._read("systems")
        self.differences = self._read("differences")
        self.speed = self._read("speed")
        self.size = self._read("size")
        self.overview = self._read("overview")

    def _read(self, name: str) -> list[dict[str, str]]:
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def rows(self, table: str) -> list[dict[str, str]]:
        """Systems of a table."""
        return [row for row in self.systems if row["table"] == table]

    def system(self, key: str) -> Row:
        """System of a name.

        Raises
        ------
        UserError
            There is none.
        """
        for row in self.systems:
            if key_of(row) == key:
                return row
        raise UserError(f"{self.folder / 'systems.csv'}: no row '{key}', which a table asks for.")

    def difference(self, key: str, against: str) -> Row | None:
        """What a system has more than another one, if that was measured."""
        rows = [row for row in self.differences if key_of(row) == key and row["against"] == against]
        return rows[0] if rows else None

    def put(self, name: str, new: Row) -> None:
        """Write a row into a file: in place of the one it is named as, or as the last one of its table.

        Columns that `new` lacks, such as a title, stay as they are.
        """
        rows: list[dict[str, str]] = getattr(self, name)
        same = [place for place, row in enumerate(rows) if _identity(row) == _identity(new)]
        of_table = [place for place, row in enumerate(rows, 1) if row["table"] == new["table"]] or [len(rows)]
        place = same[0] if same else of_table[-1]
        rows[place : place + len(same)] = [dict.fromkeys(rows[0], "") | (rows[place] if same else {}) | dict(new)]
        self._write(name, rows)

    def renew(self, name: str, new: Sequence[Row]) -> None:
        """Put rows in the place of those with the same words: of speeds `what` is faster `against` what, or a step."""
        rows: list[dict[str, str]] = getattr(self, name)
        renewed = {_words(row): dict(row) for row in new}
        rows[:] = [renewed.get(_words(row), row) for row in rows]
        self._write(name, rows)

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.folder / f"{name}.csv", text.getvalue().encode())


def _identity(row: Row) -> tuple[str, str]:
    return key_of(row), row.get("against", "")


def _words(row: Row) -> tuple[str, ...]:
    return tuple(row.get(column, "") for column in ("what", "against", "step"))
