"""The choices of every group of settings, and the code behind them: written down where the settings are.

``data=manifest`` is an entry of the group ``data`` called ``manifest``: a dataclass of settings, and the place of what
works with them, imported when it is first used. Other packages add theirs in a module that they name in an entry point
of the group ``genrefusion.plugins``; YAML files in ``configs/`` beside that module are found as the built-in ones are.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from genrefusion.core.errors import UserError
from genrefusion.settings.fields import Settings

_BUILT_IN = ("data", "features", "pipelines", "sweep", "tables", "tracking", "trainer")
"""Modules of this room whose settings can be chosen."""

AnySettings = TypeVar("AnySettings", bound=Settings)


@dataclass(frozen=True)
class Entry:
    """A choice of a group.

    Attributes
    ----------
    group, name : str
        As in ``group=name``.
    schema : type
        Dataclass of its settings.
    target : str
        ``package.module:name`` of what works with them: the class of a pipeline, the function that loads a corpus.
        Empty where nothing is looked up by the settings.
    """

    group: str
    name: str
    schema: type[Any]
    target: str


_entries: dict[str, Entry] = {}  # by the name of the dataclass, which saved runs have
_folders: list[Path] = []
_broken: list[str] = []


def register(group: str, name: str, schema: type[Any], target: str = "") -> None:
    """Add a choice to a group: see `Entry`. Its settings are called after the group in all that is typed and said.

    Raises
    ------
    UserError
        It is no dataclass of settings, or its name is taken, in the group or as that of a dataclass.
    """
    if not (is_dataclass(schema) and issubclass(schema, Settings)):
        raise UserError(
            f"{schema.__name__}: not a dataclass that is derived from genrefusion.settings.fields.Settings."
        )
    entry = Entry(group, name, schema, target)
    for other in _entries.values():
        same = (other.schema.__module__, other.schema.__qualname__) == (schema.__module__, schema.__qualname__)
        if not same and (other.group, other.name) == (group, name):
            raise UserError(f"{group}={name} is registered already, by {other.schema.__module__}.")
        if not same and other.schema.__name__ == schema.__name__:
            raise UserError(f"A class {schema.__name__} is registered already, by {other.schema.__module__}.")
    schema.settings_group = group
    _entries[schema.__name__] = entry


def registered(group: str, name: str, target: str = "") -> Callable[[type[AnySettings]], type[AnySettings]]:
    """Register the dataclass that stands below: `register` as a decorator."""

    def decorate(schema: type[AnySettings]) -> type[AnySettings]:
        register(group, name, schema, target)
        return schema

    return decorate


def entries(group: str | None = None) -> list[Entry]:
    """All choices, or those of a group."""
    _load()
    return [entry for entry in _entries.values() if group in (None, entry.group)]


def find(schema: str) -> Entry | None:
    """Entry of a dataclass of settings by its name, as in a saved run; None if there is none.

    Raises
    ------
    UserError
        There is none, and a plug-in is broken that may have it.
    """
    _load()
    if schema not in _entries:
        require_plugins()
    return _entries.get(schema)


def behind(settings: Settings) -> Any:
    """Import what works with settings: the target of their entry."""
    module, _, name = _entries[type(settings).__name__].target.partition(":")
    return getattr(importlib.import_module(module), name)


def read_settings(values: dict[str, Any]) -> Any:
    """Turn the settings of a description back into their dataclass; ``${…}`` in them is text like any other.

    Raises
    ------
    UserError
        They do not fit the schema that they name, or it is none.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    given = {key: _as_text(value) for key, value in values.items()}
    entry = find(str(given.pop("schema", "")))
    if entry is None:
        raise UserError(f"The saved settings do not fit this version: no schema {values.get('schema')!r}.")
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(entry.schema), given))
    except (OmegaConfBaseException, ValueError) as error:
        raise UserError(f"The saved settings do not fit this version: {error}") from error


def _as_text(value: Any) -> Any:
    """Escape what OmegaConf would resolve: a run that someone sent must not read the environment."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", value)
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    return [_as_text(each) for each in value] if isinstance(value, list) else value


def require_plugins() -> None:
    """Refuse to go on without plug-ins that are installed.

    Raises
    ------
    UserError
        Names those that could not be imported, and why.
    """
    _load()
    if _broken:
        raise UserError("\n".join(_broken))


def config_folders() -> list[Path]:
    """Folders ``configs`` beside the modules of plug-ins that lie in a package."""
    _load()
    return [folder for folder in _folders if folder.is_dir()]


@functools.cache
def _load() -> None:
    """Import all that registers; what other packages have goes last, and does not keep the rest from being there."""
    for name in _BUILT_IN:
        importlib.import_module(f"genrefusion.settings.{name}")
    for point in sorted(importlib.metadata.entry_points(group="genrefusion.plugins"), key=lambda point: point.name):
        try:
            module = importlib.import_module(point.module)
        except Exception as error:
            package = point.dist.name if point.dist else point.module
            _broken.append(
                f"The plug-in '{point.name}' cannot be imported ({type(error).__name__}: {error}). "
                f"Mend it, or remove it: pip uninstall {package}"
            )
            continue
        if module.__package__ and module.__file__:
            _folders.append(Path(module.__file__).with_name("configs"))
