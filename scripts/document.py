"""Write the parts of the READMEs that are taken from the code: ``python scripts/document.py``.

They stand between ``<!-- layout -->`` and ``<!-- end -->`` in ``src/README.md``. A test fails while they are not what
this writes.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

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


def documents() -> dict[Path, str]:
    """What the documents should say, by path."""
    rooms = REPOSITORY / "src" / "README.md"
    return {rooms: between(rooms.read_text(encoding="utf-8"), "layout", layout())}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
