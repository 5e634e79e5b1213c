"""A setting is a field of a dataclass: its default, what is possible and what it means stand in one place."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

from genrefusion.core.errors import UserError, unknown_name
from genrefusion.core.paths import absolute

LARGEST_SEED = 2**32 - 1
"""That random generators take."""


def setting(
    default: Any = dataclasses.MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    choices: Iterable[str] = (),
    needed: str = "",
    path: bool = False,
    names: Iterable[str] = (),
    noted: bool = False,
    help: str = "",  # noqa: A002 (as argparse calls it)
) -> Any:
    """Make a field of a dataclass of settings.

    Parameters
    ----------
    default : Any
        Of a mutable one, give the `factory`.
    factory : callable, optional
        Makes the default.
    low, high : float, optional
        Least and greatest value, of a list that of each; without `high`, `help` is what a refusal says.
    choices : iterable of str
        The values there are; a mapping tells what each means.
    needed : str
        What the choice of the group means nothing without: None and the empty text are refused with it.
    path : bool
        It names a file or a folder, or several: ``~`` is the home folder, and a saved run keeps it as an absolute path.
    names : iterable of str
        Values of a path that are none, whatever is called so here.
    noted : bool
        A trained run notes it of what other settings name, to know it again; nobody types it, and no result depends
        on it.
    help : str
        What the setting means.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Forest(Settings):
    ...     trees: int = setting(500, low=1, high=10_000, help="the more, the smoother")
    >>> Forest(trees=0)
    Traceback (most recent call last):
    genrefusion.core.errors.UserError: trees=0 is out of range: from 1 to 10000.
    """
    possible = choices if isinstance(choices, Mapping) else tuple(choices)
    metadata = {"rule": Rule(low, high, possible, needed, path, tuple(names), noted, help)}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What `setting` keeps of a field beside its default."""

    low: float | None = None
    high: float | None = None
    choices: Mapping[str, str] | tuple[str, ...] = ()
    needed: str = ""
    path: bool = False
    names: tuple[str, ...] = ()
    noted: bool = False
    help: str = ""

    @classmethod
    def of(cls, field: dataclasses.Field[Any]) -> Rule:
        """Rule of a field; one that was made without `setting` may be anything."""
        rule: Rule = field.metadata.get("rule", cls())
        return rule

    def check(self, name: str, value: Any) -> None:
        """Refuse a value, or one of a list, that is not possible; the name is the one that is typed."""
        if self.choices and isinstance(value, list) and not 0 < len(set(value)) == len(value):
            raise UserError(
                f"{name}=[{','.join(map(str, value))}]: one or more of {', '.join(self.choices)}, each once."
            )
        for each in value if isinstance(value, list) else [value]:
            if self.choices:
                check_choice(name, each, self.choices)
            if self.low is not None and self.high is not None:
                check_range(name, each, self.low, self.high)
            elif self.low is not None and not each >= self.low:
                raise UserError(f"{name}={_number(each)}: {self.help}.")

    def on_paths(self, change: Callable[[str], str], value: Any) -> Any:
        """Change the paths of a value, or of a list of them."""
        if isinstance(value, list):
            return [self.on_paths(change, each) for each in value]
        return change(value) if self.path and isinstance(value, str) and value not in self.names else value

    @property
    def possible(self) -> str:
        """The values there are, in words."""
        if isinstance(self.choices, Mapping):
            return " | ".join(f"{name} ({meaning})" if meaning else name for name, meaning in self.choices.items())
        if self.choices:
            return " | ".join(self.choices)
        if self.low is None:
            return ""
        return f"from {_number(self.low)}" if self.high is None else f"{_number(self.low)} to {_number(self.high)}"

    @property
    def words(self) -> str:
        """The values there are, and what the setting means."""
        between = ": " if self.choices else "; "
        return between.join(filter(None, [self.possible, self.help or self.needed.rstrip(".")]))


class Settings:
    """Base of every dataclass of settings: its values are checked when it is made.

    Attributes
    ----------
    settings_group : str
        What stands before the names of its settings where they are typed. `genrefusion.settings.registry.register`
        sets it; what is shared by several, or a part of another, sets it itself.
    """

    settings_group: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Refuse impossible values, and find the home folder. Classes add the rules that hold between their fields."""
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # of each subclass, which is a dataclass
            name, value, rule = self.typed_name(field.name), getattr(self, field.name), Rule.of(field)
            if rule.path:
                setattr(self, field.name, rule.on_paths(os.path.expanduser, value))
            if rule.needed and not value:
                raise UserError(f"{self.settings_group}={getattr(self, 'name', '')} needs {name}: {rule.needed}")
            if value is not None:
                rule.check(name, value)
            elif not self._may_be_none(field.name):
                raise UserError(f"{name}=null: it needs a value.")

    @classmethod
    def typed_name(cls, name: str) -> str:
        """How a setting is written on the command line, with its group."""
        return f"{cls.settings_group}.{name}" if cls.settings_group else name

    @classmethod
    def _may_be_none(cls, name: str) -> bool:
        hint = get_type_hints(cls)[name]
        return hint is Any or type(None) in get_args(hint)


def as_saved(settings: Any) -> dict[str, Any]:
    """Values of settings, and of settings in them, as a run keeps them: paths to what is there are absolute."""
    return dataclasses.asdict(_with_paths(settings, _absolute))


def found_near(settings: Any, directory: Path) -> Any:
    """Settings that a run kept, with relative paths that lead nowhere from here taken from where they lead somewhere.

    Version 0.2.0 and before kept paths as they were typed, relative to the folder where the run was made. As a rule
    that is one of those above the run folder.

    Parameters
    ----------
    settings : Settings
    directory : Path
        The run folder, or one in it.
    """

    def find(path: str) -> str:
        places = (str(folder / path) for folder in directory.absolute().parents)
        return path if is_there(path) else next(filter(is_there, places), path)

    return _with_paths(settings, find)


def _with_paths(settings: Any, change: Callable[[str], str]) -> Any:
    """Settings, and settings in them, with other paths."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    for field in dataclasses.fields(settings):
        value = values[field.name]
        inner = dataclasses.is_dataclass(value)
        values[field.name] = _with_paths(value, change) if inner else Rule.of(field).on_paths(change, value)
    return dataclasses.replace(settings, **values)


def _absolute(path: str) -> str:
    if not is_there(path):
        return path
    return str(absolute(Path(path)))


def is_there(path: str) -> bool:
    """Whether there is a file or a folder, of any text."""
    return bool(path) and os.path.exists(path)  # noqa: PTH110 (Path raises where a text can be no path)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise unknown_name(name, value, choices)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a value that is not between two others."""
    if not low <= value <= high:
        raise UserError(f"{name}={_number(value)} is out of range: from {_number(low)} to {_number(high)}.")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
