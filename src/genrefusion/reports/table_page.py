"""The page of a table of results, ``report.html`` beside its CSV file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.files import write_atomically
from genrefusion.metrics.predictions import genre_columns, read_predictions
from genrefusion.reports.pages import Cell, Column, Picture, read_picture, render
from genrefusion.reports.result_tables import as_text, caption, interval_notes, measured_on, read_results
from genrefusion.reports.run_page import MOST_ERRORS, read_names


def write_table_report(
    path: Path, columns: Sequence[str], *, title: str, source: str, configuration: str, command: str = ""
) -> Path:
    """Write the page of a table from its CSV file and the run folders that are named there.

    Parameters
    ----------
    path : Path
        The CSV file; its figure is ``.png`` beside it.
    columns : sequence of str
        What is shown of each row: see `genrefusion.settings.tables.TABLE_COLUMNS`.
    title, source : str
        What is compared, and where claims come from.
    configuration : str
        Settings of the table, as YAML.
    command : str
        What makes the table again with more seeds.

    Returns
    -------
    Path
        Of the page.
    """
    table = read_results(path)
    runs = _runs(table)
    records = {
        folder: json.loads((folder / "run.json").read_text("utf-8")) for folders in runs.values() for folder in folders
    }
    predictions = {folder: read_predictions(folder / "predictions" / "test.csv") for folder in records}
    first = next(iter(records.values()), {"versions": {"genrefusion": "?"}})
    page = render(
        "table.html.j2",
        heading=title,
        about=caption(table),
        source=source,
        machines=measured_on(table, columns),
        synthetic=any(record["synthetic"] for record in records.values()),
        notes=interval_notes(table),
        results=_results(table, [column for column in columns if column != "evidence"]),
        shown=_picture(path.with_suffix(".png"), title, caption(table)),
        claims=_filled(table, "evidence"),
        problems=_filled(table, "problem"),
        genres=_genres(runs, predictions),
        hardest=_hardest(predictions),
        provenance={
            str(folder): f"{record['signature']}\ngit commit {record['git_commit']}"
            for folder, record in records.items()
        },
        versions=first["versions"],
        configuration=configuration,
        command=command,
    )
    target = path.with_name("report.html")
    write_atomically(target, page.encode())
    return target


def _picture(path: Path, title: str, about: str) -> Picture | None:
    if not path.is_file():
        return None
    return read_picture(path, f"{title}. {about}.", "The accuracies of the table above, with their 95 % intervals.")


def _runs(table: pd.DataFrame) -> dict[str, list[Path]]:
    """Run folders of each row that was measured."""
    if "runs" not in table:
        return {}
    return {
        str(row["title"]): [Path(folder) for folder in str(row["runs"]).split("\n")]
        for row in table.dropna(subset=["runs"]).to_dict("records")
    }


def _results(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """Columns and rows; corpus and protocol, where they differ, stand below the titles and leave room for figures."""
    shown = as_text(table, columns)
    words = [name for name in ("corpus", "protocol") if name in shown]
    figures = shown.drop(columns=["", *words])
    about = [", ".join(filter(None, row)) for row in shown[words].to_numpy().tolist()]
    return {
        "columns": [Column("", number=False), *(Column(str(name)) for name in figures.columns)],
        "rows": [
            [Cell(title, note), *(_cell(text) for text in row)]
            for title, note, row in zip(shown[""], about, figures.to_numpy().tolist(), strict=True)
        ],
    }


def _cell(text: str) -> Cell:
    """A figure with its interval, which goes below it and leaves room for other columns; any other text as it is."""
    found = re.fullmatch(r"([-+.\d]+) (\[[-+.\d]+, [-+.\d]+\])(\W*)", text)
    return Cell(f"{found[1]}{found[3]}", found[2]) if found else Cell(text)


def _filled(table: pd.DataFrame, column: str) -> dict[str, str]:
    """Texts of a column by title of the row, where there are any."""
    rows = table.dropna(subset=[column]).to_dict("records") if column in table else []
    return {str(row["title"]): str(row[column]) for row in rows if row[column]}


def _genres(runs: dict[str, list[Path]], predictions: dict[Path, pd.DataFrame]) -> dict[str, Any]:
    """Recall of each genre, a row of the table to each line."""
    names = sorted({genre for table in predictions.values() for genre in genre_columns(table)})
    rows = []
    for title, folders in runs.items():
        tables = pd.concat([predictions[folder] for folder in folders])
        recalls = (tables["genre"] == tables["predicted"]).groupby(tables["genre"]).mean()
        shares = [float(recalls[genre]) if genre in recalls else None for genre in names]
        rows.append([Cell(title), *(Cell("–" if s is None else f"{s:.2f}", share=s) for s in shares)])
    return {"columns": [Column("", number=False), *(Column(name) for name in names)], "rows": rows}


def _hardest(predictions: dict[Path, pd.DataFrame]) -> dict[str, Any]:
    """Tracks that most runs get wrong; of equals, those whose wrong genre is the most probable."""
    columns = [Column(heading, number=False) for heading in ("track", "taken for", "true genre")]
    if not predictions:
        return {"columns": columns, "rows": []}
    names = {track: name for folder in predictions for track, name in read_names(folder / "tracks.csv").items()}
    every = pd.concat([t.assign(sure=t[genre_columns(t)].max(axis=1)) for t in predictions.values()])
    tested = every.groupby("track_id").size()
    wrong = every[every["genre"] != every["predicted"]].groupby("track_id")
    found = wrong.agg(
        genre=("genre", "first"), times=("genre", "size"), sure=("sure", "mean"), named=("predicted", _commonest)
    )
    found = found.assign(tests=tested.loc[found.index])
    found = found.assign(share=found["times"] / found["tests"]).sort_values(["share", "sure"], ascending=False)
    rows = [
        [
            Cell(str(track), names.get(str(track), "")),
            Cell(row["named"], f"{row['times']} of {row['tests']} runs"),
            Cell(row["genre"]),
        ]
        for track, row in found.head(MOST_ERRORS).iterrows()
    ]
    return {"columns": columns, "rows": rows}


def _commonest(genres: pd.Series[Any]) -> str:
    return str(genres.value_counts().index[0])
