"""What a command takes, as text."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, cast

from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genrefusion.core.errors import unknown_name
from genrefusion.settings.composing import configs_directory, own_configs
from genrefusion.settings.fields import Rule

_WIDTH, _NAME, _VALUE = 100, 30, 12
"""Columns of a line, of a name and of a value, where they fit."""


def help_text(command: str, usage: str) -> str:
    """How a command is called, what can be chosen, and every setting with its default, what is possible, and its words.

    Parameters
    ----------
    command : str
        Name of the primary config.
    usage : str
        The first paragraphs.

    Raises
    ------
    UserError
        A choice that was typed is none.
    HydraException, OmegaConfBaseException
        The choices that were typed do not go together.
    """
    with _hydra(command) as groups:
        typed = _choices(groups, sys.argv[1:])
        for group, choice in typed.items():
            if choice not in (*groups[group], "null"):
                raise unknown_name(group, choice, groups[group])
        config = _compose(command, typed)
    HydraConfig.instance().set_config(config)  # ${hydra:…} in the settings
    choices = [
        _filled(f"  {group:<14}", ", ".join(names), indent=16)
        for group, names in groups.items()
        if group in _taken(config)
    ]
    usage = textwrap.dedent(f"    {usage}").replace("``", "").strip()
    settings = _setting_rows(config, config.hydra.runtime.choices)
    return "\n".join([usage, "", "Choices, as group=choice:", *choices, "", "Settings, as a.b=value:", *settings])


def known_settings(command: str, words: Sequence[str] | None = None) -> list[str]:
    """All settings of a command, dotted, and its groups: with the choices of `words`, by default the typed ones.

    Choices that cannot be composed are left to their defaults.
    """
    with _hydra(command) as groups:
        try:
            config = _compose(command, _choices(groups, sys.argv[1:] if words is None else words))
        except (HydraException, OmegaConfBaseException):
            config = _compose(command, {})
    return sorted({*_dotted(config), *_taken(config)})


def _taken(config: DictConfig) -> set[str]:
    """Groups that a command takes; ``launcher`` and ``experiment`` leave nothing in its settings that is called so."""
    choices = [name for name in config.hydra.runtime.choices if "/" not in name]
    return ({*choices} | {str(key) for key in config}) - {"hydra"}


@contextmanager
def _hydra(command: str) -> Iterator[dict[str, list[str]]]:
    """Hydra with the folders of YAML files that were typed beside the usual ones; gives the choices of each group."""
    path = create_config_search_path(str(configs_directory()))
    if folder := own_configs():
        path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema", path=None))
    state = GlobalHydra.instance()
    before = state.hydra
    state.clear()
    try:
        Hydra.create_main_hydra2("genrefusion", path)
        loader = cast(ConfigLoaderImpl, state.config_loader())
        _, files = loader._parse_overrides_and_create_caching_repo(command, _typed_search_path())
        groups = set(files.get_group_options("", ObjectType.GROUP)) - {"hydra"}
        yield {group: files.get_group_options(group, ObjectType.CONFIG) for group in sorted(groups)}
    finally:
        state.hydra = before


def _typed_search_path() -> list[str]:
    return [word for word in sys.argv[1:] if word.startswith("hydra.searchpath=")]


def _choices(groups: dict[str, list[str]], words: Sequence[str]) -> dict[str, str]:
    """Words that decide which settings there are."""
    found = [re.fullmatch(r"(\w+)=([\w./-]+)", word) for word in words]
    return {word[1]: word[2] for word in found if word and word[1] in groups}


def _compose(command: str, choices: dict[str, str]) -> DictConfig:
    words = [f"{group}={choice}" for group, choice in choices.items() if group != "launcher"]  # which may need an extra
    return compose(command, [*_typed_search_path(), *words], return_hydra_config=True)


def _dotted(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key!s}"
        value = config._get_node(key)
        if name == "hydra":
            continue
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            yield from _dotted(value, f"{name}.")
        else:
            yield name


def _setting_rows(config: DictConfig, choices: Any, prefix: str = "") -> Iterator[str]:
    """A row for each setting, those of a group below its name."""
    schema = OmegaConf.get_type(config)
    rules = {field.name: Rule.of(field) for field in fields(schema)} if is_dataclass(schema) else {}
    parts = {}
    for key in config:
        name, node = f"{prefix}{key!s}", config._get_node(key)
        rule = rules.get(str(key), Rule())
        if name == "hydra" or rule.noted:
            continue
        if isinstance(node, DictConfig) and is_dataclass(OmegaConf.get_type(node)) and not _is_absent(node):
            parts[name] = node
            continue
        head = f"  {name:<{_NAME - 3}} {_value(config, key):<{_VALUE - 1}} "
        yield _filled(head, rule.words, indent=_NAME + _VALUE)
    for name, node in parts.items():
        if not prefix:
            chosen = f"{name}={choices[name]}" if name in choices else name
            yield ""
            yield _filled("  ", f"{chosen}: {str(OmegaConf.get_type(node).__doc__).splitlines()[0]}", indent=2)
        yield from _setting_rows(node, choices, f"{name}.")


def _is_absent(node: DictConfig | ListConfig) -> bool:
    return bool(node._is_none() or node._is_missing() or node._is_interpolation())


def _value(config: DictConfig, key: Any) -> str:
    """Value of a setting as it would be typed; of one that stands for another group, that group."""
    node: Any = config._get_node(key)
    try:
        value = config[key]
    except OmegaConfBaseException:  # it stands for what is not there
        value = node._value()
    if isinstance(value, DictConfig) and node._is_interpolation():
        return str(node._value())
    if isinstance(value, ListConfig) and len(value) and isinstance(value[0], DictConfig):
        return f"{len(value)} of them"
    if isinstance(value, DictConfig | ListConfig):
        text = str(OmegaConf.to_container(value)).replace("'", "")
        return text if len(text) <= _NAME else f"{text[:_NAME]}…"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else json.dumps(value)


def _filled(head: str, words: str, *, indent: int) -> str:
    """A line of a head and words; words that do not fit go on below, indented."""
    first = head if len(head) <= indent else " " * indent
    wrapper = textwrap.TextWrapper(_WIDTH, break_on_hyphens=False, break_long_words=False)
    wrapper.initial_indent, wrapper.subsequent_indent = first, " " * indent
    lines = wrapper.wrap(words)
    return "\n".join([head.rstrip()] * (first != head or not lines) + lines)
