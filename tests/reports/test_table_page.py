from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.metrics.predictions import with_truth, write_predictions
from genrefusion.reports.result_tables import write_texts
from genrefusion.reports.table_page import write_table_report
from genrefusion.settings.tables import TABLE_COLUMNS
from pages import IMAGE, SCRIPT, TEMPLATE, Page, needs_chromium, open_in_browser

COLUMNS = ["claimed", "accuracy", "difference", "n", "evidence"]
GENRES = [IMAGE, "jazz", SCRIPT]


def make_run(folder: Path, wrong: int) -> str:
    """A run folder in which the first tracks are wrong; returns its path."""
    ids = [f"{TEMPLATE}{number:02d}" for number in range(12)]
    truth = pd.Series([GENRES[number % 3] for number in range(12)], index=pd.Index(ids, name="track_id"))
    named = [(number + (number < wrong)) % 3 for number in range(12)]
    table = with_truth(pd.DataFrame(np.eye(3)[named] * 0.7 + 0.1, truth.index, GENRES), truth)
    write_predictions(table, folder / "predictions" / "test.csv")
    pd.DataFrame({"track_id": ids, "artist": SCRIPT, "title": IMAGE}).to_csv(folder / "tracks.csv", index=False)
    record = {"signature": f"s{wrong}", "git_commit": "abc", "synthetic": True, "versions": {"genrefusion": "1"}}
    (folder / "run.json").write_text(json.dumps(record))
    return str(folder)


@pytest.fixture
def wide_page(tmp_path: Path) -> Path:
    """The page of rows with every figure there is, long titles, and protocols that differ."""
    row = {"accuracy": 0.75, "difference": -0.1, "macro_f1": 0.7, "n": 10000, "claimed": 84.56, "seeds": 5}
    row |= {f"{name}_{end}": 0.123 for name in ("accuracy", "difference", "macro_f1") for end in ("low", "high")}
    costs = {"parameters": 122_616_180, "file_bytes": 9e8, "macs": 1.6e9, "train_seconds": 56789, "ms_per_song": 1234}
    row |= costs | {"peak_memory_mb": 12345, "corpus": "gtzan", "runs": make_run(tmp_path / "run", 3)}
    rows = [
        row | {"title": "Ensemble of many frames and their lyrics", "protocol": "holdout by artist"},
        row | {"title": "Lyrics alone", "protocol": "predefined split by artist, validation from train"},
    ]
    path = tmp_path / "wide" / "table.csv"
    path.parent.mkdir()
    pd.DataFrame(rows).to_csv(path, index=False)
    columns = [name for name in TABLE_COLUMNS if name not in ("evidence", "macro_f1_interval")]
    return write_table_report(path, columns, title="Wide", source="", configuration="")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page of two measured rows, the second of two seeds, and of one that failed."""
    row = {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "n": 12, "corpus": SCRIPT, "protocol": "5-fold"}
    runs = [make_run(tmp_path / str(wrong), wrong) for wrong in (3, 4, 5)]
    rows = [
        row | {"title": "First", "runs": runs[0], "claimed": 90.4, "evidence": f"none {SCRIPT}"},
        row
        | {"title": IMAGE, "runs": "\n".join(runs[1:]), "difference": -0.1, "difference_low": -0.3}
        | {"difference_high": 0.1},
        {"title": "Lost", "problem": f"No such file: {SCRIPT}"},
    ]
    path = tmp_path / "table" / "table.csv"
    path.parent.mkdir()
    pd.DataFrame(rows).to_csv(path, index=False)
    write_texts(path, COLUMNS, title=TEMPLATE, source="claims", figure="bars")
    return write_table_report(
        path, COLUMNS, title=TEMPLATE, source="claims", configuration=f"name: {SCRIPT}\n", command="reproduce"
    )


def test_every_row_is_there_with_its_claim_or_its_problem(page: Path) -> None:
    rows = Page(page).tables["Measured results"]
    assert [row[0] for row in rows[1:]] == ["First", IMAGE, "Lost"]
    assert rows[1][1:3] == ["90.4 %", "0.750 [0.500, 0.900]"]
    assert rows[3][2] == f"failed: No such file: {SCRIPT}"
    assert f"none {SCRIPT}" in Page(page).text
    assert "measure with more seeds" in Page(page).text


def test_protocols_that_differ_stand_below_the_titles(wide_page: Path) -> None:
    header, first, second = Page(wide_page).tables["Measured results"]
    assert first[0] == "Ensemble of many frames and their lyrics holdout by artist"
    assert second[0] == "Lyrics alone predefined split by artist, validation from train"
    assert "protocol" not in header


def test_recall_of_genres_is_computed_from_the_predictions(page: Path) -> None:
    header, first, second = Page(page).tables["Recall of each genre, tests of all seeds"]
    assert header[1:] == sorted(GENRES)
    recall = dict(zip(header, first, strict=True))
    assert recall[IMAGE] == recall["jazz"] == recall[SCRIPT] == "0.75"
    assert dict(zip(header, second, strict=True))[IMAGE] == "0.50"


def test_the_hardest_songs_are_those_that_most_runs_get_wrong(page: Path) -> None:
    rows = Page(page).tables["Hardest songs"][1:]
    counts = [" ".join(row[1].split()[-4:]) for row in rows]
    assert counts == ["3 of 3 runs"] * 3 + ["2 of 3 runs", "1 of 3 runs"]
    assert rows[0][0].endswith(f"{SCRIPT} – {IMAGE}")


def test_nothing_of_a_name_becomes_part_of_the_page(page: Path) -> None:
    shown = Page(page)
    assert not shown.all("script")
    assert all(str(picture["src"]).startswith("data:image/svg+xml;base64,") for picture in shown.all("img"))
    assert TEMPLATE in shown.text
    assert f"name: {SCRIPT}" in shown.text


@needs_chromium
@pytest.mark.parametrize(("width", "scrolled"), [(400, True), (1400, False)])
def test_the_widest_table_scrolls_only_where_there_is_no_room_for_it(
    wide_page: Path, width: int, scrolled: bool, tmp_path: Path
) -> None:
    seen, _ = open_in_browser(wide_page, tmp_path / "browser", width=width)
    assert (seen["overflow"], seen["sticking_out"]) == (0, [])
    assert ("Measured results" in seen["scrolled"]) == scrolled


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_the_figure_and_reports_no_error(page: Path, width: int, dark: bool, tmp_path: Path) -> None:
    seen, console = open_in_browser(page, tmp_path / "browser", width=width, dark=dark)
    assert len(seen["widths"]) == 1
    assert min(seen["widths"]) > 100
    assert (seen["overflow"], seen["sticking_out"], console) == (0, [], [])
    assert seen["shown"] == Page(page).all("source" if dark else "img")[0]["srcset" if dark else "src"]
