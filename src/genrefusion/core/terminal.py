"""What a run says: a few lines on the terminal, the same lines in the run's log."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from genrefusion.core.faults import naming

Item = TypeVar("Item")

LABEL_WIDTH = 9
_WIDE = 160
_JOINERS = "\u200c\u200d"
"""Without width, and part of words and of emoji."""


def is_plain(character: str) -> bool:
    """Whether a character can be shown as it is: it neither steers a terminal nor turns the direction of a line."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def shown(name: object) -> str:
    """Text on one line that does nothing to a terminal: what is no printable character is escaped.

    Bytes of a file's name that are no UTF-8 are escaped too.
    """
    return "".join(c if is_plain(c) else _escaped(c) for c in str(name))


def shown_lines(message: object) -> str:
    """Text like that of `shown`, with its line breaks."""
    return "\n".join(map(shown, str(message).split("\n")))


def clock(seconds: float) -> str:
    """Length in hours, minutes and seconds.

    Examples
    --------
    >>> clock(61.6), clock(3725)
    ('1:02', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # of a byte that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


class Terminal:
    """Lines with a label in front, progress bars, tables.

    Parameters
    ----------
    quiet : bool
        Say nothing on the terminal; the log is written all the same.
    log : Path, optional
        File to append each line to, with the time.
    """

    def __init__(self, *, quiet: bool = False, log: Path | None = None) -> None:
        self.quiet = quiet
        self.log = log
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        if not self.console.is_terminal:  # a pipe or a file takes long lines
            self.console = Console(quiet=quiet, highlight=False, soft_wrap=True, width=_WIDE)

    def say(self, label: str, text: str) -> None:
        """Print one fact on one line; it may hold names from files, of which nothing is markup or steers a terminal."""
        label, text = f"{shown(label):<{LABEL_WIDTH - 1}} ", shown(text)
        self.console.print(Text(label, style="bold cyan") + Text(text))
        self._write(label + text)

    @property
    def width(self) -> int:
        """Characters of a line."""
        return self.console.width

    def table(self, table: Table) -> None:
        """Print a table."""
        self.console.print()
        self.console.print(table)
        self.console.print()
        plain = Console(width=_WIDE, no_color=True)
        with plain.capture() as capture:
            plain.print(table)
        self._write(capture.get().rstrip())

    def track(self, items: Iterable[Item], label: str, total: int, unit: str) -> Iterator[Item]:
        """Pass items through and show how many of them are done; nothing is shown for none."""
        if not total or not self.console.is_terminal:
            yield from items
            return
        with self.bar() as bar:
            task = bar.add_task(label, total=total, unit=unit)
            for item in items:
                yield item
                bar.advance(task)

    def bar(self) -> Progress:
        """Progress bar in the style of all bars; tasks have the field `unit`. It goes away when it is done."""
        return Progress(
            TextColumn(f"[bold cyan]{{task.description:<{LABEL_WIDTH}}}[/]"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def _write(self, text: str) -> None:
        if self.log is None:
            return
        now = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
        with naming(self.log), self.log.open("a", encoding="utf-8") as file:
            file.write(f"{now}  {text}\n")
