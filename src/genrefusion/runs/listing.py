"""Finished runs in a folder, read once each; as a table."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
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
    found = [(run, settings_of(config, run.directory)) for run, config in read_runs(output)]
    runs = pd.DataFrame([[getattr(run, name) for name in _FACTS] for run, _ in found], columns=list(_FACTS))
    return pd.concat([runs, _columns([run.name for run, _ in found], [settings for _, settings in found])], axis=1)


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


def settings_of(config: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Settings of a run by the names that are typed, but for those of `_PLACES`; files in its own folder from there."""
    kept = {name: value for name, value in config.items() if name not in _PLACES}
    return _flat(kept, f"{directory.absolute()}/")


def _flat(config: Mapping[str, Any], home: str, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):  # as JSON gives it; asking for a mapping takes ten times as long
            found |= _flat(value, home, f"{prefix}{name}.")
        else:
            found[prefix + name] = value.removeprefix(home) if isinstance(value, str) else value
    return found


def differing(names: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each run's settings those in which runs of the same name differ; what one of them lacks counts as None."""
    together: dict[str, list[Mapping[str, Any]]] = {}
    for name, each in zip(names, settings, strict=True):
        together.setdefault(name, []).append(each)
    differ = {name: _varying(several) for name, several in together.items()}
    return [
        {setting: value for setting, value in each.items() if setting in differ[name]}
        for name, each in zip(names, settings, strict=True)
    ]


def _varying(several: Sequence[Mapping[str, Any]]) -> set[str]:
    first = several[0]
    others = [each for each in several if each != first]
    return {setting for each in others for setting in {*each, *first} if each.get(setting) != first.get(setting)}


def _columns(names: Sequence[str], settings: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The settings in which runs of the same name differ, those of the others too."""
    apart = {setting for each in differing(names, settings) for setting in each}
    columns = [name for name in dict.fromkeys(name for each in settings for name in each) if name in apart]
    return pd.DataFrame([[each.get(name) for name in columns] for each in settings], columns=columns)
