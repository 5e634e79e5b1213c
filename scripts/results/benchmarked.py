"""Rows of speed and size, taken over from what ``scripts/benchmark.py NAME --json FILE`` wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.scale import STEPS
from genrefusion.core.errors import UserError
from results.files import Results


def benchmarked(results: Results, path: Path) -> tuple[str, list[dict[str, str]], list[str]]:
    """Rows of a file of results that a benchmark has measured anew.

    Returns
    -------
    str
        Which file that is: ``speed`` or ``size``.
    list of dict
        The rows.
    list of str
        Words of those that are of this benchmark and were not measured.

    Raises
    ------
    UserError
        The file is no benchmark's, none of the rows is measured by it, or it lacks what a row is compared with.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        name, measured = record["benchmark"], record["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not what scripts/benchmark.py NAME --json FILE writes ({error}).") from error
    kind, words, figures_of = ("size", "step", _size) if name == "scale" else ("speed", "what", _speed)
    rows: list[dict[str, str]] = getattr(results, kind)
    own = [(row, figures_of(row, measured)) for row in rows if row["command"].split()[2] == name]
    if not own:
        raise UserError(f"{path}: no row of {kind}.csv is measured by benchmark.py {name}.")
    found = [row | figures | _facts(record) for row, figures in own if figures]
    return kind, found, [row[words] for row, figures in own if not figures]


def _speed(row: Mapping[str, str], measured: Mapping[str, Any]) -> dict[str, str]:
    """Figures of a row of speeds; none where its alternative was not measured."""
    known = measured.get(row["alternative"])
    if known is None:
        return {}
    times = known.get("times_faster")
    if row["than"]:
        if row["than"] not in measured:
            raise UserError(f"speed.csv: '{row['what']}' is compared with '{row['than']}', which was not measured.")
        times = measured[row["than"]]["median_seconds"] / known["median_seconds"]
    return {"times": f"{times:.3g}", "milliseconds": f"{1000 * known['median_seconds']:.3g}"}


def _size(row: Mapping[str, str], measured: Mapping[str, Any]) -> dict[str, str]:
    """Figures of a step; none where it was not measured at all three sizes."""
    (step,) = (name for name, (title, _) in STEPS.items() if title == row["step"])
    sizes = measured.get(step, {})
    if set(sizes) != {"1000", "10000", "100000"}:
        return {}
    seconds = {f"seconds_{tracks}": f"{figures['seconds']:.6g}" for tracks, figures in sizes.items()}
    times = sizes["100000"]["seconds"] / sizes["10000"]["seconds"]
    return seconds | {"times": f"{times:.1f}", "mib": f"{sizes['100000']['peak_mib']:.6g}"}


def _facts(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        "commit": re.sub(r"^(\w{7})\w*", r"\1", record["commit"] or ""),
        "date": record["date"],
        "machine": f"{record['cores']} cores",
        "source": "benchmark",
    }
