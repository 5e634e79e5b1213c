"""Tables of claimed and measured figures: what `reproduce` does.

A row is an experiment, trained once for each seed. A finished run with the same signature (settings, corpus and split)
is taken as it is; a missing one is trained. The table is computed from the runs' saved predictions.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from hydra import compose
from omegaconf import OmegaConf
from rich.table import Table

from genrefusion.cli import run_folder
from genrefusion.config import ReproduceConfig, TrainConfig
from genrefusion.errors import UserError
from genrefusion.evaluation import metrics
from genrefusion.evaluation.predictions import read_predictions
from genrefusion.evaluation.tables import with_interval
from genrefusion.experiment import prepare, run_experiment, signature
from genrefusion.files import write_atomically
from genrefusion.settings import TableRow
from genrefusion.terminal import Terminal


def reproduce_table(config: ReproduceConfig, forwarded: list[str]) -> pd.DataFrame:
    """Measure every row of a table and print it beside the claims.

    Parameters
    ----------
    config : ReproduceConfig
        Checked settings.
    forwarded : list of str
        Overrides of data, split and trainer as they were typed, for each row's training.

    Returns
    -------
    DataFrame
        One row for each row of the table, as in ``outputs/tables/<name>/<corpus>/table.csv``. A row that could not be
        measured has its reason in the column ``problem``.
    """
    terminal = Terminal()
    rows = []
    for number, row in enumerate(config.table.rows, start=1):
        terminal.say("row", f"{number} of {len(config.table.rows)}: {row.title}")
        known: dict[str, Any] = {"row": row.title, "claimed": row.claimed, "evidence": row.evidence}
        try:
            runs = [_find_or_train(config, row, seed, forwarded, terminal) for seed in config.seeds]
            rows.append(known | _measure(runs))
        except UserError as error:
            terminal.say("failed", str(error))
            rows.append(known | {"problem": str(error)})
    table = pd.DataFrame(rows)
    folder = Path(config.output) / "tables" / config.table.name / config.data.name
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "table.csv", table.to_csv(index=False).encode())
    terminal.say("table", f"{config.table.title} ({config.table.source})")
    terminal.table(_terminal_table(table))
    terminal.say("saved", str(folder / "table.csv"))
    return table


def _find_or_train(config: ReproduceConfig, row: TableRow, seed: int, forwarded: list[str], terminal: Terminal) -> Path:
    """Folder of the run that measures a row with a seed."""
    overrides = [f"experiment={row.experiment}", *config.table.overrides, *forwarded, *row.overrides, f"seed={seed}"]
    composed = compose("train", [*overrides, f"name={row.experiment}", f"output={config.output}"])
    settings = cast(TrainConfig, OmegaConf.to_object(composed))
    sign = signature(settings, *prepare(settings, terminal))
    parent = Path(config.output) / settings.name
    for path in sorted(parent.glob("*/*/run.json"), reverse=True):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["signature"] == sign and record["status"] == "finished":
            terminal.say("found", str(path.parent))
            return path.parent
        if record["signature"] == sign:
            terminal.say("resume", str(path.parent))
            run_experiment(replace(settings, resume=True), path.parent, command=" ".join(overrides))
            return path.parent
    folder = Path(run_folder(config.output, settings.name, settings.data.name, False))
    run_experiment(settings, folder, command=" ".join(overrides))
    return folder


def _measure(runs: list[Path]) -> dict[str, Any]:
    """Means over the seeds of figures computed from the saved predictions; of the ends of the intervals too."""
    records = [json.loads((run / "run.json").read_text(encoding="utf-8")) for run in runs]
    scores = [metrics.score(read_predictions(run / "predictions" / "test.csv")) for run in runs]
    mean = {name: float(np.mean([score[name] for score in scores])) for name in ("accuracy", "macro_f1")}
    ends = np.mean([score["accuracy_ci95"] for score in scores], axis=0)
    return mean | {
        "accuracy_ci95": [float(end) for end in ends],
        "n": scores[0]["n"],
        "seeds": len(runs),
        "corpus": records[0]["corpus"] + (" (synthetic)" if records[0]["synthetic"] else ""),
        "protocol": records[0]["protocol"],
        "parameters": records[0]["parameters"],
        "train_seconds": float(np.mean([record["wall_seconds"] for record in records])),
    }


def _terminal_table(table: pd.DataFrame) -> Table:
    shown = Table(box=None, pad_edge=False)
    for heading in ("", "claimed", "accuracy [95 % interval]", "macro F1", "n", "seeds", "protocol", "parameters"):
        shown.add_column(heading)
    for number, row in enumerate(table.to_dict("records")):
        claimed = "" if pd.isna(row["claimed"]) else f"{row['claimed']:.1f} %"
        if not isinstance(row.get("protocol"), str):
            shown.add_row(row["row"], claimed, f"failed: {row['problem'].splitlines()[0]}")
            continue
        figures = [f"{row['macro_f1']:.3f}", str(int(row["n"])), str(int(row["seeds"]))]
        protocol = f"{row['corpus']}, {row['protocol']}"
        shown.add_row(
            row["row"],
            claimed,
            with_interval(dict(table.loc[number]), "accuracy"),
            *figures,
            protocol,
            f"{int(row['parameters']):,}",
        )
    return shown
