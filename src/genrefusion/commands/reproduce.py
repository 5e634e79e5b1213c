"""Tables of claimed and measured accuracy and more: what `reproduce` does.

A row is an experiment, trained once for each seed. A finished run with the same signature (settings, corpus and split)
is taken as it is, one that was broken off is gone on with, a missing one is trained. The table is computed from the
runs' saved predictions and from nothing else; its costs from what was measured in processes that do nothing else.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from genrefusion.core.alone import WorkError
from genrefusion.core.disks import Place, disk_mistake
from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically, write_json
from genrefusion.core.folders import forgotten_unless_begun, places_of, run_folder
from genrefusion.core.machine import machine_names
from genrefusion.core.paths import absolute
from genrefusion.core.terminal import Terminal
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.predictions import read_predictions
from genrefusion.reports import rows as table_rows
from genrefusion.reports.result_tables import caption, measured_on, terminal_table, write_texts
from genrefusion.reports.table_page import write_table_report
from genrefusion.runs.costs import measure_alone
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.experiments import Experiments, shared_overrides
from genrefusion.runs.index import renew_index
from genrefusion.runs.record import git_commit
from genrefusion.runs.store import model_folder
from genrefusion.runs.training import run_experiment_alone, train_context
from genrefusion.settings.commands import ReproduceConfig, TrainConfig
from genrefusion.settings.tables import TableRow, TableSettings

_COSTS = "costs.json"


def run(config: ReproduceConfig) -> None:
    """Make a table of results; the process ends with 1 where rows failed."""
    sys.exit(reproduce_table(config, list(HydraConfig.get().overrides.task)))


def reproduce_table(config: ReproduceConfig, typed: list[str]) -> int:
    """Measure every row of a table, print it beside the claims, and write it as CSV, Markdown, LaTeX, figure and page.

    Parameters
    ----------
    config : ReproduceConfig
        Checked settings.
    typed : list of str
        Overrides as they were typed; those of data, split, features and trainer go to the training of each row.

    Returns
    -------
    int
        Exit code: 0, or 1 if some rows could not be measured (each says why, in the column ``problem``).
    """
    terminal = Terminal()
    settings = config.table
    experiments = Experiments(
        config.output,
        [*settings.overrides, *shared_overrides(typed)],
        terminal,
        features=[override for override in typed if re.match(r"\+*features\b", override)],
        weights=config.weights,
    )
    chosen = [row for row in settings.rows if config.rows is None or row.experiment in config.rows]
    runs, problems = _runs_of_rows(chosen, experiments, config.seeds, places_of(vars(config)))
    table = pd.DataFrame(measure_rows(chosen, runs, problems))
    path = Path(config.output) / "tables" / settings.name / _place(table, config) / "table.csv"
    page = _write(table, path, settings, typed)
    terminal.say("table", f"{settings.title} ({', '.join(filter(None, [caption(table), settings.source]))})")
    terminal.table(terminal_table(table, settings.columns, width=terminal.width))
    if machines := measured_on(table, settings.columns):
        terminal.say("machine", machines)
    terminal.say("saved", f"{absolute(path.parent)}/table.csv, .md, .tex, .png")
    renew_index(config.output, path.parent, terminal)
    terminal.say("report", page)
    return 1 if problems else 0


def _runs_of_rows(
    chosen: list[TableRow], experiments: Experiments, seeds: list[int], places: list[Place]
) -> tuple[dict[int, list[Path]], dict[int, str]]:
    """Run folders of each row by its number, one for each seed, and why other rows have none."""
    terminal = experiments.terminal
    began = time.perf_counter()
    runs: dict[int, list[Path]] = {}
    problems: dict[int, str] = {}
    for number, row in enumerate(chosen):
        minutes, seconds = divmod(int(time.perf_counter() - began), 60)
        terminal.say("row", f"{number + 1} of {len(chosen)}: {row.title}   ({minutes}:{seconds:02d} so far)")
        try:
            found = [_find_or_make(experiments, row.experiment, row.overrides, seed) for seed in seeds]
            for folder in found:
                read_predictions(folder / "predictions" / "test.csv")
            runs[number] = found
        except (UserError, WorkError) as error:
            problems[number] = str(error)
        except Exception as error:
            mistake = disk_mistake(error, places)
            problems[number] = str(mistake or f"{type(error).__name__}: {error}")
            if mistake is None:
                _say_lines(terminal, "", traceback.format_exc())
        if number in problems:
            _say_lines(terminal, "failed", problems[number])
    return runs, problems


def _write(table: pd.DataFrame, path: Path, settings: TableSettings, typed: list[str]) -> Path:
    """Write a table to its CSV file, and what is made of that beside it; returns the page."""
    write_atomically(path, table.to_csv(index=False).encode())
    write_texts(path, settings.columns, title=settings.title, source=settings.source, figure=settings.figure)
    return write_table_report(
        path,
        settings.columns,
        title=settings.title,
        source=settings.source,
        configuration=OmegaConf.to_yaml(OmegaConf.create(asdict(settings) | {"typed": typed})),
        command=shlex.join(["reproduce", *(word for word in typed if not word.startswith("seeds=")), "seeds=[0,1,2]"]),
    )


def _say_lines(terminal: Terminal, label: str, text: str) -> None:
    for number, line in enumerate(text.rstrip().split("\n")):
        terminal.say("" if number else label, line)


def measure_rows(chosen: list[TableRow], runs: dict[int, list[Path]], problems: dict[int, str]) -> list[dict[str, Any]]:
    """Compute the rows of a table from the predictions of their runs.

    Parameters
    ----------
    chosen : list of TableRow
    runs : dict of int to list of Path
        By number of the row, its run folders, one for each seed.
    problems : dict of int to str
        By number of the row, why there are none.

    Returns
    -------
    list of dict
        One for each row. Each is compared with the first one of its group that was measured.
    """
    predictions = {
        number: [read_predictions(folder / "predictions" / "test.csv") for folder in folders]
        for number, folders in runs.items()
    }
    leaders: dict[str, int] = {}
    measured = []
    for number, row in enumerate(chosen):
        known: dict[str, Any] = {"title": row.title, "experiment": row.experiment, "group": row.group}
        known |= {"claimed": row.claimed, "evidence": row.evidence, "problem": problems.get(number, "")}
        if number in runs:
            groups = groups_of(runs[number])
            known |= table_rows.measure(predictions[number], groups=groups) | _facts(runs[number])
            leader = leaders.setdefault(row.group, number)
            if leader != number:
                known |= table_rows.difference(predictions[number], predictions[leader], groups=groups)
        measured.append(known)
    table_rows.adjust(measured)
    return measured


def _find_or_make(experiments: Experiments, experiment: str, overrides: list[str], seed: int) -> Path:
    """Folder of the finished run that measures an experiment with a seed."""
    settings = experiments.compose(experiment, *overrides, seed=seed)
    command = experiments.command(experiment, *overrides, seed=seed)
    if settings.pipeline.joins_runs:
        members = [_find_or_make(experiments, member, [], seed) for member in settings.pipeline.members]
        members = members or [Path(run) for run in settings.pipeline.runs]
        begun, finished = experiments.find_ensemble(settings, members)
    else:
        members = []
        begun, finished = experiments.find(settings)
    if begun is not None and finished:
        found = begun
        experiments.terminal.say("found", f"{absolute(found)}{_of_other_code(found)}")
    else:
        if begun is not None:
            experiments.terminal.say("resume", begun)
        found = begun or Path(run_folder(settings.output, settings.name, settings.data.corpus_name, False))
        settings = replace(settings, resume=begun is not None)
        with forgotten_unless_begun(found):
            if settings.pipeline.joins_runs:
                run_ensemble(settings, found, members, command=command)
            else:
                run_experiment_alone(settings, found, command=command)
    try:
        _add_costs(experiments, settings, found)
    except (UserError, WorkError) as error:  # the row's predictions are there all the same
        experiments.terminal.say("costs", f"not measured ({error})")
    except Exception as error:
        experiments.terminal.say("costs", f"not measured ({type(error).__name__}: {error})")
    return found


def _add_costs(experiments: Experiments, settings: TrainConfig, folder: Path) -> None:
    """Measure what a prediction of the run's first model costs, once; it is kept in ``costs.json``."""
    if _costs(folder):
        return
    reader = settings
    if settings.pipeline.joins_runs:  # it reads what its members read
        reader = experiments.compose(settings.pipeline.members[0], seed=settings.seed)
    tracks, split = experiments.prepared(reader)
    experiments.terminal.say("costs", "time and size of a prediction")
    context = train_context(settings, Terminal(quiet=True))
    costs = measure_alone(model_folder(folder, split, 0), context, tracks.subset(split.folds[0].test))
    write_json(costs, folder / _COSTS)


