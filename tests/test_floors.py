"""Imports go down the floors of the house, and in no circle; all of them, also those inside functions and for types."""

from __future__ import annotations

import ast
import graphlib
import importlib.util

from conftest import REPOSITORY

spec = importlib.util.spec_from_file_location("document", REPOSITORY / "scripts" / "document.py")
assert spec is not None
assert spec.loader is not None
document = importlib.util.module_from_spec(spec)
spec.loader.exec_module(document)

PLACES = {room: place for place, room in enumerate(document.FLOORS)}
MODULES = {
    ".".join(path.relative_to(document.PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in document.PACKAGE.rglob("*.py")
    if path.parent != document.PACKAGE or path.stem != "__init__"
}


def imported(module: str) -> set[str]:
    """Modules of the package that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "genrefusion":
            base = str(node.module).removeprefix("genrefusion").lstrip(".")
            names = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
            found |= {name if name in MODULES else base for name in names}
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("genrefusion.") for a in node.names if a.name.startswith("genrefusion")}
    return found


def test_every_module_is_in_a_room() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(PLACES)


def test_imports_go_down_only() -> None:
    wrong = [
        f"{module} imports {name or 'the package itself'}"
        for module in sorted(MODULES)
        for name in sorted(imported(module))
        if PLACES.get(name.split(".")[0], -1) < PLACES[module.split(".")[0]]
    ]
    assert wrong == []


def test_no_imports_in_a_circle() -> None:
    graphlib.TopologicalSorter({module: imported(module) - {module} for module in MODULES}).prepare()


def test_metrics_need_neither_pytorch_nor_scikit_learn() -> None:
    names = {
        name.split(".")[0]
        for module in MODULES
        if module.startswith("metrics")
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        for name in [getattr(node, "module", None) or "", *(a.name for a in getattr(node, "names", []) if a)]
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "numpy" in names
    assert not names & {"torch", "sklearn"}


def test_documents_say_what_the_code_says() -> None:
    for path, text in document.documents().items():
        assert path.read_text() == text, f"{path.name}: run python scripts/document.py"
