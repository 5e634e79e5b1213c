"""Finished runs in a folder, as a table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

_FACTS = ("name", "corpus", "corpus_digest", "protocol", "seed", "date", "n", "accuracy", "macro_f1", "directory")
_PLACES = ("name", "seed", "output", "cache", "workers", "resume", "sweep", "parallel", "debug")
"""Settings that have a column already, or say where and how often a run is made."""


def list_runs(output: Path) -> pd.DataFrame:
    """List the finished runs in a folder of outputs, oldest first; one that is damaged is left out.

    Returns
    -------
    DataFrame
        Columns ``name``, ``corpus``, ``corpus_digest`` (its beginning), ``protocol``, ``seed``, ``date``, ``n``,
        ``accuracy``, ``macro_f1``, ``directory``; then one for each setting, called as it is typed, in which runs of
        the same name differ.
    """
    facts, settings = [], []
    for path in sorted(output.glob("**/run.json"), key=lambda found: found.parent.name):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # one that is damaged is none
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] != "finished":
                continue
            test = json.loads((path.parent / "metrics.json").read_text(encoding="utf-8"))["test"]
            row = {name: record[name] for name in ("name", "corpus", "protocol", "seed")}
            row |= {"corpus_digest": record["corpus_digest"][:8], "date": _date(path), "directory": path.parent}
            row |= {name: test[name] for name in ("n", "accuracy", "macro_f1")}
            facts.append(row)
            settings.append(_settings(record["config"], path.parent))
    runs = pd.DataFrame(facts, columns=list(_FACTS))
    return pd.concat([runs, _differing(runs["name"], settings)], axis=1)


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
