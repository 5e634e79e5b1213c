"""Composing settings with Hydra: schemas, resolvers, the folder of the YAML files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from genrefusion.core.errors import UserError, unknown_name
from genrefusion.core.folders import named_run, named_sweep, run_folder, sweep_folder
from genrefusion.core.machine import usable_cores
from genrefusion.settings.commands import CorpusConfig, EvaluateConfig, PredictConfig, ReproduceConfig, TrainConfig
from genrefusion.settings.registry import Entry, entries, require_plugins


def to_settings(config: DictConfig) -> Any:
    """Turn the composed settings of a command into their dataclass, which refuses impossible values.

    Raises
    ------
    UserError
        A value is impossible, or a setting is none: what is typed after ``+`` is composed without a question.
    """
    own = config.copy()
    with open_dict(own):
        own.pop("hydra", None)
    known, unknown = _sorted_names(own)
    for name in unknown:
        raise unknown_name("setting", name, known)
    return OmegaConf.to_object(own)


def _sorted_names(config: DictConfig, prefix: str = "", *, free: bool = False) -> tuple[list[str], list[str]]:
    """Dotted names of the settings that dataclasses have, and of those that none has.

    A mapping within a dataclass's own setting is `free` to have any keys, as a search space has; one in the place of a
    group's dataclass is not: no choice was made that would know them.
    """
    schema = OmegaConf.get_type(config)
    fields = {f.name: f.type for f in dataclasses.fields(schema)} if dataclasses.is_dataclass(schema) else None
    known: list[str] = []
    unknown: list[str] = []
    for key in config:
        name, node = f"{prefix}{key!s}", config._get_node(key)
        belongs = free if fields is None else key in fields
        is_group = fields is not None and not prefix and fields.get(str(key)) == "Any"
        if isinstance(node, DictConfig) and _has_content(node):
            below = _sorted_names(node, f"{name}.", free=belongs and not is_group)
            known, unknown = known + below[0], unknown + below[1]
            continue
        (known if belongs else unknown).append(name)
        if isinstance(node, ListConfig) and _has_content(node):
            items = [node._get_node(number) for number in range(len(node))]
            for number, item in enumerate(items):
                if isinstance(item, DictConfig):
                    unknown += _sorted_names(item, f"{name}.{number}.", free=belongs)[1]
    return known, unknown


def _has_content(node: DictConfig | ListConfig) -> bool:
    return not (node._is_none() or node._is_missing() or node._is_interpolation()) and len(node) > 0


def quoted(text: str) -> str:
    r"""Text in quotes, as Hydra's grammar reads it again; interpolations in it stay what they are.

    Examples
    --------
    >>> print(quoted("it's"))
    'it\'s'
    """
    # Only a quote is escaped there, and the backslashes right before it.
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + (r"\'" if found[2] else ""), text) + "'"


def as_override(word: str, *, several: bool = False) -> str:
    """A word of a command line as Hydra's grammar reads it: a value that is none there, such as ``音乐``, in quotes.

    A name with a comma would be several values: where there is such a file and not `several` are possible, it is one.
    ``~/`` is the home folder, as behind a blank; settings that name files know that by themselves, those of Hydra do
    not.
    """
    parser = OverridesParser.create()
    name, equals, value = word.partition("=")
    if not equals or name.startswith("-") or value[:1] in ("'", '"'):
        return word
    if value.startswith("~/"):
        value = str(Path(value).expanduser())
    word, in_quotes = f"{name}={value}", f"{name}={quoted(value)}"
    try:
        is_one = not parser.parse_override(word).is_sweep_override()
        if is_one or several or not Path(value).exists():
            return word
        parser.parse_override(in_quotes)
    except OSError:  # longer than a name can be
        return word
    except HydraException:
        if value[:1] in ("[", "{"):  # a mistake in a list is told as one
            return word
        with contextlib.suppress(HydraException):
            parser.parse_override(in_quotes)
            return in_quotes
        return word
    return in_quotes


def given_twice(words: Iterable[str]) -> dict[str, list[str]]:
    """Settings that are typed more than once and not alike, each with its words, of which Hydra keeps the last."""
    typed: dict[str, list[str]] = {}
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and not name.startswith("-"):
            typed.setdefault(name.lstrip("+~"), []).append(word)
    return {setting: each for setting, each in typed.items() if len(set(each)) > 1}


def require_once(words: Iterable[str]) -> None:
    """Refuse settings that are given twice where no common list is continued: none of them is to be lost.

    Raises
    ------
    UserError
        Names both.
    """
    for setting, (first, *_, last) in given_twice(words).items():
        raise UserError(
            f"{setting} is given twice, as {first} and as {last}: leave out one of them.\n"
            f'Where several are taken, they go into brackets: "{setting}=[A,B]".'
        )


def literal(path: Path) -> str:
    """Path in which nothing is an interpolation."""
    return str(path).replace("${", r"\${")


def configs_directory() -> Path:
    """Folder of the YAML files: inside an installed wheel, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parents[1]
    in_wheel = package / "configs"
    return in_wheel if in_wheel.is_dir() else package.parents[1] / "configs"


