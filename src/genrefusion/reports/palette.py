"""Colours of pages and pictures, by day and by night.

The style of the pages, ``templates/style.css``, has the same ink, quiet ink and ground.
"""

from __future__ import annotations

import re

INK, QUIET, PAGE = "#22211f", "#66625c", "#fdfcfa"
"""Of text and axes, of what is said by the way, and of the ground."""

CYCLE = ("#0072b2", "#d55e00", "#009e73", "#c0659a", "#2e8fcb", "#b27b00", INK, "#6b3fa0")
"""One after the other, for genres and rows: those of Okabe and Ito (2008), darker where they vanish on white."""

NIGHT = {
    INK: "#e6e2db",
    QUIET: "#a19b92",
    PAGE: "#191817",
    "#0072b2": "#4fa8e0",
    "#d55e00": "#f08a45",
    "#009e73": "#2dbe94",
    "#c0659a": "#e08fbe",
    "#2e8fcb": "#9ad1f2",
    "#b27b00": "#f2b84b",
    "#6b3fa0": "#b79cf0",
}
"""What each of them is on a dark ground."""


def by_night(svg: str) -> str:
    """The same drawing in the colours of a dark page."""
    colour = r'((?:fill|stroke)(?:: |="))(#[0-9a-f]{6})'
    return re.sub(colour, lambda found: found[1] + NIGHT.get(found[2], found[2]), svg)
