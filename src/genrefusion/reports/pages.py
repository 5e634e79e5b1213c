"""Pages to read in a browser: one file each, which fetches nothing, and runs nothing but what sorts a table.

Templates are in ``templates/``: ``base.html.j2`` is the page around all of them, ``macros.html.j2`` has tables,
pictures and lists of facts. Everything that is put into one is escaped, and the pages forbid other scripts besides.
"""

from __future__ import annotations

import base64
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from genrefusion.reports.palette import by_night

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Column:
    """Heading of a column; numbers stand to the right, and `long` texts are small and break anywhere.

    `sort`, if the rows are sorted by it: see ``aria-sort``.
    """

    heading: str
    number: bool = True
    sort: str = ""
    long: bool = False


@dataclass(frozen=True)
class Cell:
    """Text of a cell, a smaller note under it, and a share from 0 to 1 that is drawn as a bar.

    Perhaps the address that the text leads to, and what the cell is sorted by where that is not the text.
    """

    text: str
    note: str = ""
    share: float | None = None
    link: str = ""
    key: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture within the page, what it shows, and what is read aloud in its place.

    A drawing has a second `source` for dark pages and a size in pixels; one that is drawn on white has neither.
    """

    source: str
    caption: str
    alt: str
    dark: str = ""
    width: int = 0
    height: int = 0


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
    return _environment(TEMPLATES).get_template(template_name).render(context)


@functools.cache  # it keeps the templates compiled, which takes longer than to fill them in
def _environment(templates: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read_picture(path: Path, caption: str, alt: str) -> Picture:
    """Take a PNG file into a page, or the drawing (SVG) beside it, which is sharp and suits dark pages."""
    drawing = path.with_suffix(".svg")
    if not drawing.is_file():
        return Picture(data_uri(path.read_bytes(), "png"), caption, alt)
    svg = drawing.read_text(encoding="utf-8")
    sizes = re.search(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    width, height = (round(float(size) * 96 / 72) for size in sizes.groups()) if sizes else (0, 0)
    light, dark = (data_uri(text.encode(), "svg+xml") for text in (svg, by_night(svg)))
    return Picture(light, caption, alt, dark, width, height)


def data_uri(content: bytes, kind: str) -> str:
    """Put an image into an address, so that a page needs no file beside it; `kind` is ``png`` or ``svg+xml``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
