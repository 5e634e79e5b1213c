"""Hydra's way to `genrefusion.sweeping`: it loads sweepers from this namespace alone, at every start of a command."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class TrialSweeper(Sweeper):
    """Runs the trials of ``sweep=NAME``."""

    config: DictConfig
    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed."""
        self.config = config
        HydraConfig.instance().set_config(config)  # without it nothing can read ${hydra:…} before the first run
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search with what was typed."""
        from genrefusion.sweeping import run_sweep

        run_sweep(self.config, arguments, self.launcher)
