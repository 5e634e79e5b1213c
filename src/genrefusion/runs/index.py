"""The page of all runs, written again whenever one of them, an evaluation or a table is finished.

It is made from the folders each time, one process after the other: whoever comes last sees what all others finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from genrefusion.core.files import locked
from genrefusion.core.terminal import Terminal
from genrefusion.reports.index_page import FILE, Listed, ListedTable, write_index
from genrefusion.reports.result_tables import caption, read_results
from genrefusion.runs.listing import DAMAGED, differing, figures_of, read_runs, settings_of
from genrefusion.settings.in_python import typed


def renew_index(output: str, directory: Path, terminal: Terminal) -> None:
    """Write ``index.html`` of a folder of outputs anew, after something below it was finished.

    Where it cannot be written this is said, and nothing else happens: a run is none the worse for it.

    Parameters
    ----------
    output : str
        The setting; nothing is done where it is no folder.
    directory : Path
        Of the run or table; one that does not lie below `output` is in no index.
    terminal : Terminal
        Told why the page could not be written.
    """
    folder = Path(output).expanduser()
    if not (folder.is_dir() and directory.resolve().is_relative_to(folder.resolve())):
        return
    try:
        with locked(folder / ".index.lock"):
            _write(folder)
    except OSError as error:
        terminal.say("note", f"{folder / FILE}: {error.strerror}. The page of all runs is not renewed")


def _write(output: Path) -> None:
    damaged: list[Path] = []
    found = [(run, settings_of(config, run.directory)) for run, config in read_runs(output, damaged)]
    runs = _told_apart(*zip(*found, strict=True)) if found else []
    evaluations = [each for run in runs for each in _evaluations(run, damaged)]
    write_index(output, runs, evaluations=evaluations, tables=_tables(output, damaged), damaged=damaged)


def _told_apart(runs: Sequence[Listed], settings: Sequence[Mapping[str, Any]]) -> list[Listed]:
    """Runs with the settings in which those of one name differ.

    Of corpus and split, which have columns, those alone in which runs differ that are alike in these columns.
    """
    apart = differing([run.name for run in runs], settings)
    columns = [f"{run.name} {run.corpus} {run.corpus_digest} {run.protocol}" for run in runs]
    said = [
        {name: value for name, value in each.items() if name in alike or not name.startswith(("data.", "split."))}
        for each, alike in zip(apart, differing(columns, apart), strict=True)
    ]
    return [replace(run, settings=" ".join(typed(each))) for run, each in zip(runs, said, strict=True)]


def _evaluations(run: Listed, damaged: list[Path]) -> list[Listed]:
    """What a run was scored on again; as `Listed`, with the corpus, the figures and the time of each."""
    found = []
    for path in (run.directory / "evaluations").glob("[!.]*/evaluation.json"):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            known: dict[str, Any] = {name: str(about[name]) for name in ("corpus", "protocol")}
            known["corpus_digest"] = str(about["corpus_digest"])[:8]
            figures = figures_of(path.parent / "metrics.json")
            date = datetime.fromtimestamp(int(path.stat().st_mtime))
            synthetic = bool(about["synthetic"])
        except DAMAGED:
            damaged.append(path)
            continue
        found.append(replace(run, **known, **figures, date=date, synthetic=synthetic, directory=path.parent))
    return found


def _tables(output: Path, damaged: list[Path]) -> list[ListedTable]:
    """Tables of results, by what `reproduce` left of each."""
    found = []
    for path in output.glob("tables/*/*/table.csv"):
        try:
            table = read_results(path)
            date = datetime.fromtimestamp(int(path.stat().st_mtime))
            about = caption(table) or path.parent.name
        except DAMAGED:
            damaged.append(path)
            continue
        found.append(ListedTable(path.parents[1].name, about, len(table), date, path.parent))
    return found
