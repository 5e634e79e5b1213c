"""Train an experiment, or one of several runs."""

from __future__ import annotations

import shlex
import time
import traceback
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from genrefusion.core.errors import UserError
from genrefusion.core.folders import forgotten_unless_begun
from genrefusion.core.processes import LAUNCHER_GRACE, process_number
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.composing import to_settings
from genrefusion.settings.mistakes import require_launcher, why


def run(config: TrainConfig) -> None:
    """Make the run that the settings describe, or take part in it beside the main process."""
    if config.sweep is not None:
        raise UserError("sweep=… makes several runs: train -m experiment=… sweep=…")
    from genrefusion.runs.training import run_experiment, take_part

    if process_number():
        try:
            take_part(config)
        except RuntimeError:  # of a connection that broke off, as a rule, because the main process ended
            time.sleep(LAUNCHER_GRACE)
            raise
        return
    settings = HydraConfig.get()
    directory = Path(settings.runtime.output_dir)
    typed = list(settings.overrides.task)
    with forgotten_unless_begun(directory):
        require_launcher(settings)
        if config.pipeline.joins_runs:
            _join(config, directory, typed)
        else:
            run_experiment(config, directory, command=shlex.join(typed))


def run_one_of_several(config: DictConfig) -> None:
    """Make a trial of a sweep, or one of several runs.

    What goes wrong is put into words, for a list at the end, and the others go on.
    """
    if OmegaConf.select(config, "sweep.trial") is not None:
        from genrefusion.commands.sweep import run_trial

        return run_trial(config, Path(HydraConfig.get().runtime.output_dir))
    try:
        return run(to_settings(config))
    except Exception as error:  # whatever it is, it is this run's own
        if OmegaConf.select(config, "debug"):
            traceback.print_exc()
        raise UserError(why(error)) from error


def _join(config: Any, directory: Path, typed: list[str]) -> None:
    from genrefusion.core.terminal import Terminal
    from genrefusion.runs.ensembles import run_ensemble
    from genrefusion.runs.experiments import Experiments, shared_overrides

    experiments = Experiments(config.output, shared_overrides(typed), Terminal(quiet=True))
    members = [experiments.member(experiment, config.seed) for experiment in config.pipeline.members]
    run_ensemble(config, directory, members or [Path(run) for run in config.pipeline.runs], command=shlex.join(typed))
