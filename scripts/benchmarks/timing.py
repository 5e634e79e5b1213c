"""Alternatives beside each other in one run."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Work = Callable[[], object]
Rows = dict[str, dict[str, float]]

REPEATS = 7


def compare(alternatives: dict[str, Work], *, repeats: int = REPEATS, warm_up: bool = True) -> Rows:
    """Median seconds of each alternative, and how many times faster it is than the first."""
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(repeats + warm_up):
        for name, work in alternatives.items():
            began = time.perf_counter()
            work()
            if turn or not warm_up:
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    return {name: {"median_seconds": value, "times_faster": first / value} for name, value in medians.items()}


def write_record(path: Path, benchmark: str, rows: Mapping[str, Any], **more: Any) -> None:
    """Write figures with what they were measured on, for ``scripts/readme_tables.py measured``."""
    from genrefusion.core.machine import usable_cores  # only now: what is measured decides what is imported first
    from genrefusion.runs.record import git_commit

    record = {
        "benchmark": benchmark,
        "commit": git_commit(),
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        **more,
        "rows": rows,
    }
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")
