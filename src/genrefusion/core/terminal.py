"""What a run says: a few lines on the terminal or below the cell of a notebook, the same lines in the run's log."""

from __future__ import annotations

import datetime
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from genrefusion.core.faults import naming
from genrefusion.core.paths import absolute
from genrefusion.core.streams import escape_what_does_not_fit, escaped, fitting

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
    return "".join(c if is_plain(c) else escaped(c) for c in str(name))


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


Advance = Callable[[int, str], None]
"""Told how many more units of a work are done, and what to say of it."""

FIRST_SECONDS, NEXT_SECONDS = 10.0, 30.0
"""Without a terminal: when a work first says how far it is, and how often from then on."""

NOTEBOOK_SECONDS = 1.0
"""The same of a notebook, where one line is updated."""


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
        escape_what_does_not_fit()
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._in_notebook = self.console.is_jupyter
        if not self.console.is_terminal:  # a pipe, a file or a notebook takes long lines, and plain text
            plain: dict[str, Any] = {"width": _WIDE, "force_jupyter": False, "force_terminal": False}
            self.console = Console(quiet=quiet, highlight=False, soft_wrap=True, **plain)

    def say(self, label: str, text: str | Path) -> None:
        """Print one fact on one line; it may hold names from files, of which nothing is markup or steers a terminal.

        A path is absolute there, however it was given: it leads to the place from any folder.
        """
        line = _labelled(label, str(absolute(text)) if isinstance(text, Path) else text)
        self.console.print(line)
        self._write(line.plain)

    @property
    def width(self) -> int:
        """Characters of a line."""
        return self.console.width

    def table(self, table: Table) -> None:
        """Print a table."""
        self.console.print()
        self.console.print(self._fitting(table))
        self.console.print()
        plain = Console(width=_WIDE, no_color=True, force_jupyter=False)
        with plain.capture() as capture:
            plain.print(table)
        self._write(capture.get().rstrip())

    def track(self, items: Iterable[Item], label: str, total: int, unit: str) -> Iterator[Item]:
        """Pass items through and show how many of them are done; nothing is shown for none."""
        if not total:
            yield from items
            return
        with self.progress(label, total, said=f"0/{total} {unit}") as advance:
            for done, item in enumerate(items, start=1):
                yield item
                advance(1, f"{done}/{total} {unit}")

    @contextmanager
    def progress(self, label: str, total: int, *, said: str, done: int = 0) -> Iterator[Advance]:
        """Show how far a work is: a bar that goes away when it is done; without a terminal a line now and then.

        Those lines come only if the work takes longer than `FIRST_SECONDS`, and no more than one every `NEXT_SECONDS`.
        A notebook has one line, which each later one replaces; there it is `NOTEBOOK_SECONDS`.

        Parameters
        ----------
        label : str
            Names the work.
        total, done : int
            Units of it, and how many of them were done before.
        said : str
            What is said of it at first.

        Yields
        ------
        Advance
            ``advance(count, said)`` when more units are done.
        """
        if self.quiet:
            yield lambda count, said: None
        elif self.console.is_terminal:
            with self._bar() as bar:
                task = bar.add_task(label, total=total, completed=done, said=shown(said))
                yield lambda count, said: bar.update(task, advance=count, said=shown(said))
        else:
            seconds = (NOTEBOOK_SECONDS,) * 2 if self._in_notebook else (FIRST_SECONDS, NEXT_SECONDS)
            lines = _Lines(self._replacing() if self._in_notebook else self._print, label, total, done, seconds)
            yield lines.advance
            lines.end()

    def _print(self, line: Text) -> None:
        self.console.print(line)
        self.console.file.flush()

    def _replacing(self) -> Callable[[Text], None]:
        """Show lines below the cell of a notebook, each in the place of the last."""
        from IPython.display import display  # a notebook has it

        shown_there: list[Any] = []

        def show(line: Text) -> None:
            self.console.file.flush()  # what was printed before stands above
            content = {"text/plain": line.plain}
            if shown_there:
                shown_there[0].update(content, raw=True)
            else:
                shown_there.append(display(content, raw=True, display_id=True))

        return show

    def _bar(self) -> Progress:
        return Progress(
            TextColumn(f"{{task.description:<{LABEL_WIDTH}}}", style="bold cyan", markup=False),
            TextColumn("{task.fields[said]}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            transient=True,
        )

    def _fitting(self, table: Table) -> Table:
        """The table with what the encoding lacks escaped, so that its columns are wide enough."""
        encoding = self.console.encoding
        if encoding.startswith("utf"):
            return table

        def fit(cell: RenderableType | None) -> Any:
            if isinstance(cell, Text):
                return Text(fitting(cell.plain, encoding), style=cell.style)
            return fitting(cell, encoding) if isinstance(cell, str) else cell

        fitted = copy(table)
        fitted.caption = fit(table.caption)
        fitted.columns = [
            replace(column, header=fit(column.header), _cells=list(map(fit, column.cells))) for column in table.columns
        ]
        return fitted

    def _write(self, text: str) -> None:
        if self.log is None:
            return
        now = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
        with naming(self.log), self.log.open("a", encoding="utf-8") as file:
            file.write(f"{now}  {text}\n")


class _Lines:
    """What a work says of its progress where there is no terminal to draw on."""

    def __init__(
        self, show: Callable[[Text], None], label: str, total: int, done: int, seconds: tuple[float, float]
    ) -> None:
        self._show, self._label, self._said = show, label, ""
        self._total, self._before, self._done = total, done, done
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None
        first, self._pause = seconds
        self._next = self._began + first
        self._spoke = False

    def advance(self, count: int, said: str) -> None:
        self._done += count
        self._said = said
        now = time.monotonic()
        if self._first is None and self._done > self._before:
            self._first = now, self._done
        if self._first and now >= self._next and self._done < self._total:
            began, before = self._first  # without the first one, which has to import and compile what later ones need
            left = (now - began) / (self._done - before) * (self._total - self._done) if self._done > before else None
            about = "" if left is None else f", about {clock(left)} left"
            self._print(f"{100 * self._done / self._total:.0f} %{about}")
            self._next, self._spoke = now + self._pause, True

    def end(self) -> None:
        """Say that it is done, where it has said how far it was."""
        if self._spoke:
            self._print(f"done in {clock(time.monotonic() - self._began)}")

    def _print(self, text: str) -> None:
        self._show(_labelled(self._label, f"{self._said}   {text}"))


def _labelled(label: str, text: str) -> Text:
    return Text(f"{shown(label):<{LABEL_WIDTH - 1}} ", style="bold cyan") + Text(shown(text))
