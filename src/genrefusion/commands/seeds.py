"""What several runs that differ in the seed say together: a table at the end of ``train -m … seed=0,1,2``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.terminal import Terminal
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.predictions import read_predictions
from genrefusion.reports.result_tables import caption, terminal_table
from genrefusion.reports.rows import measure

_COLUMNS = ("accuracy", "macro_f1_interval", "n", "seeds")


def show_seeds(runs: Mapping[str, Sequence[Path]], terminal: Terminal, *, failed: int = 0) -> None:
    """Print mean accuracy and macro F1 over the seeds, with their 95 % intervals, as `reproduce` computes them.

    Where the seed draws the split too, the test songs of all seeds count, and that is said.

    Parameters
    ----------
    runs : mapping of str to sequence of Path
        Folders of finished runs, one for each seed, by what they have in common; empty where that is the experiment
        alone.
    terminal : Terminal
        Where it is printed.
    failed : int
        Runs that were to be made and have no part in it.
    """
    rows = []
    shared = True
    for title, folders in runs.items():
        predictions = [read_predictions(folder / "predictions" / "test.csv") for folder in folders]
        shared &= len({frozenset(table["track_id"]) for table in predictions}) == 1
        about = _about(folders[0])
        rows.append({"title": title or about.pop("name")} | about | measure(predictions, groups=groups_of(folders)))
    table = pd.DataFrame(rows)
    terminal.say("seeds", ", ".join(filter(None, ["mean over the seeds", caption(table)])))
    terminal.table(terminal_table(table, _COLUMNS))
    if not shared:
        terminal.say("note", "the seed draws the split too: seeds have other test songs, and n counts those of all")
    if failed:
        terminal.say("left out", f"{failed} run{'s' if failed > 1 else ''} that failed")


def _about(folder: Path) -> dict[str, Any]:
    """Experiment, corpus and protocol of a run."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    corpus = record["corpus"] + (" (synthetic)" if record["synthetic"] else "")
    facts = {name: record.get(name, "") for name in ("name", "protocol", "caution")}
    return facts | {"corpus": corpus}
