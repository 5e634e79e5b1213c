"""Train an experiment, or one of several runs."""

from __future__ import annotations

import json
import shlex
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from genrefusion.core.disks import disks_in_words
from genrefusion.core.errors import UserError
from genrefusion.core.folders import forgotten_unless_begun, places_of, unfinished_beside
from genrefusion.core.processes import LAUNCHER_GRACE, end_with_parent, process_number
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.composing import to_settings
from genrefusion.settings.fields import as_saved
from genrefusion.settings.mistakes import require_launcher, why


def run(config: TrainConfig) -> None:
    """Make the run that the settings describe, or take part in it beside the main process."""
    _require_one_run(config)
    if process_number():
        from genrefusion.runs.training import take_part

        try:
            take_part(config)
        except RuntimeError:  # of a connection that broke off, as a rule, because the main process ended
            time.sleep(LAUNCHER_GRACE)
            raise
        return
    settings = HydraConfig.get()
    directory = Path(settings.runtime.output_dir)
    with forgotten_unless_begun(directory):
        require_launcher(settings)
    named = any(word.startswith("hydra.run.dir=") for word in settings.overrides.hydra)
    make_run(config, directory, list(settings.overrides.task), named=named)


def make_run(
    config: TrainConfig, directory: Path, typed: Sequence[str], *, named: bool = False, quiet: bool = False
) -> Path:
    """Train an experiment, or join finished runs, as the settings say.

    Parameters
    ----------
    config : TrainConfig
        Checked settings.
    directory : Path
        Folder for the run. With ``config.resume`` another one beside it goes on that was broken off with the same
        settings, unless this one was `named`.
    typed : sequence of str
        What stands behind ``train`` for the same run.
    quiet : bool
        Nothing on the terminal.

    Returns
    -------
    Path
        The folder of the run.
    """
    _require_one_run(config)
    if config.resume and not named:
        directory = _with_same_settings(config, unfinished_beside(directory)) or directory
    with forgotten_unless_begun(directory):
        if config.pipeline.joins_runs:
            _join(config, directory, typed, quiet=quiet)
        else:
            from genrefusion.runs.training import run_experiment

            run_experiment(config, directory, command=shlex.join(typed), quiet=quiet)
    return directory


def _require_one_run(config: TrainConfig) -> None:
    if config.sweep is not None:
        raise UserError("sweep=… makes several runs: train -m experiment=… sweep=…")


def _with_same_settings(config: TrainConfig, begun: Sequence[Path]) -> Path | None:
    """The first of the runs that was begun with the same settings: the last one may be of another corpus.

    Where a run is made, and on what, may differ. Whether corpus and split are the same is found out when it goes on.
    """
    wanted = _lasting(json.loads(json.dumps(as_saved(config), default=str)))
    for folder in begun:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if _lasting(record.get("config", {})) == wanted:
            return folder
    return None


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    passing = ("resume", "workers", "cache", "output", "debug", "parallel", "trainer", "tracking")
    return {name: value for name, value in settings.items() if name not in passing}


def run_one_of_several(config: DictConfig) -> None:
    """Make a trial of a sweep, or one of several runs.

    What goes wrong is put into words, for a list at the end, and the others go on.
    """
    end_with_parent()
    if OmegaConf.select(config, "sweep.trial") is not None:
        from genrefusion.commands.sweep import run_trial

        return run_trial(config, Path(HydraConfig.get().runtime.output_dir))
    try:
        settings = to_settings(config)
        with disks_in_words(places_of(vars(settings))):
            return run(settings)
    except Exception as error:  # whatever it is, it is this run's own
        if OmegaConf.select(config, "debug"):
            traceback.print_exc()
        raise UserError(why(error)) from error


def _join(config: Any, directory: Path, typed: Sequence[str], *, quiet: bool) -> None:
    from genrefusion.core.terminal import Terminal
    from genrefusion.runs.ensembles import run_ensemble
    from genrefusion.runs.experiments import Experiments, shared_overrides

    experiments = Experiments(config.output, shared_overrides(typed), Terminal(quiet=True))
    members = [experiments.member(experiment, config.seed) for experiment in config.pipeline.members]
    runs = members or [Path(run) for run in config.pipeline.runs]
    run_ensemble(config, directory, runs, command=shlex.join(typed), quiet=quiet)
