"""The matrix of sides as a table for the terminal, and what it says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from genrefusion.reports.terminal_tables import notes, with_interval

_OTHER = {"lyrics": "audio", "audio": "lyrics"}


def sides_table(matrix: dict[str, Any]) -> Table:
    """Lay out the rows with their differences to the first.

    Parameters
    ----------
    matrix : dict
        As `genrefusion.runs.sides.matrix.compare_sides` gives it.
    """
    rows = matrix["rows"]
    said = sides_notes(rows)
    said.append(f"what is exchanged is averaged over {max(row['draws'] for row in rows)} draws")
    if any(_star(row).strip() for row in rows):
        said.append("*: p < .05, adjusted for the number of rows (Holm)")
    table = Table(box=None, pad_edge=False, caption=Text("\n".join(said)), caption_justify="left")
    table.add_column("")
    for heading in ("n", "accuracy [95 % interval]", "against both sides [paired] "):
        table.add_column(heading, justify="right")
    for row in rows:
        if "problem" in row:
            table.add_row(Text(row["title"]), "0", row["problem"], "")
        else:
            compared = f"{_signed(row)}{_star(row)}" if "difference" in row else ""
            table.add_row(Text(row["title"]), str(row["n"]), with_interval(_scores(row), "accuracy"), compared)
    return table


def sides_notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What has to be said beside the rows of a matrix, but for too few songs, where `findings` says that."""
    known = [(row["title"], row) for row in rows if "n" in row]
    return notes(known, few=not rows[0].get("too_few"))


def findings(matrix: dict[str, Any]) -> list[str]:
    """Say what each side is good for, by the paired intervals of the matrix's comparisons.

    A gain that lyrics of random other songs give as well is no fusion: what they say is not used. That is said where
    such lyrics do better than none; where the intervals leave it open, that is said.
    """
    both = matrix["rows"][0]
    if both["too_few"]:
        return [both["too_few"]]
    return [
        f"{side}: {', '.join(_facts(side, found))}. {'; '.join(_verdicts(side, found))}"
        for side, found in matrix["comparisons"].items()
    ]


def _facts(side: str, found: dict[str, dict[str, float]]) -> list[str]:
    """Differences in words, as far as there are any."""
    words = {
        "gain": f"over the {_OTHER[side]} alone",
        "own over random": f"over {side} of random other songs",
        "own over genre": f"over {side} of other songs of the genre",
    }
    return [f"{_signed(found[name])} {against}" for name, against in words.items() if found[name]]


def _verdicts(side: str, found: dict[str, dict[str, float]]) -> list[str]:
    """What the differences mean."""
    other, gain = _OTHER[side], found["gain"]
    if not gain:
        said = [f"What the run makes of the {other} alone is not known"]
    elif gain["difference_high"] < 0:
        said = [f"With the {side} the run does worse"]
    elif not _above(gain):
        said = ["No gain is shown"]
    elif not found["own over random"]:
        said = [f"Whether {side} of other songs give it as well is not known"]
    elif not _above(found["own over random"]) and _above(found["random over none"]):
        said = [f"The gain is there with {side} of random other songs as well: that is no fusion"]
    elif not _above(found["own over random"]):
        said = [f"Whether {side} of random other songs give it as well is not told apart: no fusion is shown"]
    elif not found["own over genre"]:
        said = [f"It takes more than {side} of random other songs; whether those of the genre do is not known"]
    elif not _above(found["own over genre"]):
        said = [f"It takes {side} of the genre; that they have to be the song's own is not shown"]
    else:
        said = [f"It takes the song's own {side}"]
    if _above(found["random over none"]):
        more = _signed(found["random over none"])
        said.append(
            f"with the wrong {side} the run does better than without any ({more}): what it makes of the {other} alone "
            "is poorer than it has to be, and flatters the gain"
        )
    return said


def _above(difference: dict[str, float]) -> bool:
    """Whether it is known and its interval lies above 0."""
    return bool(difference) and difference["difference_low"] > 0


def _signed(row: dict[str, Any]) -> str:
    return f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"


def _star(row: dict[str, Any]) -> str:
    return "*" if row.get("p_holm", 1) < 0.05 else " "


def _scores(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"accuracy_ci95": (row["accuracy_low"], row["accuracy_high"])}
