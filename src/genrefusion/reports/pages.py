"""Pages to read in a browser: one file each, which fetches nothing and runs nothing.

Templates are in ``templates/``: ``base.html.j2`` is the page around all of them, ``macros.html.j2`` has tables,
pictures and lists of facts. Everything that is put into one is escaped, and the pages forbid scripts besides.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Column:
    """Heading of a column; numbers stand to the right."""

    heading: str
    number: bool = True


@dataclass(frozen=True)
class Cell:
    """Text of a cell, a smaller note under it, and a share from 0 to 1 that is drawn as a bar."""

    text: str
    note: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Picture:
    """A picture within the page, what it shows, and what is read aloud in its place."""

    source: str
    caption: str
    alt: str


def render(template_name: str, **context: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    template_name : str
        A file in ``templates/``.
    **context
        What it names; a name that is missing is an error.

    Returns
    -------
    str
        HTML. All text of the context is escaped.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template_name).render(context)


def data_uri(path: Path) -> str:
    """Put a PNG file into an address, so that a page needs no file beside it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
