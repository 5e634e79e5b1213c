"""A run's probabilities, calibrated by what its validation tracks say: ``evaluate run=DIR calibrate=true``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.files import write_json
from genrefusion.core.terminal import Terminal
from genrefusion.metrics.calibration import apply_temperature, fit_temperature, too_few_to_calibrate
from genrefusion.metrics.predictions import arrays, genre_columns, read_predictions, write_predictions
from genrefusion.metrics.scores import METRICS
from genrefusion.reports.corpus_facts import FILE as CORPUS_FACTS
from genrefusion.reports.summary import summarise
from genrefusion.reports.terminal_tables import metric_rows, metrics_table

IMPROVED = ("log_loss", "calibration_error")
"""Figures that the scaling is made for; accuracy does not change."""


def calibrate(
    evaluated: Path, val: pd.DataFrame, target: Path, *, by_fold: bool, title: str, terminal: Terminal
) -> dict[str, Any]:
    """Scale the test probabilities by a temperature, and write what became of them to a folder of their own.

    The temperature is fitted on validation tracks alone. They chose the epoch before, and the mean of several folds'
    models is less sure than each of them: both can put it off a little. It concerns the probabilities of songs; frames,
    and the sides alone, would need temperatures of their own and are left out.

    Parameters
    ----------
    evaluated : Path
        Folder with the ``predictions/test.csv`` to calibrate.
    val : DataFrame
        The run's predictions of its validation tracks; see `genrefusion.metrics.predictions`.
    target : Path
        Folder for ``predictions/test.csv``, ``metrics.json``, ``figures/`` and ``calibration.json``, which has the
        temperatures, and log loss and calibration error before and after.
    by_fold : bool
        Whether each fold was tested by its own model: then it gets the temperature of its own validation tracks. All
        are pooled otherwise.
    title : str
        Of the plots.
    terminal : Terminal
        Where it is said.

    Returns
    -------
    dict
        Figures as in ``metrics.json``.
    """
    test = read_predictions(evaluated / "predictions" / "test.csv")
    groups = [(rows, val[val["fold"] == fold]) for fold, rows in test.groupby("fold")] if by_fold else [(test, val)]
    genres = genre_columns(test)
    temperatures = [fit_temperature(*arrays(held, genres=genres)) for _, held in groups]
    scaled = pd.concat([_scale(rows, t) for (rows, _), t in zip(groups, temperatures, strict=True)]).loc[test.index]
    write_predictions(scaled, target / "predictions" / "test.csv")
    for known in ("tracks.csv", CORPUS_FACTS):
        if (evaluated / known).is_file():
            shutil.copyfile(evaluated / known, target / known)
    caution = json.loads((evaluated / "metrics.json").read_text("utf-8"))["test"].get("caution", "")
    genre = test.set_index("track_id")["genre"]
    metrics = summarise(target, genre, title=f"{title}, calibrated", terminal=terminal, caution=caution)
    before, after = (
        {name: METRICS[name](*arrays(table, genres=genres)) for name in IMPROVED} for table in (test, scaled)
    )
    facts = {"temperatures": temperatures, "validation_tracks": len(val), "before": before, "after": after}
    write_json(facts, target / "calibration.json")
    each = ", ".join(f"{temperature:.2f}" for temperature in temperatures)
    terminal.say("scaled", f"temperature {each}   fitted on {len(val)} validation songs")
    if few := too_few_to_calibrate(len(val) // len(temperatures)):
        terminal.say("note", few)
    for name in IMPROVED:
        terminal.say("scaled", f"{name.replace('_', ' ')} {before[name]:.3f} before, {after[name]:.3f} after")
    terminal.table(metrics_table(metric_rows(metrics)))  # the genres that are taken for others stay the same
    return metrics


def _scale(predictions: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Predictions with their probabilities scaled."""
    names = genre_columns(predictions)
    return predictions.assign(**dict(zip(names, apply_temperature(arrays(predictions)[1], temperature).T, strict=True)))
