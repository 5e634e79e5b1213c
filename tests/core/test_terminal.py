"""Lines, tables and progress on terminals and pipes of any encoding."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrefusion.core import terminal as module
from genrefusion.core.streams import escape_what_does_not_fit, write_utf_8_to_pipes
from genrefusion.core.terminal import Terminal


class Clock:
    """Seconds that pass only when they are told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def taking(seconds: float, count: int, clock: Clock) -> Iterator[int]:
    for item in range(count):
        clock.now += seconds
        yield item


def stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard output as a pipe of an encoding."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, write_through=True))
    return buffer


def test_without_a_terminal_a_line_comes_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Terminal().track(taking(4, 25, clock), "check", 25, "songs")) == list(range(25))
    assert capsys.readouterr().out.splitlines() == [
        "check    3/25 songs   12 %, about 1:28 left",
        "check    11/25 songs   44 %, about 0:56 left",
        "check    19/25 songs   76 %, about 0:24 left",
        "check    25/25 songs   done in 1:40",
    ]


def test_short_works_say_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(Terminal().track(taking(0.9, 10, clock), "check", 10, "songs"))) == 10
    assert len(list(Terminal(quiet=True).track(taking(60, 10, clock), "check", 10, "songs"))) == 10
    assert not capsys.readouterr().out


def test_a_work_that_goes_on_is_estimated_by_what_is_done_anew_but_the_first(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Terminal().progress("train", 100, done=50, said="epoch 6/10") as advance:
        clock.now += 100
        advance(10, "epoch 7/10")
        clock.now += 30
        advance(10, "epoch 8/10")
    assert capsys.readouterr().out.splitlines()[:2] == [
        "train    epoch 7/10   60 %",
        "train    epoch 8/10   70 %, about 1:30 left",
    ]


def test_a_bar_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    terminal.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with terminal.progress("train", 4, said="[bold]epoch 1/2") as advance:
        advance(1, "[red]epoch 1/2")
    printed = terminal.console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]epoch 1/2" in printed


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "iso8859-5", "utf-8"])
def test_any_name_is_printed_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = stream(encoding, monkeypatch)
    terminal = Terminal()
    terminal.say("song", "演歌 … [bold]–[/bold] \udce9 ♥ Où")
    table = Table("genre", "n")
    table.add_row("演歌", "1")
    table.add_row(Text("pop [bold]"), "2")
    terminal.table(table)
    lines = buffer.getvalue().decode(encoding).splitlines()
    assert "[bold]" in lines[0]
    assert "\\xe9" in lines[0]
    assert ("演歌" if encoding == "utf-8" else "\\u6f14\\u6b4c") in lines[0]
    rows = [line for line in lines if line.rstrip(" |│").endswith(("1", "2")) and "…" not in line]
    assert len({cell_len(row) for row in rows}) == 1, "columns are under each other"


def test_programs_get_utf_8_from_a_pipe_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = stream("ascii", monkeypatch)
    escape_what_does_not_fit()
    write_utf_8_to_pipes()
    sys.stdout.write("演歌")
    assert buffer.getvalue() == "演歌".encode()


@pytest.mark.slow
def test_a_notebook_has_one_line_of_progress_plain_text_and_no_traceback() -> None:
    import nbformat
    from nbclient import NotebookClient

    work = """
import time
from genrefusion.core.errors import UserError
from genrefusion.core import terminal
terminal.NOTEBOOK_SECONDS = 0.05
shown = terminal.Terminal()
shown.say("begin", "here")
for _ in shown.track(range(4), "mel", 4, "songs"):
    time.sleep(0.06)
for _ in shown.track(range(3), "fast", 3, "songs"):
    pass
shown.say("end", "there")
"""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(text) for text in (work, 'raise UserError("songs: no such folder.")')]
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    before, progress, after = notebook.cells[0].outputs
    assert (before.text, after.text) == ("begin    here\n", "end      there\n")
    assert re.fullmatch(r"mel      4/4 songs   done in 0:00", progress.data["text/plain"])
    (mistake,) = notebook.cells[1].outputs
    assert mistake.traceback == ["UserError: songs: no such folder."]
