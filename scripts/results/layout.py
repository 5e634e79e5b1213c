"""Tables of the pages, laid out from the rows of the files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from genrefusion.metrics.comparisons import holm
from genrefusion.reports.markdown import table as markdown_table
from results.files import Results, Row, key_of


def share(value: str, sign: str = "") -> str:
    """Write a share with three digits and no leading zero: ``.719``, ``-.040``; nothing where there is none."""
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{float(value):{sign}.3f}") if value else ""


def interval(row: Row, name: str, sign: str = "") -> str:
    """Write the interval of a figure; nothing where it has none."""
    low, high = (share(row[f"{name}_{end}"], sign) for end in ("low", "high"))
    return f"[{low}, {high}]" if low else ""


def seconds(value: str) -> str:
    """Write seconds with two digits that count: ``.42``, ``3.0``, ``33``."""
    number = float(value)
    return f"{number:.{2 if number < 1 else int(number < 10)}f}".removeprefix("0")


def took(milliseconds: str) -> str:
    """Write a time as short as it is told: ``188 ms``, ``3.5 s``."""
    value = float(milliseconds or "nan")
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def points(results: Results, key: str, against: str) -> str:
    """Write a difference in points; a star where its p-value, adjusted for those of its table, is below .05."""
    row = results.difference(key, against)
    if row is None:
        return ""
    family = [other for other in results.differences if other["table"] == row["table"]]
    adjusted = holm([float(other["p"]) for other in family])[family.index(dict(row))]
    value, low, high = (100 * float(row[name]) for name in ("difference", "difference_low", "difference_high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]{'*' if adjusted < 0.05 else ''}"


def cells(row: Row, line: str) -> list[str]:
    """Cells of a row by a line such as ``{title} | {accuracy} {interval}``, from its columns and what is below."""
    each = ", ".join(share(value) for value in row["accuracies"].split())
    known = dict(row) | {
        "title": row["title"] or f"`{row['experiment']}`",
        "n": f"{int(row['n']):,}",
        "accuracy": share(row["accuracy"]),
        "interval": interval(row, "accuracy") or row["about"],
        "each": each,
        "of_seeds": f"({each})" if "," in each else "",
        "f1": share(row["macro_f1"]),
        "f1_interval": interval(row, "macro_f1"),
    }
    return [cell.format_map(known).strip() for cell in line.split(" | ")]


LINES = {
    "paper": (
        "row | claimed | accuracy [95 %] | points to the first [paired 95 %]",
        "{title}, `{experiment}` | {claimed} % | {accuracy} {interval} | {points}",
    ),
    "emotify": (
        "experiment | accuracy | seeds | 95 % interval | macro F1",
        "{title} | {accuracy} | {each} | {interval} | {f1} {f1_interval}",
    ),
    "gtzan": (
        "experiment, features | protocol | n | accuracy | 95 % interval",
        "{title} | {about} | {n} | {accuracy} {of_seeds} | {interval}",
    ),
    "pairs": (
        "row | accuracy | 95 % interval | macro F1 | points to the first",
        "{title} | {accuracy} | {interval} | {f1} | {points}",
    ),
    "lyrics": (
        "experiment | accuracy | 95 % interval | macro F1",
        "{title} | {accuracy} {of_seeds} | {interval} | {f1} {f1_interval}",
    ),
    "folds": (
        "experiment | accuracy | 95 % interval | less than `coattention` | less than `xgboost_text`",
        "{title} | {accuracy} | {interval} | {than_coattention} | {than_xgboost_text}",
    ),
}
"""Heading and line of each table that has a system in each line."""


def of_systems(results: Results, name: str) -> str:
    """Lay out a table that has a system in each line."""
    heading, line = LINES[name]
    rows = results.rows(name)
    lines = []
    for row in rows:
        known = dict(row) | {"points": points(results, key_of(row), key_of(rows[0]))}
        for larger in ("coattention", "xgboost_text"):
            less = results.difference(f"{name}/{larger}", key_of(row))
            known[f"than_{larger}"] = f"{share(less['difference'])} {interval(less, 'difference')}" if less else ""
        lines.append(cells(known, line))
    return markdown_table(heading.split(" | "), lines)


def systems(results: Results) -> str:
    """Lay out the README's table: each system with its accuracy on the demo corpus and on real songs."""

    def figures(keys: str) -> str:
        return ", ".join(cells(results.system(key), "{accuracy} {interval}")[0] for key in keys.split())

    lines = []
    for row in results.overview:
        real = figures(row["real"])
        songs = row["songs"] if real.endswith("]") or not real else f", {row['songs']}"
        lines.append([row["title"], row["from"], figures(row["demo"]), f"{real} {songs}".replace(" ,", ",").strip()])
    return markdown_table(["`experiment=`", "from", "demo (synthetic)", "real songs"], lines)


def leakage(results: Results) -> str:
    """Lay out what each protocol adds: a line for each, two columns for each system."""
    lines = []
    for protocol in ("apart", "songs", "pieces"):
        line = [results.system(f"leakage/xgboost_{protocol}")["about"]]
        for system in ("xgboost", "forest"):
            key = f"leakage/{system}_{protocol}"
            line += cells(results.system(key), "{accuracy} {interval}")
            line.append(points(results, key, f"leakage/{system}_apart"))
        lines.append(line)
    return markdown_table(["protocol", "`xgboost`", "points", "random forest", "points"], lines)


def words(results: Results) -> str:
    """Lay out what lyrics add: the difference of each system that reads both sides and one that reads the audio."""
    lines = []
    for row in (row for row in results.differences if row["table"] == "words"):
        both, alone = results.system(key_of(row)), results.system(row["against"])
        line = [cells(system, "{title} {accuracy}")[0] for system in (both, alone)]
        lines.append([*line, share(row["difference"], "+"), interval(row, "difference", "+")])
    return markdown_table(["both sides", "audio alone", "difference", "paired 95 % interval"], lines)


def speed(results: Results) -> str:
    """Lay out how many times faster each part is than its alternative."""
    lines = [
        [row["what"].format(took=took(row["milliseconds"])), row["against"], row["times"]] for row in results.speed
    ]
    return markdown_table(["what", "against", "times faster"], lines)


def size(results: Results) -> str:
    """Lay out time and memory of each step by the number of tracks."""
    tracks = ("1000", "10000", "100000")
    lines = [
        [row["step"], *(seconds(row[f"seconds_{n}"]) for n in tracks), row["times"], f"{float(row['mib']):,.0f}"]
        for row in results.size
    ]
    return markdown_table(["step", *(f"{int(n):,}" for n in tracks), "times", "memory"], lines)


def tables(results: Results) -> dict[str, dict[str, str]]:
    """Every table by its page and its name."""
    others: Sequence[Callable[[Results], str]] = (leakage, words, speed, size)
    return {
        "README.md": {"systems": systems(results)},
        "data/RESULTS.md": {
            **{name: of_systems(results, name) for name in LINES},
            **{make.__name__: make(results) for make in others},
        },
    }
