from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.reports.result_tables import (
    as_text,
    latex,
    markdown,
    measured_on,
    plot_bars,
    plot_cost,
    read_results,
    terminal_table,
    write_texts,
)
from genrefusion.settings.tables import TABLE_COLUMNS

COLUMNS = ["claimed", "accuracy", "difference", "macro_f1", "n", "parameters", "ms_per_song", "evidence"]


@pytest.fixture
def table() -> pd.DataFrame:
    row = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.875, "macro_f1": 0.75, "n": 61, "seeds": 1}
    row |= {"parameters": 12345, "ms_per_song": 41.6, "macs": 2e8, "file_bytes": 3_000_000, "train_seconds": 93.2}
    row |= {"corpus": "demo (synthetic)", "protocol": "holdout by artist", "group": "", "problem": ""}
    worse = row | {"difference": -0.1, "difference_low": -0.15, "difference_high": -0.05, "p_holm": 0.01}
    lost = {"title": "Lost | row", "problem": "No lyrics.\nAdd some.", "claimed": 84.56, "evidence": "50 % & more_"}
    return pd.DataFrame([row | {"title": "Best", "claimed": 90.4}, worse | {"title": "Worse"}, lost])


def test_cells_are_written_as_they_are_read_aloud(table: pd.DataFrame) -> None:
    best, worse, lost = as_text(table, COLUMNS).to_dict("records")
    assert best["claimed"] == "90.4 %"
    assert best["accuracy [95 % interval]"] == "0.800 [0.700, 0.875]"
    assert best["points to first"] == ""
    assert best["parameters"] == "12,345"
    assert worse["points to first"] == "-10.0 [-15.0, -5.0]*"
    assert lost["accuracy [95 % interval]"] == "failed: No lyrics."
    assert lost["n"] == ""


def test_a_protocol_that_rows_do_not_share_is_a_column(table: pd.DataFrame) -> None:
    assert "protocol" not in as_text(table, COLUMNS)
    table.loc[1, "protocol"] = "5-fold by artist"
    assert as_text(table, COLUMNS)["protocol"].tolist()[:2] == ["holdout by artist", "5-fold by artist"]


MEASURED = ["accuracy", "macs", "train_seconds", "ms_per_song", "peak_memory_mb"]


def test_costs_of_one_machine_name_it_once(table: pd.DataFrame) -> None:
    table = table.assign(machine="Abacus", train_machine=["Abacus", "Abacus", None])
    assert measured_on(table, MEASURED) == "Costs measured on Abacus"
    assert as_text(table, MEASURED)["ms a song"].tolist() == ["42", "42", ""]
    assert measured_on(table, ["accuracy", "macs"]) == ""
    assert measured_on(table.drop(columns=["machine", "train_machine"]), MEASURED) == ""


def test_costs_of_another_machine_are_marked_and_it_is_named(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table = table.assign(machine=["Abacus", "Slide rule", None], train_machine="Abacus")
    table.assign(peak_memory_mb=[100.0, 200.0, np.nan]).to_csv(path, index=False)
    write_texts(path, MEASURED, title="A table", source="", figure="cost")
    _, worse, lost = as_text(read_results(path), MEASURED).to_dict("records")
    assert (worse["ms a song"], worse["MiB of memory"], worse["seconds to train"]) == ("42†", "200†", "93")
    assert worse["million MACs"] == "200"
    assert lost["ms a song"] == ""
    for name in ("table.md", "table.tex"):
        text = (tmp_path / name).read_text()
        assert "Costs measured on Abacus; † measured on Slide rule." in text
        assert "42†" in text


def test_every_machine_has_a_mark_of_its_own(table: pd.DataFrame) -> None:
    many = pd.concat([table.iloc[[0]]] * 8, ignore_index=True).assign(machine=list("abcdefgh"))
    cells = as_text(many, ["ms_per_song"])["ms a song"]
    assert cells.nunique() == 8
    assert all(f"{cell[2:] or 'Costs'} measured on" in measured_on(many, ["ms_per_song"]) for cell in cells)


def test_a_narrow_terminal_does_without_what_is_least_needed(table: pd.DataFrame) -> None:
    def headings(width: int) -> list[str]:
        return [str(column.header) for column in terminal_table(table, COLUMNS, width=width).columns]

    assert headings(160) == list(as_text(table, COLUMNS[:-1]).columns)
    narrow = headings(80)
    assert narrow[:4] == ["", "claimed", "accuracy [95 % interval]", "points to first"]
    assert "parameters" not in narrow


def test_markdown_has_one_line_a_row_and_escapes_bars(table: pd.DataFrame) -> None:
    lines = markdown(table, COLUMNS).splitlines()
    assert len(lines) == 2 + len(table)
    assert "Lost \\| row" in lines[-1]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_latex_escapes_what_it_would_read_as_commands(table: pd.DataFrame) -> None:
    table.loc[0, "title"] = "50 % & a_b {x} \\input{y} #1 $z$"
    text = latex(table, COLUMNS, title="a_b & 5 %")
    assert r"50 \% \& a\_b \{x\} \textbackslash input\{y\} \#1 \$z\$" in text.replace(
        r"\textbackslash  ", r"\textbackslash "
    )
    assert r"\caption{a\_b \& 5 \%}" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_all_forms_come_from_the_csv_file(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    write_texts(path, COLUMNS, title="A table", source="claims of somebody", figure="bars")
    assert "0.800" in (tmp_path / "table.md").read_text()
    assert "demo (synthetic), holdout by artist" in (tmp_path / "table.md").read_text()
    path.write_text(path.read_text().replace("0.8,", "0.9,"))
    write_texts(path, COLUMNS, title="A table", source="claims of somebody", figure="bars")
    assert "0.900" in (tmp_path / "table.md").read_text()
    assert "0.900" in (tmp_path / "table.tex").read_text()
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_every_text_says_what_intervals_draw_and_where_songs_are_too_few(table: pd.DataFrame, tmp_path: Path) -> None:
    table.assign(drawn="artists", too_few=["n = 6 songs: too few", "", ""]).to_csv(tmp_path / "t.csv", index=False)
    write_texts(tmp_path / "t.csv", COLUMNS, title="A table", source="", figure="bars")
    shown = str(terminal_table(read_results(tmp_path / "t.csv"), COLUMNS, width=160).caption)
    texts = [" ".join((tmp_path / name).read_text().split()) for name in ("t.md", "t.tex")]
    for text in (shown, *texts):
        assert "intervals draw artists" in text
        assert "Best (n = 6 songs): too few" in text


@pytest.mark.parametrize("draw", [plot_bars, plot_cost])
def test_figures_change_with_the_figures(draw, table: pd.DataFrame, tmp_path: Path) -> None:
    draw(table, tmp_path / "one.png", title="A table")
    draw(table.assign(accuracy=np.array([0.71, 0.7, np.nan])), tmp_path / "two.png", title="A table")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


def test_empty_cells_are_read_as_nothing(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    read = read_results(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(as_text(read, COLUMNS), as_text(table, COLUMNS))


def test_every_column_that_can_be_chosen_is_shown() -> None:
    row = dict.fromkeys(TABLE_COLUMNS, 1.0) | {"title": "Trees", "evidence": "said"}
    row |= {f"{name}_{end}": 1.0 for name in TABLE_COLUMNS for end in ("low", "high")}
    for column in TABLE_COLUMNS:
        assert as_text(pd.DataFrame([row]), [column]).shape[1] == 2