def own_configs() -> Path | None:
    """The user's folder of YAML files, as typed: ``--config-dir DIR``.

    Raises
    ------
    UserError
        There is no such folder.
    """
    words = [part for word in sys.argv[1:] for part in word.split("=", 1)]
    for option in {"--config-dir", "-cd"} & set(words):
        typed = " ".join(words[words.index(option) + 1 :][:1])
        if not typed or not Path(typed).is_dir():
            raise UserError(
                f"{option} {typed}".rstrip() + ": no such folder. It holds experiment/, data/ … of your own."
            )
        return Path(typed).absolute()
    return None


Folder = Callable[[str, str, str, bool], str]
"""Names or takes a folder by that of all runs, the name of the run, that of the corpus, and whether it is resumed."""

COMMANDS = (TrainConfig, EvaluateConfig, PredictConfig, ReproduceConfig, CorpusConfig)


def register() -> None:
    """Tell Hydra about the schemas and the resolvers that the YAML files use.

    Raises
    ------
    UserError
        A plug-in is broken; all else is registered.
    """
    _store_commands()
    for entry in entries():
        _store_choice(entry)
    OmegaConf.register_new_resolver("if_weights", _if_weights, replace=True)
    OmegaConf.register_new_resolver("threads_each", _threads_each, replace=True)
    _resolve_folders(named_run, named_sweep)
    require_plugins()


@functools.cache  # Hydra keeps what it is told once
def _store_commands() -> None:
    for command in COMMANDS:
        name = f"{command.__name__.removesuffix('Config').lower()}_schema"
        ConfigStore.instance().store(name=name, node=command)


@functools.cache
def _store_choice(entry: Entry) -> None:
    ConfigStore.instance().store(group=f"{entry.group}/schema", name=entry.name, node=entry.schema)


def take_folders() -> None:
    """Let the composing of a run's settings take its folder from now on, and not only name it."""
    _resolve_folders(run_folder, sweep_folder)


def _resolve_folders(of_run: Folder, of_sweep: Folder) -> None:
    """Let ``${run_folder:${output},${name},${data},${resume}}`` be found by a function, and that of several runs."""
    for name, find in (("run_folder", of_run), ("sweep_folder", of_sweep)):

        def resolve(output: str, run: str, data: DictConfig, resume: bool, find: Folder = find) -> str:
            return find(output, run, corpus_name(data), resume)

        OmegaConf.register_new_resolver(name, resolve, replace=True, use_cache=True)


def corpus_name(data: DictConfig) -> str:
    """What the folder of the runs on a corpus is called, by its composed settings."""
    settings: Any = OmegaConf.to_object(data)
    return str(settings.corpus_name)


def _if_weights(weights: str, with_weights: Any, without: Any) -> Any:
    """Choose between two values of a setting: one for published weights, one for training from scratch."""
    return without if weights == "none" else with_weights


def _threads_each(runs: int) -> int:
    """Threads of each of several runs on this machine: more than there are cores would wait for each other."""
    return max(1, usable_cores() // runs)
