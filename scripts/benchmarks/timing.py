"""Alternatives beside each other in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

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
