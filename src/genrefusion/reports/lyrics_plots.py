"""Lyrics as they are written, with what each word gets of the attention as a colour behind it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2DBase, ScaledTranslation

from genrefusion.reports.drawing import installed_fonts, missing_letters
from genrefusion.reports.palette import QUIET

Array = npt.NDArray[Any]
Row = list[tuple[int, float]]
"""Number of each word of a row, and how far from the row's beginning it stands."""

FARTHEST = 4.0
"""Times its even share that a word has to get for the strongest colour; one over that for the other end."""

_COLORS = LinearSegmentedColormap.from_list("times", ["#cbdeec", "white", "#e58a2e"])
SCALE = _COLORS.with_extremes(bad="0.85")
"""From a quarter of the even share over the even share to four times as much; the style of the pages has the same."""

SCALE_TICKS = {-1.0: "¼", -0.5: "½", 0.0: "even", 0.5: "2", 1.0: "4"}
"""What some values of `strength` mean."""

COLUMNS = 2
MOST_ROWS = 60 * COLUMNS
"""Rows of lyrics that a picture has; of longer ones those that get most."""

_FEW = 12  # rows of which one column is enough
_FONT_SIZE = 8
_ROW = 0.165  # inches, as all lengths below
_MARGIN = 0.18  # before each column, for the mark of what is left out
_SPACE = 0.05
_LONGEST = 30  # characters of a word that are shown


def strength(times: npt.ArrayLike) -> Array:
    """How strong the colour is for a word that gets so many times its even share: 0 is even.

    ``log(times) / log(4)``, cut at -1 and 1.
    """
    tiny = np.finfo(np.float64).tiny
    cut: Array = np.clip(np.log(np.maximum(times, tiny)) / np.log(FARTHEST), -1.0, 1.0)
    return cut


def wrap(before: Sequence[str], widths: Sequence[float], *, room: float, space: float) -> list[Row]:
    """Break lyrics into rows, at their own lines and where a row is full.

    Parameters
    ----------
    before : sequence of str
        What stands before each word: nothing, spaces, ends of lines.
    widths : sequence of float
        Of each word.
    room : float
        Width of a row; a word that is wider has a row of its own.
    space : float
        Between two words with anything between them.

    Returns
    -------
    list of Row
        A row without words parts two stanzas, however many empty lines there are.
    """
    rows: list[Row] = [[]]
    end = 0.0
    for number, (gap, width) in enumerate(zip(before, widths, strict=True)):
        lines = len(f"{gap}.".splitlines()) - 1 if number else 0
        rows += [[] for _ in range(min(lines, 2))]
        end = 0.0 if lines or not number else end + space * bool(gap)
        if rows[-1] and end + width > room:
            rows.append([])
            end = 0.0
        rows[-1].append((number, end))
        end += width
    return rows


def most_attended(rows: list[Row], shares: Array, even: Array, most: int) -> list[int]:
    """Numbers of the rows to show, in order: all, or of too many those that get most against their even share."""
    if len(rows) <= most:
        return list(range(len(rows)))
    words = {number: [word for word, _ in row] for number, row in enumerate(rows) if row}
    times = {number: shares[inside].sum() / even[inside].sum() for number, inside in words.items()}
    return sorted(sorted(times, key=lambda number: -times[number])[:most])


class LyricsPicture:
    """Lyrics that are laid out in columns for a picture of some width.

    Parameters
    ----------
    words, before : sequence of str
        The words, and what stands before each.
    shares, even : Array, shape (words,)
        What each word gets, and its even share.
    width : float
        In inches.

    Attributes
    ----------
    height : float
        In inches.
    shown, rows : int
        Rows that are drawn, and all.
    """

    def __init__(
        self, words: Sequence[str], before: Sequence[str], shares: Array, even: Array, *, width: float
    ) -> None:
        self._font = FontProperties(family=installed_fonts(), size=_FONT_SIZE)
        self._words = [word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…" for word in words]
        self._widths = _text_widths(self._words, self._font)
        self._colors = SCALE((strength(shares / even) + 1) / 2)
        self._column = width / COLUMNS
        self._room = self._column - _MARGIN
        self._rows = wrap(before, self._widths, room=self._room, space=_SPACE)
        self._shown = most_attended(self._rows, shares, even, MOST_ROWS)
        self.shown, self.rows = len(self._shown), len(self._rows)
        columns = COLUMNS if self.shown > _FEW else 1
        self._of_column = -(-self.shown // columns)
        self.height = self._of_column * _ROW

    def draw(self, axes: Axes) -> None:
        """Draw them from the upper left corner of an axes on, which is as large at least."""
        figure = axes.get_figure(root=True)
        assert figure is not None
        inches = figure.dpi_scale_trans + ScaledTranslation(0, 1, cast(Affine2DBase, axes.transAxes))
        last = -1
        for place, number in enumerate(self._shown):
            column, line = divmod(place, self._of_column)
            left, base = column * self._column + _MARGIN, -(line + 0.75) * _ROW
            if any(self._rows[last + 1 : number]):
                axes.text(left - 0.04, base, "…", transform=inches, ha="right", size=_FONT_SIZE, color=QUIET)
            for word, x in self._placed(self._rows[number]):
                corner, width, height = (left + x, base - 0.25 * _ROW), self._widths[word], 0.94 * _ROW
                behind = Rectangle(corner, width, height, color=tuple(self._colors[word]), lw=0, clip_on=False)
                behind.set_transform(inches)
                axes.add_patch(behind)
                axes.text(left + x, base, self._words[word], transform=inches, fontproperties=self._font)
            last = number
        for artist in (*axes.texts, *axes.patches):
            artist.set_in_layout(False)
        axes.set_axis_off()

    def _placed(self, row: Row) -> Row:
        """Words of a row with their places from the left; a row that begins in letters from the right is turned."""
        if not _runs_left("".join(self._words[word] for word, _ in row)):
            return row
        return [(word, self._room - x - self._widths[word]) for word, x in row]


def _runs_left(text: str) -> bool:
    """Whether a text is written from the right to the left: so says its first letter that says anything."""
    kinds = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def _text_widths(words: Sequence[str], font: FontProperties) -> list[float]:
    """Width of each word in inches."""
    renderer: Any = cast(Any, RendererAgg)(1, 1, 72)
    with missing_letters():
        known = {word: renderer.get_text_width_height_descent(word, font, False)[0] for word in set(words)}
    return [known[word] / 72 for word in words]
