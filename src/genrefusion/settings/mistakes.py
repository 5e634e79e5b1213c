"""Mistakes in settings, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from genrefusion.core.disks import disk_mistake
from genrefusion.core.errors import UserError, unknown_name
from genrefusion.settings.composing import configs_directory
from genrefusion.settings.fields import is_there
from genrefusion.settings.help import known_settings
from genrefusion.settings.registry import entries, find


def require_launcher(settings: Any) -> None:
    """Refuse ``parallel=`` where runs go one after the other."""
    typed = [word for word in settings.overrides.task if word.startswith("parallel=")]
    if typed and settings.runtime.choices["hydra/launcher"] == "basic":
        raise UserError(
            f"{typed[0]}: needs train -m and a launcher that runs several at once, such as launcher=joblib."
        )


def why(error: Exception) -> str:
    """What went wrong in a training, in words."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return in_words(error, "train")
    return str(disk_mistake(error, []) or f"{type(error).__name__}: {error}".rstrip(": "))


def require_no_interrupt(error: BaseException) -> None:
    """Raise the Ctrl-C that is behind an error: one that falls into a change of OmegaConf's flags ends in another."""
    if any(isinstance(each, KeyboardInterrupt) for each in _chain(error)):
        raise KeyboardInterrupt from error


def in_words(error: Exception, command: str, words: Sequence[str] | None = None) -> str:
    """Turn an error of Hydra or OmegaConf into one message that names the nearest setting.

    Parameters
    ----------
    error : Exception
        What composing the settings raised.
    command : str
        Name of the primary config.
    words : sequence of str, optional
        What was given in the place of the command line.
    """
    mistakes = [e for e in _chain(error) if isinstance(e, UserError)]
    if mistakes:  # raised in a resolver
        return str(mistakes[0])
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        launcher = error.missing_cfg_file.removeprefix("hydra/launcher/")
        if (configs_directory() / "launcher" / f"{launcher}.yaml").is_file():
            return f"launcher={launcher} needs an extra: pip install 'genrefusion[{launcher}]'"
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return str(unknown_name(group, choice, error.options or []))
    text = "\n".join(str(e) for e in _chain(error))
    if found := re.search(r"Could not override '([^']+)'", text):
        if (wrong := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)", text)) is None:
            known = known_settings(command, words)
            if found[1] in known:
                return f"No setting '{found[1]}' with these choices: another choice of {found[1].split('.')[0]} has it."
            return _other_choice(found[1]) or str(unknown_name("setting", found[1], known))
        return f"{found[1]}={wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if wrong := re.search(r"Value '(.*)' of type '\w+' could not be converted to (\w+)[\s\S]*?full_key: (\S+)", text):
        return f"{wrong[3]}={wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if unknown := re.search(r"Key '[^']+' (?:is )?not in '?(\w+)'?[\s\S]*?full_key: (\S+)", text):
        return _other_choice(unknown[2]) or str(
            unknown_name("setting", unknown[2], _settings_of(unknown[1]) or known_settings(command, words))
        )
    if wrong := re.search(r"Error merging override (\S+)=(\S+)\n.* is not a ListConfig", text):
        return f"{wrong[1]}={wrong[2]}: not a list. Write it in brackets: '{wrong[1]}=[{wrong[2]}]'."
    if wrong := re.search(r"Error merging override (.+)\nCannot convert '(?:list|dict)' to string", text):
        return f"{wrong[1]}: one value, not several. A name with brackets goes in quotes: {_in_quotes(wrong[1])}"
    if wrong := re.search(r"Error merging override (\S+)\nValue '.*' is not a valid (\w+)", text):
        return f"{wrong[1]}: not {_KINDS.get(wrong[2], wrong[2])}."
    if wrong := re.search(r"field '(\S+)' is not Optional", text):
        return f"{wrong[1]}=null: it needs a value."
    if several := re.search(r"Ambiguous value for argument '([^']+)'", text):
        name, _, value = several[1].partition("=")
        advice = " train -m makes a run of each." if command == "train" else ""
        return f"{several[1]}: several values.{advice} A value with a comma goes in quotes: {name}=\"'{value}'\""
    if isinstance(error, OverrideParseException):
        word = str(error.override)
        if is_there(word):
            return f"{word}: not of the form setting=value. {_meant(word, command)}"
        return f"{word}: not of the form setting=value (see --help). Quote values with spaces or brackets."
    return "\n".join([line for line in text.splitlines() if line.strip()][:3])


def _in_quotes(word: str) -> str:
    name, _, value = word.partition("=")
    return f"{name}=\"'{value}'\""


def _meant(path: str, command: str) -> str:
    """Say which setting takes a path that was typed alone."""
    if command in ("predict", "evaluate"):
        setting = "run" if command == "evaluate" or (Path(path) / "run.json").is_file() else "audio"
        return f"Did you mean {setting}={path}?"
    setting = "data.root" if Path(path).is_dir() else "data.manifest"
    folder = f" Or data=folder data.root={path} with a folder for each genre." if setting == "data.root" else ""
    return f"Did you mean data=manifest {setting}={path}?{folder}"


def _other_choice(name: str) -> str:
    """Say which choices of its group have a setting; empty where none has."""
    group, _, setting = name.partition(".")
    having = [f"{group}={e.name}" for e in entries(group) if setting in {field.name for field in fields(e.schema)}]
    return f"No setting '{name}' with this choice of {group}; these have it: {', '.join(having)}." if having else ""


def _settings_of(schema: str) -> list[str]:
    """Settings of a dataclass that can be chosen, as they are typed."""
    entry = find(schema)
    return [entry.schema.typed_name(field.name) for field in fields(entry.schema)] if entry else []


_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
