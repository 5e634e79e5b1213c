"""Work in a process of its own: answers, mistakes, failures, and an end with the process that asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genrefusion.core.alone import WorkError, run_alone
from genrefusion.core.errors import UserError

TASKS = """
import os, pathlib, signal, time
from genrefusion.core.errors import UserError

def add(request):
    return {"sum": sum(request["numbers"]), "process": os.getpid()}

def refuse(request):
    raise UserError("No songs in there.\\nPut some in.")

def break_down(request):
    return {}["nothing"]

def be_killed(request):
    os.kill(os.getpid(), signal.SIGKILL)

def be_interrupted(request):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

def wait(request):
    pathlib.Path(request["file"]).write_text(str(os.getpid()))
    time.sleep(60)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "some_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return "some_tasks"


def test_the_answer_comes_from_another_process(tasks: str) -> None:
    answer = run_alone(f"{tasks}:add", {"numbers": [1, 2.5]})
    assert answer["sum"] == 3.5
    assert answer["process"] != os.getpid()


def test_a_mistake_comes_back_as_it_was_said(tasks: str) -> None:
    with pytest.raises(UserError, match=r"^No songs in there.\nPut some in.$"):
        run_alone(f"{tasks}:refuse", {})


def test_a_failure_is_named_and_its_traceback_printed(tasks: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkError, match=r"^KeyError: 'nothing'$"):
        run_alone(f"{tasks}:break_down", {})
    assert "break_down" in capfd.readouterr().err


def test_a_killed_process_is_a_failure(tasks: str) -> None:
    with pytest.raises(WorkError, match="signal 9"):
        run_alone(f"{tasks}:be_killed", {})


def test_an_interrupt_of_the_work_interrupts_who_asked(tasks: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_alone(f"{tasks}:be_interrupted", {})
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_work_ends_with_the_process_that_asked(tasks: str, sign: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "begun"
    code = f"from genrefusion.core.alone import run_alone; run_alone('{tasks}:wait', {{'file': {str(file)!r}}})"
    asker = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    asker.send_signal(sign)
    asker.wait(30)
    while _lives(int(file.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z")
