"""What all figures share: width, type, colours, and the files they are written to.

They are made without pyplot, which chooses how a whole process draws: a notebook or a program keeps its own choice.
"""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findSystemFonts, fontManager, get_font
from matplotlib.rcsetup import cycler
from matplotlib.text import Text as DrawnText
from rich.console import Console
from rich.text import Text

from genrefusion.core.files import atomic_path, write_atomically
from genrefusion.reports.palette import CYCLE, INK

WIDTH = 7.0
"""Inches of every figure on a page, which are as wide as its lines of text."""

LINE = 0.17
"""Inches from one line of type to the next."""

SHARES = LinearSegmentedColormap.from_list("shares", [(*(0, 0.447, 0.698), 0.0), (*(0, 0.447, 0.698), 0.75)])
"""From nothing to blue, on any ground; ink can be read on all of it."""

_STYLE = Path(__file__).with_name("style.mplstyle")
_COLORS = {"axes.prop_cycle": cycler("color", CYCLE)} | dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
)
_CELLS = 84  # letters of a line of a figure's title, of which some scripts take two
_BEFORE_NAME = 0.46  # inches of a column of a legend that its name does not take
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200)  # seconds

_FONTS = (
    "DejaVu Sans",
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans Thai", "Noto Sans Devanagari"),
    *("Droid Sans Fallback", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Arial Unicode MS", "Hiragino Sans"),
    *("PingFang SC", "Apple SD Gothic Neo", "Thonburi", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic"),
    *("Leelawadee UI", "Nirmala UI", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Ethiopic"),
    *("Noto Emoji", "Symbola", "Unifont"),
)

# A browser has letters for what matplotlib has no font for, and the page's own type.
_SVG_STYLE = (
    'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans","DejaVu Sans",sans-serif!important}'
)
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Picture(Figure):
    """A figure that a notebook shows, as it does those of pyplot."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        with missing_letters():
            self.savefig(content, format="png")
        return content.getvalue()


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of all figures, with letters of every script that some font has."""
    with matplotlib.style.context([_STYLE, _COLORS | {"font.family": installed_fonts()}]):
        yield


def subplots(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], **options: Any) -> tuple[Picture, Any]:
    """Figure and its axes as ``pyplot.subplots`` gives them, of which pyplot knows nothing."""
    figure = Picture(figsize=figsize)
    return figure, figure.subplots(rows, columns, **options)


def put_title(figure: Figure, title: str) -> None:
    """Put a title over a whole figure, in as many lines as it takes; beyond two of them the figure grows."""
    size = matplotlib.rcParams["axes.titlesize"]
    cells = round(_CELLS * figure.get_figwidth() / WIDTH)
    lines = in_lines(title, cells)
    figure.set_figheight(figure.get_figheight() + LINE * max(0, lines.count("\n") - 1))
    figure.suptitle(lines, x=0.01, ha="left", fontsize=size)


def put_legend(figure: Figure, handles: Sequence[Any], names: Sequence[str], *, title: str = "", most: int = 5) -> None:
    """Put a legend below a figure, in at most so many columns, as their names have room; the figure grows by it."""
    names = [in_lines(name, _CELLS - 8) for name in names]
    columns = int(figure.get_figwidth() / (text_width(names) + _BEFORE_NAME))
    columns = max(1, min(most, columns, len(names)))
    rows = -(-len(names) // columns) * most_lines(names) + bool(title)
    figure.set_figheight(figure.get_figheight() + 1.3 * LINE * rows)
    look: dict[str, Any] = {"ncols": columns, "handlelength": 1.5, "columnspacing": 1.2}
    figure.legend(handles, names, title=title or None, alignment="left", loc="outside lower left", **look)


def text_width(texts: Iterable[str]) -> float:
    """Inches that the widest of some texts takes in a figure."""
    page = Figure()
    with missing_letters():
        boxes = [DrawnText(text=text, figure=page).get_window_extent(dpi=72) for text in texts]
    return max((box.width / 72 for box in boxes), default=0.0)


def most_lines(texts: Iterable[str]) -> int:
    """Lines of the text that has the most."""
    return 1 + max((text.count("\n") for text in texts), default=0)


def in_lines(text: str, cells: int) -> str:
    """Break a text into lines of so many letters, of which some scripts take two."""
    lines = [line for part in text.split("\n") for line in Text(part).wrap(Console(), cells)]
    return "\n".join(line.plain.rstrip() for line in lines)


def mark_minutes(axis: Axes, seconds: float) -> None:
    """Mark an axis that begins at 0 s in minutes and seconds, as 1:30; eight marks at most up to so many seconds."""
    step = next((step for step in _TICKS if seconds <= 8 * step), _TICKS[-1])
    ticks = np.arange(0, seconds + 1, step)
    axis.set_xticks(ticks, [minutes(tick) for tick in ticks])


def minutes(seconds: float) -> str:
    """Time in a song as it is read, such as 1:30."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with atomic_path(path) as temporary, missing_letters():
        figure.savefig(temporary, format="png")


def save_for_page(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, and beside it as SVG on no ground, which a page shows by day and by night."""
    save_figure(figure, path)
    figure.set_layout_engine("none")  # everything has its place now
    content = io.StringIO()
    with missing_letters():
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = _NO_XML.sub("\ufffd", content.getvalue()).replace("</style>", f"{_SVG_STYLE}</style>", 1)
    write_atomically(path.with_suffix(".svg"), svg.encode())


@contextlib.contextmanager
def missing_letters() -> Iterator[None]:
    """Say nothing of letters that no font has: they become boxes, and `without_font` tells of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*([Gg]lyph .*missing|does not support .* natively)")
        yield


def installed_fonts() -> list[str]:
    """Families to draw letters of all scripts with, as far as there are any."""
    there = {font.name for font in fontManager.ttflist}
    return [name for name in _FONTS if name in there]


def without_font(texts: Iterable[str]) -> str:
    """Letters of some texts that no font at hand has; a font that was installed since matplotlib looked is found."""
    letters = {letter for text in texts for letter in text if unicodedata.category(letter)[0] not in "CZ"}
    missing = _lacking(letters)
    if missing:
        known = {font.fname for font in fontManager.ttflist}
        for path in sorted(set(findSystemFonts()) - known):
            with contextlib.suppress(OSError, RuntimeError):  # damaged, or not a font
                fontManager.addfont(path)
        missing = _lacking(missing)
    return "".join(sorted(missing))


def _lacking(letters: set[str]) -> set[str]:
    """Those that no font of `installed_fonts` has."""
    for name in installed_fonts():
        if not letters:
            break
        known = get_font(fontManager.findfont(name)).get_charmap()
        letters = {letter for letter in letters if ord(letter) not in known}
    return letters
