"""Tables of results as text, Markdown, LaTeX and pictures; all of them are read from the table's CSV file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import NullFormatter
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from genrefusion.core.files import write_atomically
from genrefusion.reports.drawing import (
    LINE,
    WIDTH,
    drawing,
    in_lines,
    most_lines,
    put_legend,
    put_title,
    save_for_page,
    subplots,
)
from genrefusion.reports.markdown import table as table_of
from genrefusion.reports.palette import INK, PAGE
from genrefusion.reports.terminal_tables import notes

Row = Mapping[Hashable, Any]

_NOTES = ("drawn", "too_few", "caution")


def read_results(path: Path) -> pd.DataFrame:
    """Read the CSV file of a table."""
    words = ("title", "experiment", "group", "evidence", "problem", "corpus", "protocol", "runs")
    texts = (*words, *_NOTES, *_MACHINES.values())
    return pd.read_csv(path, dtype=dict.fromkeys(texts, str))


def caption(table: pd.DataFrame) -> str:
    """Corpus and protocol, where all rows share them."""
    values = [_values(table, column) for column in ("corpus", "protocol")]
    return ", ".join(value for several in values if len(several) == 1 for value in several)


def measured_on(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """Machines that the shown times and memory were measured on, with the marks of the cells; nothing without such."""
    return "; ".join(f"{mark or 'Costs'} measured on {name}" for name, mark in _marks(table, columns).items())


def interval_notes(table: pd.DataFrame) -> list[str]:
    """What has to be said beside the figures of a table; see `genrefusion.reports.terminal_tables.notes`."""
    rows = table.to_dict("records")
    return notes((str(row["title"]), {name: _text(row, name) for name in _NOTES}) for row in rows if _measured(row))


def _measured(row: Row) -> bool:
    return _blank(row.get("problem"))


def as_text(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Cells as they are shown; a row that could not be measured says why, and times of other machines have marks.

    Parameters
    ----------
    table : DataFrame
        As `read_results` gives it.
    columns : sequence of str
        See `genrefusion.settings.tables.TABLE_COLUMNS`.
    """
    rows = table.to_dict("records")
    marks = _marks(table, columns)
    shown = {"": [str(row["title"]) for row in rows]}
    for name in columns:
        heading, cell = _COLUMNS[name]
        shown[heading] = [cell(row) + marks.get(_machine(row, name), "") for row in rows]
    for name in ("corpus", "protocol"):
        if len(_values(table, name)) > 1:
            shown[name] = [_text(row, name) for row in rows]
    first = "accuracy [95 % interval]"
    for number, row in enumerate(rows):
        if not _blank(row.get("problem")):
            shown.setdefault(first, [""] * len(rows))[number] = f"failed: {str(row['problem']).splitlines()[0]}"
    return pd.DataFrame(shown)


