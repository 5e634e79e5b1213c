"""Finished runs in a folder, read once each; as a table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.reports.index_page import Listed
from genrefusion.runs.record import RUN_FILES

_FACTS = ("name", "corpus", "corpus_digest", "protocol", "seed", "date", "n", "accuracy", "macro_f1", "directory")
_PLACES = ("name", "seed", "output", "cache", "workers", "resume", "sweep", "parallel", "debug")
"""Settings that have a column already, or say where and how often a run is made."""

_INSIDE = frozenset({*RUN_FILES, "evaluations", "explanations", "sides"})
"""Of a run's own folder, in which no other run is looked for."""

DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading the files of a run raises where they are not what a run leaves."""


def list_runs(output: Path) -> pd.DataFrame:
    """List the finished runs in a folder of outputs, oldest first; one that is damaged is left out.

    Returns
    -------
    DataFrame
        Columns ``name``, ``corpus``, ``corpus_digest`` (its beginning), ``protocol``, ``seed``, ``date``, ``n``,
        ``accuracy``, ``macro_f1``, ``directory``; then one for each setting, called as it is typed, in which runs of
        the same name differ.
    """
    found = [(run, _settings(config, run.directory)) for run, config in read_runs(output)]
    runs = pd.DataFrame([[getattr(run, name) for name in _FACTS] for run, _ in found], columns=list(_FACTS))
    return pd.concat([runs, _differing(runs["name"], [settings for _, settings in found])], axis=1)


def read_runs(output: Path, damaged: list[Path] | None = None) -> Iterator[tuple[Listed, Mapping[str, Any]]]:
    """Read the finished runs in a folder of outputs, in the order of their folders' names.

    Parameters
    ----------
    output : Path
    damaged : list of Path, optional
        Gets the records that cannot be read, or whose figures cannot.

    Yields
    ------
    tuple
        The run, and its settings.
    """
    for path in sorted(_records(output), key=lambda found: found.parent.name):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] != "finished":
                continue
            run, config = _listed(record, path), {**record["config"]}
        except FileNotFoundError as error:
            if damaged is not None and error.filename != str(path):  # a run that is removed meanwhile is none
                damaged.append(path)
            continue
        except DAMAGED:
            if damaged is not None:
                damaged.append(path)
            continue
        yield run, config


def _records(output: Path) -> Iterator[Path]:
    """Records of runs, whatever became of them."""
    for folder, inner, files in os.walk(output):
        if "run.json" in files:
            inner[:] = [name for name in inner if name not in _INSIDE]
            yield Path(folder, "run.json")


def _listed(record: Mapping[str, Any], path: Path) -> Listed:
    words: dict[str, Any] = {name: str(record[name]) for name in ("name", "corpus", "protocol")}
    return Listed(
        **words,
        **figures_of(path.with_name("metrics.json")),
        corpus_digest=str(record["corpus_digest"])[:8],
        seed=int(record["seed"]),
        date=_date(path),
        directory=path.parent,
        synthetic=bool(record["synthetic"]),
    )


def figures_of(path: Path) -> dict[str, Any]:
    """Number of test songs, accuracy with its interval, and macro F1, from ``metrics.json``.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        It is not there, or not what a run leaves (`DAMAGED`).
    """
    test = json.loads(path.read_text(encoding="utf-8"))["test"]
    interval = test.get("accuracy_ci95")
    figures = {name: float(test[name]) for name in ("accuracy", "macro_f1")}
    if not all(map(math.isfinite, figures.values())):
        raise ValueError(f"{path}: {figures}")
    low_high = None if interval is None else (float(interval[0]), float(interval[1]))
    return figures | {"n": int(test["n"]), "accuracy_ci95": low_high}


def _date(record: Path) -> datetime:
    """When a run was begun, as its folder is called; where that is no time, when its record was written last."""
    try:
        return datetime.strptime(record.parent.name.partition("+")[0], "%Y-%m-%d_%H-%M-%S")
    except ValueError:
        return datetime.fromtimestamp(int(record.stat().st_mtime))


def _settings(config: Mapping[str, Any], directory: Path, prefix: str = "") -> dict[str, Any]:
    """Settings by the names that are typed, but for those of `_PLACES`; files in the run's own folder from there."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= _settings(value, directory, f"{prefix}{name}.")
        elif prefix or name not in _PLACES:
            inside = isinstance(value, str) and value.startswith(f"{directory.absolute()}/")
            found[f"{prefix}{name}"] = str(Path(value).relative_to(directory.absolute())) if inside else value
    return found


def _differing(names: pd.Series, settings: list[dict[str, Any]]) -> pd.DataFrame:
    """The settings in which runs of the same name differ, those of the others too."""
    columns = list(dict.fromkeys(name for each in settings for name in each))
    texts = pd.DataFrame(
        [[json.dumps(each.get(name), default=str) for name in columns] for each in settings], columns=columns
    )
    counts = texts.groupby(names).nunique()
    differing = [name for name in columns if counts[name].max() > 1]
    rows = [[each.get(name) for name in differing] for each in settings]
    return pd.DataFrame(rows, columns=differing, index=names.index)
