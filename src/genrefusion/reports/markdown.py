"""Markdown of tables, and of texts that come from files."""

from __future__ import annotations

from collections.abc import Sequence

from genrefusion.core.terminal import shown

_SPECIAL = "\\`*_{}[]<>#|~"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Lay out cells as a table.

    Parameters
    ----------
    heading : sequence of str
        Of the columns.
    rows : sequence of sequence of str
        Markdown in which ``|`` is escaped.
    numbers : bool
        All columns but the first are numbers, and stand to the right.
    """
    rule = ["---", *(["---:" if numbers else "---"] * (len(heading) - 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, rule, *rows))


def text(words: str) -> str:
    """Text on one line in which nothing is Markdown."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in shown(words))


def code(words: str) -> str:
    """Text as code, on one line, whatever it holds."""
    words = shown(words)
    fence = "``" if "`" in words else "`"
    pad = " " if "`" in words else ""
    return f"{fence}{pad}{words}{pad}{fence}"