def terminal_table(table: pd.DataFrame, columns: Sequence[str], *, width: int | None = None) -> Table:
    """The table for a terminal of so many characters; what does not fit is left to the files, where there are any.

    Evidence is never shown, as it is too long.
    """
    left = [column for column in columns if column != "evidence"]
    shown = as_text(table, left)
    for column in _LEAST_NEEDED:
        if width is not None and _width(shown) > width and column in left:
            left.remove(column)
            shown = as_text(table, left)
    said = "\n".join(interval_notes(table))
    rich = Table(box=None, pad_edge=False, caption=Text(said) if said else None, caption_justify="left")
    for number, heading in enumerate(shown.columns):
        words = heading in ("", "protocol", "corpus")
        rich.add_column(heading, justify="left" if words else "right", no_wrap=number == 0)
    for row in shown.itertuples(index=False):
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def markdown(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """The table in Markdown."""
    shown = as_text(table, columns)
    rows = [[_flat(cell).replace("|", "\\|") for cell in row] for row in shown.to_numpy().tolist()]
    return f"{table_of(shown.columns.tolist(), rows)}\n"


def latex(table: pd.DataFrame, columns: Sequence[str], *, title: str) -> str:
    """The table in LaTeX, for the package booktabs."""
    shown = as_text(table, [column for column in columns if column != "evidence"]).map(_flat)
    style = shown.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    return str(
        style.to_latex(
            hrules=True,
            column_format="l" + "r" * (shown.shape[1] - 1),
            position="t",
            position_float="centering",
            caption=_latex_words(title),
        )
    )


def plot_bars(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw accuracy with its 95 % interval for each row, and what was claimed where something was.

    Parameters
    ----------
    table : DataFrame
        As `read_results` gives it.
    path : Path
        PNG file to write.
    title : str
        Says what is compared; corpus, protocol and n are put below it.
    """
    table = table.dropna(subset=["accuracy"])
    places = np.arange(len(table))
    titles = [in_lines(str(name), 32) for name in table["title"]]
    with drawing():
        figure, axes = subplots(figsize=(WIDTH, 1.9 + max(0.42, 0.08 + LINE * most_lines(titles)) * len(table)))
        middle = table["accuracy"].to_numpy(float)
        ends = np.abs(table[["accuracy_low", "accuracy_high"]].to_numpy(float).T - middle)
        axes.barh(places, middle, color="C0", height=0.62)
        axes.errorbar(middle, places, xerr=ends, fmt="none", ecolor=INK, capsize=3, lw=1.2, label="95 % interval")
        claimed = table["claimed"].to_numpy(float) / 100 if "claimed" in table else np.full(len(table), np.nan)
        if np.isfinite(claimed).any():
            axes.plot(claimed, places, "D", mfc=PAGE, mec=INK, ms=6, label="claimed")
        axes.set_yticks(places, titles)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="accuracy, test songs")
        put_title(figure, f"{title}\n{_about(table)}")
        figure.legend(loc="outside lower left", ncols=2)
        save_for_page(figure, path)


def plot_cost(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw accuracy against the time for a song and against the size of the model's files.

    Parameters
    ----------
    table : DataFrame
        As `read_results` gives it, with ``ms_per_song`` and ``file_bytes``.
    path : Path
        PNG file to write.
    title : str
        Says what is compared.
    """
    table = table.dropna(subset=["accuracy"])
    middle = table["accuracy"].to_numpy(float)
    ends = np.abs(table[["accuracy_low", "accuracy_high"]].to_numpy(float).T - middle)
    marks = _marks(table, ["ms_per_song"])
    names = [str(row["title"]) + marks.get(_machine(row, "ms_per_song"), "") for row in table.to_dict("records")]
    costs = {"milliseconds a song": table["ms_per_song"], "size of the model's files (MB)": table["file_bytes"] / 1e6}
    with drawing():
        figure, panels = subplots(1, 2, figsize=(WIDTH, 3.8), sharey=True)
        for axes, (label, cost) in zip(panels, costs.items(), strict=True):
            for number, (x, y, name) in enumerate(zip(cost, middle, names, strict=True)):
                marker = "os^Dv<>Pp*hX"[number % 12]
                color = f"C{number % 8}"
                axes.errorbar(x, y, yerr=ends[:, number : number + 1], fmt=marker, color=color, capsize=2, label=name)
            axes.set(xscale="log", xlabel=label)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        panels[0].set(ylabel="accuracy, test songs (95 %)")
        about = [title, _about(table), measured_on(table, ["ms_per_song"])]
        put_title(figure, "\n".join(filter(None, about)))
        put_legend(figure, *panels[1].get_legend_handles_labels(), most=2)
        save_for_page(figure, path)


def write_texts(path: Path, columns: Sequence[str], *, title: str, source: str, figure: str) -> None:
    """Write Markdown, LaTeX and the figure beside the CSV file of a table, from what the file holds."""
    table = read_results(path)
    sentences = [title, caption(table), source[:1].upper() + source[1:], *interval_notes(table)]
    about = " ".join(f"{sentence}." for sentence in [*sentences, measured_on(table, columns)] if sentence)
    write_atomically(path.with_suffix(".md"), f"{about}\n\n{markdown(table, columns)}".encode())
    write_atomically(path.with_suffix(".tex"), latex(table, columns, title=about).encode())
    if "accuracy" in table and table["accuracy"].notna().any():
        draw = plot_cost if figure == "cost" else plot_bars
        draw(table, path.with_suffix(".png"), title=title)


def _width(shown: pd.DataFrame) -> int:
    """Cells of the longest row, with the gaps between columns."""
    return sum(max(map(cell_len, [str(name), *shown[name]])) + 2 for name in shown) - 2


def _marks(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """Mark of each machine that metrics of the columns come from; that of most of them comes first and has none."""
    found = [_machine(row, name) for row in table.to_dict("records") for name in columns]
    counts = Counter(name for name in found if name)
    return {
        name: "†‡§¶"[(number - 1) % 4] * ((number + 3) // 4) if number else ""
        for number, (name, _) in enumerate(counts.most_common())
    }


def _machine(row: Row, column: str) -> str:
    """Where the figure of a row comes from, if it is one that depends on the machine."""
    return "" if column not in _MACHINES or _blank(row.get(column)) else _text(row, _MACHINES[column])


def _values(table: pd.DataFrame, column: str) -> set[str]:
    return set(table[column].dropna()) - {""} if column in table else set()


def _blank(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _flat(cell: str) -> str:
    return " ".join(cell.split())


def _latex_words(text: str) -> str:
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    return "".join(special.get(c, c) for c in text)


def _about(table: pd.DataFrame) -> str:
    """Corpus, protocol, n and what is said of the intervals, a line each."""
    return "\n".join([f"{caption(table)}, n = {_range(table['n'])}", *interval_notes(table)])


def _range(values: pd.Series[Any]) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _text(row: Row, name: str) -> str:
    return "" if _blank(row.get(name)) else str(row[name])


def _number(form: Callable[[float], str]) -> Callable[[str], Callable[[Row], str]]:
    """Formatter of one column, blank where there is no value."""
    return lambda name: lambda row: "" if _blank(row.get(name)) else form(float(row[name]))


def _with_interval(name: str) -> Callable[[Row], str]:
    """Formatter of a share with its interval."""
    return lambda row: (
        "" if _blank(row.get(name)) else f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
    )


def _difference(row: Row) -> str:
    """In points; a star where the p-value of the interval, adjusted for the number of rows, is below .05."""
    if _blank(row.get("difference")):
        return ""
    star = "*" if not _blank(row.get("p_holm")) and row["p_holm"] < 0.05 else ""
    ends = f"[{100 * row['difference_low']:+.1f}, {100 * row['difference_high']:+.1f}]"
    return f"{100 * row['difference']:+.1f} {ends}{star}"


_MACHINES = {"train_seconds": "train_machine", "ms_per_song": "machine", "peak_memory_mb": "machine"}
"""Columns that depend on the machine, and the column that names it."""

_LEAST_NEEDED = (
    "file_bytes",
    "peak_memory_mb",
    "train_seconds",
    "seeds",
    "macs",
    "parameters",
    "ms_per_song",
    "n",
    "macro_f1",
)
"""Columns in the order in which a narrow terminal does without them."""

_whole = _number(lambda x: f"{x:,.0f}")
_short = _number(lambda x: f"{x:.3f}")

_COLUMNS: dict[str, tuple[str, Callable[[Row], str]]] = {
    "claimed": ("claimed", _number(lambda x: f"{x:g} %")("claimed")),
    "accuracy": ("accuracy [95 % interval]", _with_interval("accuracy")),
    "difference": ("points to first", _difference),
    "macro_f1": ("macro F1", _short("macro_f1")),
    "macro_f1_interval": ("macro F1 [95 % interval]", _with_interval("macro_f1")),  # of the seeds of several runs
    "n": ("n", _whole("n")),
    "seeds": ("seeds", _whole("seeds")),
    "parameters": ("parameters", _whole("parameters")),
    "file_bytes": ("MB on disk", _number(lambda x: f"{x / 1e6:.2f}")("file_bytes")),
    "macs": ("million MACs", _number(lambda x: f"{x / 1e6:,.0f}")("macs")),
    "train_seconds": ("seconds to train", _number(lambda x: f"{x:,.{x < 10:d}f}")("train_seconds")),
    "ms_per_song": ("ms a song", _whole("ms_per_song")),
    "peak_memory_mb": ("MiB of memory", _whole("peak_memory_mb")),
    "evidence": ("what is known of the claim", lambda row: _text(row, "evidence")),
}
"""Heading and cell of each column that a table can show."""
