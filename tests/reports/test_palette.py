"""Everything on pages and pictures can be read, by day and by night (WCAG 2.2, AA)."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from genrefusion.reports.drawing import SHARES
from genrefusion.reports.palette import CYCLE, INK, NIGHT, PAGE, QUIET, by_night
from pages import colour, contrast


def by(when: str, name: str) -> tuple[float, float, float]:
    """A colour of the pictures, by day or by night."""
    return to_rgb(NIGHT[name] if when == "night" else name)


@pytest.mark.parametrize("when", ["day", "night"])
def test_pictures_have_the_colours_of_the_pages(when: str) -> None:
    for name, known in (("ink", INK), ("quiet", QUIET), ("page", PAGE)):
        assert by(when, known) == colour(name, when)


@pytest.mark.parametrize("when", ["day", "night", "print"])
def test_text_of_pages_can_be_read(when: str) -> None:
    for name in ("ink", "quiet", "accent", "warning"):
        assert contrast(colour(name, when), colour("page", when)) >= 4.5
    assert contrast(colour("ink", when), colour("tint", when)) >= 4.5


@pytest.mark.parametrize("when", ["day", "night"])
def test_lines_and_areas_of_pictures_can_be_seen(when: str) -> None:
    for name in CYCLE:
        assert contrast(by(when, name), by(when, PAGE)) >= 3


@pytest.mark.parametrize("when", ["day", "night"])
def test_counts_can_be_read_on_every_share(when: str) -> None:
    for *behind, opacity in SHARES(np.linspace(0, 1, 21)):
        ground = opacity * np.array(behind) + (1 - opacity) * np.array(by(when, PAGE))
        assert contrast(tuple(ground), by(when, INK)) >= 4.5


def test_by_night_only_colours_change() -> None:
    svg = f'<path style="fill: {INK}; stroke: {PAGE}"/><text style="fill: #123456">{INK}</text>'
    night = by_night(svg)
    assert night == f'<path style="fill: {NIGHT[INK]}; stroke: {NIGHT[PAGE]}"/><text style="fill: #123456">{INK}</text>'
