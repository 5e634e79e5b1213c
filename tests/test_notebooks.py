"""Notebooks are committed executed, by ``python scripts/notebooks.py``."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

import nbformat
import pytest

import genrefusion
from conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def cells(name: str) -> list[Any]:
    notebook = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell["cell_type"] == "code"]


def outputs(name: str) -> list[Any]:
    return [output for cell in cells(name) for output in cell["outputs"]]


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_notebook_is_committed_as_it_was_executed_and_says_nothing_of_the_machine(name: str) -> None:
    assert [cell["execution_count"] for cell in cells(name)] == list(range(1, len(cells(name)) + 1))
    assert not [output for output in outputs(name) if output["output_type"] == "error"]
    text = (REPOSITORY / "notebooks" / f"{name}.ipynb").read_text()
    assert not re.search(r"/(tmp|work|root|home|var|usr)/", text)
    assert len(text) < 300_000


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_notebook_shows_small_pictures(name: str) -> None:
    pictures = [
        base64.b64decode(out["data"]["image/png"]) for out in outputs(name) if "image/png" in out.get("data", {})
    ]
    assert pictures
    for picture in pictures:
        width, height = struct.unpack(">II", picture[16:24])  # where a PNG says so
        assert 200 < width <= 800
        assert 100 < height < 1500


def test_the_python_page_shows_everything_that_the_package_gives() -> None:
    code = "\n".join(cell["source"] for cell in cells("python"))
    functions = [name for name in genrefusion.__all__ if callable(getattr(genrefusion, name)) and name.islower()]
    assert len(functions) == 8
    assert not [name for name in functions if f"gf.{name}(" not in code]
