from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from genrefusion.reports.index_page import Listed, ListedTable, write_index
from pages import IMAGE, SCRIPT, TEMPLATE, Page, needs_chromium, open_in_browser


def listed(output: Path, number: int, **facts: object) -> Listed:
    run = Listed(
        name="multiframe",
        corpus="demo",
        corpus_digest="0123abcd",
        protocol="holdout by artist",
        seed=number,
        date=datetime(2026, 11, 1 + number, 9, 5),
        n=1_000 + number,
        accuracy=0.5 + number / 10,
        macro_f1=0.9 - number / 10,
        directory=output / "multiframe" / "demo" / str(number),
        accuracy_ci95=(0.4, 0.95),
        synthetic=number == 0,
    )
    return replace(run, **facts)  # type: ignore[arg-type]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Four runs, the second of hostile names; an evaluation, a table, and a file that cannot be read."""
    runs = [listed(tmp_path, number) for number in range(4)]
    runs[1] = replace(runs[1], name=SCRIPT, corpus=IMAGE, protocol=TEMPLATE)
    runs[1] = replace(runs[1], directory=tmp_path / "javascript:alert(1)" / "a#b?c%20 \udcff", accuracy_ci95=None)
    evaluation = listed(tmp_path, 3, corpus="gtzan", protocol="trained on demo")
    table = ListedTable("paper", "demo, 5-fold", 3, datetime(2026, 11, 9), tmp_path / "tables" / "paper" / "demo")
    damaged = [tmp_path / f"{SCRIPT}\udcff" / "run.json"]
    return write_index(tmp_path, runs, evaluations=[evaluation], tables=[table], damaged=damaged)


def test_the_newest_run_comes_first_with_its_figures(page: Path) -> None:
    header, first, *_, last = Page(page).tables["Finished runs"]
    assert header[1:] == ["corpus", "protocol", "seed", "n", "accuracy", "macro F1", "date", "digest"]
    assert [first[0], *first[3:]] == [
        *("multiframe", "3", "1,003", "0.800 [0.400, 0.950]", "0.600", "2026-11-04 09:05", "0123abcd")
    ]
    assert (first[1], last[1]) == ("demo", "demo synthetic")


def test_links_are_relative_and_lead_to_the_pages(page: Path) -> None:
    links = [str(link["href"]) for link in Page(page).all("a")]
    assert links[0] == "multiframe/demo/3/report.html"
    assert links[2] == "javascript%3Aalert%281%29/a%23b%3Fc%2520%20%FF/report.html"
    assert links[-1] == "tables/paper/demo/report.html"


def test_evaluations_tables_and_what_is_left_out_are_named(page: Path) -> None:
    shown = Page(page)
    assert shown.tables["Evaluations of finished runs"][1][1:3] == ["gtzan", "trained on demo"]
    assert shown.tables["Tables of results"][1][:3] == ["paper", "demo, 5-fold", "3"]
    assert f"{SCRIPT}?/run.json" in shown.text


def test_nothing_of_a_name_becomes_part_of_the_page(page: Path) -> None:
    shown = Page(page)
    assert shown.tables["Finished runs"][3][:3] == [SCRIPT, f"{IMAGE}", TEMPLATE]
    assert len(shown.all("script")) == 1
    assert not shown.all("img")


def test_the_page_allows_its_own_script_and_no_other(page: Path) -> None:
    text = page.read_text()
    (script,) = re.findall("<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = str(Page(page).all("meta")[1]["content"])
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    assert "There is no finished run." in Page(write_index(tmp_path, [])).text


def test_a_page_that_someone_else_wrote_stays(tmp_path: Path) -> None:
    own = tmp_path / "index.html"
    own.write_text("<title>My music</title>")
    with pytest.raises(FileExistsError):
        write_index(tmp_path, [listed(tmp_path, 0)])
    assert own.read_text() == "<title>My music</title>"


@pytest.fixture
def ordinary_page(tmp_path: Path) -> Path:
    """Runs, evaluations and a table of names as they are."""
    settings = "pipeline.label_smoothing=0.05 pipeline.width=32 text_encoder.model='/models/an encoder of mine'"
    known = {"name": "lyrics_finetuned", "protocol": "10-fold by artist", "settings": settings}
    runs = [listed(tmp_path, number, **known) for number in range(4)]
    table = ListedTable("paper", "demo, 5-fold", 3, datetime(2026, 11, 9), tmp_path / "tables" / "paper" / "demo")
    return write_index(tmp_path, runs, evaluations=runs[:1], tables=[table], damaged=[tmp_path / "a" / "run.json"])


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_the_page_and_reports_no_error(
    ordinary_page: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    seen, console = open_in_browser(ordinary_page, tmp_path / "browser", width=width, dark=dark)
    assert (seen["overflow"], seen["sticking_out"], console) == (0, [], [])
    assert ("Finished runs" in seen["scrolled"]) == (width == 400)


@needs_chromium
def test_headings_sort_by_figures_and_words(page: Path, tmp_path: Path) -> None:
    press = """
    addEventListener("load", () => {
      const shown = document.getElementById("page").contentDocument, seen = [];
      const table = shown.querySelector("table.sortable");
      const press = heading => {
        const button = [...table.querySelectorAll("button")].find(each => each.textContent === heading);
        button.click();
        const seeds = [...table.tBodies[0].rows].map(row => row.cells[3].textContent).join("");
        seen.push([heading, seeds, button.parentElement.getAttribute("aria-sort")]);
      };
      ["accuracy", "accuracy", "n", "macro F1", "date", "date", "corpus"].forEach(press);
      document.getElementById("seen").textContent = JSON.stringify(seen);
    })
    """
    seen, console = open_in_browser(page, tmp_path / "browser", width=1400, look=press)
    assert seen == [
        ["accuracy", "3210", "descending"],
        ["accuracy", "0123", "ascending"],
        ["n", "3210", "descending"],
        ["macro F1", "0123", "descending"],
        ["date", "0123", "ascending"],
        ["date", "3210", "descending"],
        ["corpus", "1320", "ascending"],
    ], json.dumps(seen)
    assert console == []
