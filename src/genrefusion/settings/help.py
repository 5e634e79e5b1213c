"""What a command takes, as text."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrefusion.settings.composing import configs_directory

_CHOICE = re.compile(r"(experiment|data|split|features|text_encoder|pipeline|trainer|table|genres|sweep)=\w+$")
"""Typed words that decide which settings there are."""


def help_text(command: str, usage: str) -> str:
    """How a command is called, what can be chosen, and every setting with its default."""
    groups = {
        folder.name: ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        for folder in sorted(configs_directory().iterdir())
        if folder.is_dir()
    }
    config = _compose(command)
    rows = [
        f"  {name:<8} {choices}"
        for name, choices in groups.items()
        if name in config or (name in ("experiment", "launcher") and command == "train")
    ]
    settings = OmegaConf.to_yaml(config).rstrip().replace("\n", "\n  ")
    usage = usage.replace("``", "").strip()
    return "\n".join([usage, "", "Choices, as group=choice:", *rows, "", "Settings, as a.b=value:", f"  {settings}"])


def _compose(command: str) -> DictConfig:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        try:
            return compose(command, [word for word in sys.argv[1:] if _CHOICE.match(word)])
        except (HydraException, OmegaConfBaseException):
            return compose(command)


def known_settings(command: str) -> list[str]:
    """All settings of a command with the typed choices, or else the default ones, dotted, and its groups."""
    config = _compose(command)
    groups = [path.name for path in configs_directory().iterdir() if path.is_dir()]
    return sorted({*_dotted(config), *groups})


def _dotted(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key!s}"
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            yield from _dotted(value, f"{name}.")
        else:
            yield name
