"""Hydra's way to the YAML files of plug-ins (`genrefusion.settings.registry`).

Hydra loads what adds to its search path from this namespace alone, and for every program that uses Hydra: those of
other programs stay as they are.
"""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from genrefusion.settings.composing import configs_directory
from genrefusion.settings.registry import config_folders


class PluginConfigs(SearchPathPlugin):
    """Adds the folders ``configs`` of plug-ins."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add them behind the built-in ones."""
        main = [str(element.path) for element in search_path.get_path() if element.provider == "main"]
        if main and main[0].removeprefix("file://") == str(configs_directory()):
            for folder in config_folders():
                search_path.append("genrefusion.plugins", f"file://{folder}")
