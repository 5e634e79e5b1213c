"""Hydra's way to `genrefusion.commands.sweep` and `genrefusion.commands.multirun`.

Hydra loads sweepers from this namespace alone, at every start of a command.
"""

from __future__ import annotations

import sys

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from genrefusion.core.disks import disks_in_words
from genrefusion.core.folders import places_of, typed_places


class RunsSweeper(BasicSweeper):
    """Makes several runs: the trials of ``sweep=NAME``, or without one every combination of what was typed."""

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size, params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed."""
        HydraConfig.instance().set_config(config)  # without it nothing can read ${hydra:…} before the first run
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> None:
        """Make the runs of what was typed; the process ends with 1 where some failed."""
        assert self.config is not None
        chosen = {"output": self.config.output, "cache": self.config.cache}
        with disks_in_words([*places_of(chosen), *typed_places()]):
            self._sweep(arguments)

    def _sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        if self.config.sweep is not None:
            from genrefusion.commands.sweep import run_sweep

            run_sweep(self.config, arguments, self.launcher)
            return
        from genrefusion.commands.multirun import run_combinations

        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        (jobs,) = self.split_arguments(overrides, None)
        varied = {override.get_key_element() for override in overrides if override.is_sweep_override()}
        if not run_combinations(self.config, jobs, varied, self.launcher, loader, at_once=self.max_batch_size):
            sys.exit(1)
