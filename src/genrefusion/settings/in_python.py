"""Settings that are given in Python: composed as typed ones are, with the same mistakes in words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from genrefusion.core.errors import UserError
from genrefusion.settings.composing import as_override, configs_directory, literal, quoted, register, to_settings
from genrefusion.settings.mistakes import in_words

_PLAIN = re.compile(r"[\w./~-]+")


@contextlib.contextmanager
def composing() -> Iterator[None]:
    """Let settings be composed within the block; an application of Hydra's that it runs in has its own again after it.

    Raises
    ------
    UserError
        A plug-in is broken.
    """
    register()
    own = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(configs_directory()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = own


def composed(command: str, words: Sequence[str]) -> Any:
    """Compose what a command with these words would work with, within a block of `composing`.

    Raises
    ------
    UserError
        A word is none of the settings, or its value is impossible.
    """
    try:
        return to_settings(compose(command, list(map(as_override, words))))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(in_words(error, command, words)) from error


def typed(settings: Mapping[str, Any] | None) -> list[str]:
    """Settings as they are typed.

    Examples
    --------
    >>> typed({"pipeline.width": 64, "pipeline.c": None, "rows": ["a", "b c"], "workers": 2})
    ['pipeline.width=64', 'pipeline.c=null', "rows=[a,'b c']", 'workers=2']

    Raises
    ------
    UserError
        It is no mapping of names to values.
    """
    if settings is None:
        return []
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise UserError('settings is a dictionary of settings by name, such as settings={"pipeline.width": 64}.')
    return [f"{name}={_value(value)}" for name, value in settings.items()]


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, os.PathLike):  # a name, of which nothing is to be resolved
        value = literal(Path(value))
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_value(name)}:{_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(_value, value)) + "]"
    return str(value)
