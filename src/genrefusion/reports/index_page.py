"""The page of all runs in a folder of outputs, ``index.html``: one line for each, with a link to its page.

It is the one page that runs something: the lines of ``templates/sort.js``, by which a heading sorts its column. The
page allows them by their digest and nothing else, and is complete without.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from genrefusion.core.files import write_atomically
from genrefusion.core.version import __version__
from genrefusion.reports.pages import TEMPLATES, Cell, Column, render

FILE = "index.html"
_MARK = b'<meta name="generator" content="genrefusion">'


@dataclass(frozen=True)
class Listed:
    """What lists say of a finished run, or of an evaluation of one.

    Attributes
    ----------
    name, corpus, corpus_digest, protocol : str
        Experiment, corpus with the beginning of its digest, and how it was divided.
    seed, n : int
        Of the training; number of test songs.
    date : datetime
        When a run was begun, or an evaluation made.
    accuracy, macro_f1 : float
        On the test songs.
    accuracy_ci95 : tuple of float or None
        95 % interval of the accuracy; runs of old versions may have none.
    synthetic : bool
        Whether a program composed the songs.
    directory : Path
        Folder with ``report.html``.
    settings : str
        As they are typed, those in which runs of the same name differ; the seed has a column.
    """

    name: str
    corpus: str
    corpus_digest: str
    protocol: str
    seed: int
    date: datetime
    n: int
    accuracy: float
    macro_f1: float
    directory: Path
    accuracy_ci95: tuple[float, float] | None
    synthetic: bool
    settings: str = ""


@dataclass(frozen=True)
class ListedTable:
    """What the index says of a table of results: its name, what was measured on, how many rows, when and where."""

    name: str
    about: str
    rows: int
    date: datetime
    directory: Path


def write_index(
    output: Path,
    runs: Sequence[Listed],
    *,
    evaluations: Sequence[Listed] = (),
    tables: Sequence[ListedTable] = (),
    damaged: Iterable[Path] = (),
) -> Path:
    """Write the page of a folder of outputs.

    Parameters
    ----------
    output : Path
        The folder; links are relative to it, so that it can be moved.
    runs, evaluations, tables : sequence
        What is listed, in any order; the page has the newest first.
    damaged : iterable of Path
        Files for whose sake something is left out.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    FileExistsError
        The folder has a page of that name which genrefusion did not write.
    OSError
        The page cannot be written.
    """
    target = output / FILE
    _require_own(target)
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    page = render(
        "index.html.j2",
        folder=output.resolve().name,
        runs=_section("run", runs, output),
        evaluations=_section("evaluation of", evaluations, output),
        tables=_tables(tables, output),
        synthetic=any(each.synthetic for each in (*runs, *evaluations)),
        damaged=sorted(os.path.relpath(path, output) for path in damaged),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        versions={"genrefusion": __version__},
    )
    write_atomically(target, page.encode(errors="replace"))  # names of files may be no text
    return target


def _require_own(target: Path) -> None:
    """Refuse to write over a page that someone else put there."""
    if target.exists():
        with target.open("rb") as file:
            if _MARK not in file.read(4096):
                raise FileExistsError(errno.EEXIST, "a page that genrefusion did not write", str(target))


def _section(first: str, listed: Sequence[Listed], output: Path) -> dict[str, Any]:
    """Columns and rows of the table of runs, or of evaluations."""
    told_apart = any(each.settings for each in listed)
    columns = [Column(heading, number=False) for heading in (first, "corpus", "protocol")]
    columns += [Column("seed"), *([Column("settings", number=False, long=True)] if told_apart else [])]
    columns += [Column(heading) for heading in ("n", "accuracy", "macro F1")]
    columns += [Column("date", number=False, sort="descending"), Column("digest", number=False)]
    newest = sorted(listed, key=lambda each: (each.date, each.directory), reverse=True)
    return {"columns": columns, "rows": [_row(each, output, told_apart=told_apart) for each in newest]}


def _row(each: Listed, output: Path, *, told_apart: bool) -> list[Cell]:
    interval = "" if each.accuracy_ci95 is None else "[{:.3f}, {:.3f}]".format(*each.accuracy_ci95)
    return [
        Cell(each.name, link=_link(each.directory / "report.html", output)),
        Cell(each.corpus, "synthetic" if each.synthetic else ""),
        Cell(each.protocol),
        Cell(str(each.seed)),
        *([Cell(each.settings)] if told_apart else []),
        Cell(f"{each.n:,}", key=str(each.n)),
        Cell(f"{each.accuracy:.3f}", interval, key=str(each.accuracy)),
        Cell(f"{each.macro_f1:.3f}", key=str(each.macro_f1)),
        _date(each.date),
        Cell(each.corpus_digest),
    ]


def _tables(tables: Sequence[ListedTable], output: Path) -> dict[str, Any]:
    """Columns and rows of the table of tables."""
    columns = [Column("table", number=False), Column("measured on", number=False), Column("rows")]
    columns.append(Column("date", number=False, sort="descending"))
    rows = [
        [
            Cell(each.name, link=_link(each.directory / "report.html", output)),
            Cell(each.about),
            Cell(str(each.rows)),
            _date(each.date),
        ]
        for each in sorted(tables, key=lambda each: (each.date, each.directory), reverse=True)
    ]
    return {"columns": columns, "rows": rows}


def _date(date: datetime) -> Cell:
    return Cell(date.strftime("%Y-%m-%d"), date.strftime("%H:%M"), key=date.isoformat())


def _link(path: Path, output: Path) -> str:
    """Relative address of a file; what means something in an address is quoted, also bytes that are no text."""
    return quote(os.fsencode(os.path.relpath(path, output)))
