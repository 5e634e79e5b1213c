"""What a sweep leaves: its table, the best trial as an experiment, pictures, and the command that trains it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import write_atomically
from genrefusion.core.paths import absolute
from genrefusion.core.terminal import Terminal
from genrefusion.metrics.predictions import write_predictions
from genrefusion.settings.composing import quoted

if TYPE_CHECKING:
    import optuna

_STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
_METRICS = ("val_log_loss", "val_accuracy", "val_macro_f1")
_PART_OF_THE_EXPERIMENT = ("pipeline", "features", "text_encoder")
_OF_THE_SWEEP = ("experiment", "name", "sweep", "launcher", "parallel", "resume", "debug")


def sweep_table(study: optuna.Study) -> pd.DataFrame:
    """One row a trial: number, settings, validation metrics, state, reason, seconds and folder.

    The state is ``finished``, ``pruned`` (ended early), ``failed`` or ``interrupted`` (killed with the sweep).
    """
    rows = []
    for trial in study.trials:
        attributes = trial.user_attrs
        state = "interrupted" if attributes.get("interrupted") else _STATES[trial.state.name]
        row = {"trial": trial.number} | trial.params | {name: attributes.get(name) for name in _METRICS}
        seconds = trial.duration.total_seconds() if trial.duration else None
        row |= {"state": state, "reason": attributes.get("reason", ""), "seconds": seconds}
        rows.append(row | {"folder": attributes.get("folder", "")})
    return pd.DataFrame(rows)


def write_table(study: optuna.Study, directory: Path) -> None:
    """Write ``sweep.csv``."""
    write_predictions(sweep_table(study), directory / "sweep.csv")


def trial_line(study: optuna.Study, number: int) -> str:
    """Say how a trial ended, and with which settings."""
    trial = study.trials[number]
    values = "  ".join(_short(name.split(".", 1)[-1], value) for name, value in trial.params.items())
    outcome = _STATES[trial.state.name]
    if trial.state.name == "COMPLETE":
        outcome = f"log loss {trial.value:.3f}, accuracy {trial.user_attrs['val_accuracy']:.3f}"
    elif "reason" in trial.user_attrs:
        outcome += f" ({str(trial.user_attrs['reason']).splitlines()[0]})"
    return f"{number}   {outcome}   {values}"


def finish(study: optuna.Study, directory: Path, name: str, typed: Sequence[str], terminal: Terminal) -> None:
    """Write the best trial as an experiment, and pictures; say how to train it again and score the test tracks.

    Raises
    ------
    UserError
        No trial ended well.
    """
    write_table(study, directory)
    table = sweep_table(study)
    if "finished" not in set(table["state"]):
        reasons = [f"trial {t.number}: {' '.join(str(t.user_attrs.get('reason')).split())}" for t in study.trials]
        raise UserError(f"No trial of {directory} ended well:\n{bullet_list(reasons)}")
    best = study.best_trial
    overrides = OverridesParser.create().parse_overrides(list(typed))
    experiment = next((str(o.value()) for o in overrides if o.key_or_group == "experiment"), name)
    title = f"trial {best.number}: log loss {best.value:.3f}, accuracy {best.user_attrs['val_accuracy']:.3f}"
    content = best_experiment(best.params, overrides, experiment, title=f"The best of {directory.name}, {title}, val.")
    write_atomically(directory / "experiment" / "best.yaml", content.encode())
    _draw(study, table, directory / "figures", title=f"{name}, {len(table)} trials, validation")
    counts = table["state"].value_counts()
    terminal.say("trials", ", ".join(f"{counts[state]} {state}" for state in counts.index))
    terminal.say("best", f"{title}   {absolute(directory) / 'experiment' / 'best.yaml'}")
    terminal.say("sweep", directory / "sweep.csv")
    terminal.say("test it", shlex.join(retrain_command(overrides, name, directory)))


def best_experiment(params: Mapping[str, Any], typed: Sequence[Override], experiment: str, *, title: str) -> str:
    """Write an experiment file: that of the sweep, what was typed for features and pipeline, and what was found."""
    defaults: list[Any] = [experiment]
    values: dict[str, Any] = {}
    for override in typed:
        group, _, setting = str(override.key_or_group).partition(".")
        if group in _PART_OF_THE_EXPERIMENT and setting:
            values[override.key_or_group] = override.value()
        elif group in _PART_OF_THE_EXPERIMENT:
            defaults.append({f"override /{group}": override.value()})
    own = OmegaConf.create()
    for name, value in (values | dict(params)).items():
        OmegaConf.update(own, name, value)
    lines = OmegaConf.to_yaml(OmegaConf.create({"defaults": [*defaults, "_self_"]})) + "\n" + OmegaConf.to_yaml(own)
    return f"# @package _global_\n# {title}\n{lines}"


def retrain_command(typed: Sequence[Override], name: str, directory: Path) -> list[str]:
    """Words of the command that trains the best trial and scores the test tracks."""
    kept = [
        str(override.input_line)
        for override in typed
        if str(override.key_or_group).split(".")[0] not in (*_PART_OF_THE_EXPERIMENT, *_OF_THE_SWEEP)
    ]
    place = f"file://{directory.absolute()}"
    where = place if re.fullmatch(r"[\w:/.-]+", place) else quoted(place)  # what Hydra reads without quotes
    return ["train", "experiment=best", f"name={name}_best", f"hydra.searchpath=[{where}]", *kept]


def _draw(study: optuna.Study, table: pd.DataFrame, directory: Path, *, title: str) -> None:
    import optuna

    from genrefusion.reports.sweep_plots import plot_history, plot_setting_importance

    plot_history(table, directory / "history.png", title=title)
    finished = table[table["state"] == "finished"]
    if len(finished) < 2 or finished["val_log_loss"].nunique() < 2 or not study.best_trial.params:
        return  # there is nothing to explain
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    importance = optuna.importance.get_param_importances(study, evaluator=evaluator)
    plot_setting_importance(importance, directory / "importance.png", title=f"{title}, {len(finished)} finished")


def _short(name: str, value: Any) -> str:
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
