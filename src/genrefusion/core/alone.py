"""One piece of work in a process of its own, so that imports and memory of earlier work are no part of it.

What is asked and what is answered are JSON files. The process ends with the one that started it, even if that is
killed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError

_GRACE = 5
"""Seconds that an interrupted process has to put the terminal in order."""

_ORPHAN_GRACE = 1
"""Seconds that it has when the other one is gone, which may be started again at once."""


class WorkError(Exception):
    """Work failed in its process, and not through a mistake of the user; the message names the error."""


def run_alone(task: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Let a function answer in a process of its own, which prints where this one prints.

    Parameters
    ----------
    task : str
        ``module:function``; it takes the request and returns a dict.
    request : mapping
        Plain values.

    Returns
    -------
    dict
        The answer.

    Raises
    ------
    UserError
        The function raised it.
    WorkError
        It raised something else, whose traceback is on the standard error by then, or the process was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-m", "genrefusion.core.alone", task, str(asked), str(answered)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603 (this interpreter)
            try:
                code = process.wait()
            except BaseException:
                with contextlib.suppress(subprocess.TimeoutExpired):  # Ctrl-C interrupts both
                    process.wait(_GRACE)
                raise
        if code == 130:
            raise KeyboardInterrupt
        if not answered.is_file():
            raise WorkError(f"its process {f'was ended by signal {-code}' if code < 0 else f'ended with code {code}'}")
        answer = json.loads(answered.read_text(encoding="utf-8"))
    if "mistake" in answer:
        raise UserError(answer["mistake"])
    if "error" in answer:
        raise WorkError(answer["error"])
    return dict(answer["result"])


def main() -> None:
    """Do the work that another process asks for on the command line."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task, asked, answered = sys.argv[1:]
    try:
        answer = _answer(task, json.loads(Path(asked).read_text(encoding="utf-8")))
    except KeyboardInterrupt:
        sys.exit(130)
    Path(answered).write_text(json.dumps(answer), encoding="utf-8")


def _answer(task: str, request: dict[str, Any]) -> dict[str, Any]:
    module, _, function = task.partition(":")
    try:
        return {"result": getattr(importlib.import_module(module), function)(request)}
    except UserError as error:
        return {"mistake": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def _end_with_parent() -> None:
    """Wait for the other end of the standard input to close, which it does with the process that holds it."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_ORPHAN_GRACE)
    os._exit(1)  # interrupts are ignored, or some library does not let go


if __name__ == "__main__":
    main()
