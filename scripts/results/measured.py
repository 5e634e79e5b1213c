"""Rows of results, measured in finished run folders."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from compare import averaged, having_lyrics
from genrefusion.core.errors import UserError
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.predictions import genre_columns
from genrefusion.reports.rows import aligned, difference, hits, measure
from genrefusion.runs.experiments import shared_overrides
from genrefusion.runs.store import Run, open_run


def system_row(key: str, runs: str, options: argparse.Namespace) -> dict[str, str]:
    """Measure a system in its runs; `runs` are folders joined by commas, one for each seed."""
    folders, opened, predictions = _read(runs, options)
    found = measure(predictions, groups=groups_of(folders))
    each = [f"{hits(table, genre_columns(table)).mean():.6f}" for table in predictions]
    figures = {
        name: f"{found[name]:.6f}"
        for metric in ("accuracy", "macro_f1")
        for name in (metric, f"{metric}_low", f"{metric}_high")
    }
    table, name = key.split("/", 1)
    row = {"table": table, "row": name, "n": str(found["n"])} | figures
    row |= {"accuracies": " ".join(each), "drawn": found["drawn"]} | _facts(opened, options)
    given = {"title": options.title, "about": options.about}
    return row | {name: text for name, text in given.items() if text is not None}


def difference_row(key: str, runs: str, against: str, other: str, options: argparse.Namespace) -> dict[str, str]:
    """Compare a system with another one on the same tracks, seed by seed or, averaged, at once."""
    folders, opened, predictions = _read(runs, options)
    others, opened_others, of_others = _read(other, options)
    seeds, other_seeds = ([run.record["seed"] for run in each] for each in (opened, opened_others))
    if seeds != other_seeds:
        raise UserError(f"{key} has the seeds {seeds}, {against} {other_seeds}: give the same of both, in one order.")
    groups = groups_of([*folders, *others])
    found = difference(predictions, of_others, groups=groups)
    if not found:
        raise UserError(f"{key} and {against}: were not tested on the same tracks.")
    tracks = set().union(*(table["track_id"] for table in predictions))
    table, name = key.split("/", 1)
    row = {"table": table, "row": name, "against": against, "n": str(len(tracks)), "drawn": groups.drawn}
    return row | {name: f"{value:.6g}" for name, value in found.items()} | _facts(opened, options)


def _read(runs: str, options: argparse.Namespace) -> tuple[list[Path], list[Run], list[pd.DataFrame]]:
    """Folders, runs and predictions of a system, a table for each seed or one for all."""
    folders = [Path(run) for run in runs.split(",")]
    opened = [open_run(folder) for folder in folders]
    tables = [averaged(runs)] if options.averaged else [run.predictions() for run in opened]
    if options.with_lyrics:
        tables = [aligned(table, having_lyrics(options.with_lyrics, table["track_id"])) for table in tables]
    return folders, opened, tables


def _facts(runs: Sequence[Run], options: argparse.Namespace) -> dict[str, str]:
    """What the runs say of themselves: each fact once, where seeds have it in common."""
    records = [run.record for run in runs]
    typed = shlex.split(records[0]["command"])
    own = [word for word in typed if word not in shared_overrides(typed) and not _NOT_OWN.match(word)]
    seeds = " ".join(str(record["seed"]) for record in records)
    joined = "probabilities" if options.averaged else "figures"
    part = ", tracks with lyrics" if options.with_lyrics else ""
    return {
        "experiment": records[0]["name"],
        "overrides": shlex.join(map(_without_place, own)),
        "corpus": _once([record["corpus"] + (" (synthetic)" if record["synthetic"] else "") for record in records]),
        "corpus_digest": _once([record["corpus_digest"] for record in records]),
        "protocol": _once([record["protocol"] for record in records]) + part,
        "seeds": seeds,
        "mean_of": joined if len(records) > 1 else "",
        "commit": _once([re.sub(r"^(\w{7})\w*", r"\1", record["git_commit"] or "") for record in records]),
        "results_version": _once([str(record.get("results_version", 1)) for record in records]),
        "versions": _once([_versions(record) for record in records]),
        "date": _once([_date(run.directory) for run in runs]),
        "command": _command(records),
        "source": "run folders",
    }


def _once(facts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, facts)))


def _versions(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def _date(folder: Path) -> str:
    """Day on which a run ended, by the last line of its log that has one."""
    log = folder / "run.log"
    days = re.findall(r"^\d{4}-\d\d-\d\d", log.read_text(encoding="utf-8"), re.MULTILINE) if log.is_file() else []
    return days[-1] if days else ""


def _command(records: Sequence[dict[str, Any]]) -> str:
    """What to type for the same runs: with ``-m`` where they differ by nothing but the seed."""
    typed = [[word for word in shlex.split(record["command"]) if not _OF_THE_MACHINE.match(word)] for record in records]
    lines = [shlex.join(map(_without_place, words)) for words in typed]
    seeds = [str(record["seed"]) for record in records]
    if len(records) > 1 and len(set(lines)) == 1:
        return f"train -m {lines[0]} seed={','.join(seeds)}"
    return "; ".join(f"train {line} seed={seed}" for line, seed in zip(lines, seeds, strict=True))


def _without_place(word: str) -> str:
    """Cut what is before the last folder off the absolute paths in an override."""
    return re.sub(r"(?<=[=\[,])/(?:[^/,\[\]]+/)*(?=[^/,\[\]]+/[^/,\[\]]+)", "", word)


_NOT_OWN = re.compile(r"\+*(experiment|seed|resume|hydra\.[\w.]+)=")
_OF_THE_MACHINE = re.compile(r"\+*(seed|output|cache|resume|hydra\.[\w.]+)=")
