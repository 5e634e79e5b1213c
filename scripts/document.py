"""Write what the READMEs take from the code: ``python scripts/document.py``.

It stands between ``<!-- layout -->`` and ``<!-- end -->`` in ``src/README.md``, and is the whole of
``configs/README.md``. A test fails while they are not what this writes.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

from omegaconf import MISSING

from genrefusion.settings.composing import COMMANDS
from genrefusion.settings.fields import Rule
from genrefusion.settings.registry import entries

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "src" / "genrefusion"

FLOORS = (
    *("cli", "api", "commands", "runs", "reports", "pipelines", "training", "features", "models", "metrics"),
    *("data", "demo", "settings", "core"),
)
"""Rooms of the package from the top to the ground: a module imports its own room and those further down."""


def layout() -> str:
    """List the rooms with the first sentence of what each says of itself."""
    lines = []
    for room in FLOORS:
        folder = PACKAGE / room
        module = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        name = f"{room}/" if folder.is_dir() else module.name
        lines.append(f"{name:<12} {first_sentence(module)}")
    return "\n".join(["```text", *lines, "```"])


def first_sentence(module: Path) -> str:
    """First sentence of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return re.split(r"\.(?:\s|$)", " ".join(text.split("\n\n")[0].split()))[0]


def between(text: str, mark: str, new: str) -> str:
    """Put new text between ``<!-- mark -->`` and ``<!-- end -->``."""
    pattern = rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)"
    return re.sub(pattern, lambda found: found[1] + new + found[2], text, flags=re.DOTALL)


_ABOUT_SETTINGS = """\
Written by `python scripts/document.py`. A choice of a group is typed as `data=folder`, a setting as `data.root=songs`;
`--help` shows what they come to with the choices that are typed. Choices are the YAML files here, and those of a folder
of your own with the same groups in it: `train --config-dir my_configs experiment=mine`."""


def settings_reference() -> str:
    """Every setting with its type, default, what is possible and what it means: of the commands, then by group."""
    parts = ["# Every setting", _ABOUT_SETTINGS, "## Commands"]
    for command in COMMANDS:
        name = command.__name__.removesuffix("Config").lower()
        parts += [f"### {name}", *(settings_table(schema) for schema in with_parts(command))]
    for group in sorted({entry.group for entry in entries()}):
        choices = sorted(path.stem for path in (REPOSITORY / "configs" / group).glob("*.yaml"))
        parts += [f"## {group}", f"`{group}=` {', '.join(choices)}"]
        built_in = [e.schema for e in entries(group) if e.schema.__module__.startswith("genrefusion.")]  # no plug-in's
        for schema in dict.fromkeys(schema for each in built_in for schema in with_parts(each)):
            parts += [f"### {schema.__name__}", str(schema.__doc__), settings_table(schema)]
    return "\n\n".join(part for part in parts if part) + "\n"


def with_parts(schema: type[Any]) -> list[type[Any]]:
    """What a dataclass of settings shares with others, itself, and the dataclasses that its settings are."""
    families = [cls for cls in reversed(schema.__mro__) if dataclasses.is_dataclass(cls)]
    shared = [cls for cls in families if cls is schema or len(dataclasses.fields(cls)) > 1]  # more than a name
    hints = [part for hint in get_type_hints(schema).values() for part in (hint, *get_args(hint))]
    return [*shared, *(part for part in hints if isinstance(part, type) and dataclasses.is_dataclass(part))]


def settings_table(schema: type[Any]) -> str:
    """The settings that a dataclass adds to those that it shares with others, a row each."""
    groups = {entry.group for entry in entries()}
    rows = []
    for field in dataclasses.fields(schema):
        rule = Rule.of(field)
        shown = field.name in schema.__annotations__ and not rule.noted
        if shown and not dataclasses.is_dataclass(field.default_factory):
            words = (rule.help or rule.needed).replace("\n", " ").rstrip(".")
            kind = "group" if field.name in groups else str(field.type).removesuffix(" | None")
            rows.append([f"`{schema.typed_name(field.name)}`", kind, default_of(field), rule.possible, words])
    if not rows:
        return ""
    head = [["setting", "type", "default", "possible", "what it means"], ["---"] * 5]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*head, *([_cell(c) for c in row] for row in rows)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def default_of(field: dataclasses.Field[Any]) -> str:
    """Default of a setting as it would be typed; nothing where it has none."""
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value == MISSING:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def documents() -> dict[Path, str]:
    """What the documents should say, by path."""
    rooms = REPOSITORY / "src" / "README.md"
    return {
        rooms: between(rooms.read_text(encoding="utf-8"), "layout", layout()),
        REPOSITORY / "configs" / "README.md": settings_reference(),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