def _costs(folder: Path) -> dict[str, Any]:
    """What was measured of a run; nothing if it was not, or before the machine was noted."""
    try:
        costs = dict(json.loads((folder / _COSTS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
    return costs if "machine" in costs else {}


def _of_other_code(folder: Path) -> str:
    """Note that a run was made at another commit than this, which its signature does not tell."""
    then, now = json.loads((folder / "run.json").read_text(encoding="utf-8"))["git_commit"], git_commit()
    if not then or not now or then == now:
        return ""
    then, now = (re.sub(r"^(\w{7})\w*", r"\1", commit) for commit in (then, now))
    return f"   (made at commit {then}, this is {now})"


def _facts(folders: list[Path]) -> dict[str, Any]:
    """What the runs say of themselves; costs are means over the seeds."""
    records = [json.loads((folder / "run.json").read_text(encoding="utf-8")) for folder in folders]
    costs = [_costs(folder) for folder in folders]
    names = ("ms_per_song", "macs", "file_bytes", "peak_memory_mb")
    return {
        "corpus": records[0]["corpus"] + (" (synthetic)" if records[0]["synthetic"] else ""),
        "protocol": records[0]["protocol"],
        "caution": records[0].get("caution", ""),
        "parameters": int(np.mean([record["parameters"] for record in records])),
        "train_seconds": _mean(records, "fit_seconds"),
        **{name: _mean(costs, name) for name in names},
        "train_machine": _together([name for record in records for name in machine_names(record)]),
        "machine": _together([name for each in costs for name in machine_names(each)]),
        "runs": "\n".join(str(folder) for folder in folders),
    }


def _mean(measured: list[dict[str, Any]], name: str) -> float | None:
    """Of a figure, if all of them have it."""
    values = [each[name] for each in measured if each.get(name) is not None]
    return float(np.mean(values)) if len(values) == len(measured) else None


def _together(names: list[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def _place(table: pd.DataFrame, config: ReproduceConfig) -> str:
    """Name of the folder: corpus, protocol, number of seeds and chosen rows, so that no table overwrites another."""
    about = caption(table) or f"{config.data.corpus_name} {config.split.kind}"
    if len(config.seeds) > 1:
        about += f" {len(config.seeds)} seeds"
    if config.rows is not None:
        about += f" rows {' '.join(config.rows)}"
    return re.sub(r"[^\w.]+", "_", about).strip("_")
