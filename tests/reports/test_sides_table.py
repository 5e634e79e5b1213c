"""What the matrix of sides says in words, and how it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from rich.console import Console

from genrefusion.reports.sides_plot import plot_sides
from genrefusion.reports.sides_table import findings, sides_notes, sides_table

ABOVE, AROUND, BELOW = (0.05, 0.01, 0.09), (0.01, -0.03, 0.05), (-0.05, -0.09, -0.01)
NAMES = ("gain", "own over random", "own over genre", "random over none")


def difference(ends: tuple[float, float, float] | None) -> dict[str, float]:
    return dict(zip(("difference", "difference_low", "difference_high"), ends, strict=True)) if ends else {}


def matrix(*found: tuple[float, float, float] | None, too_few: str = "") -> dict[str, Any]:
    comparisons = dict(zip(NAMES, map(difference, found), strict=True))
    figures = {
        "accuracy": 0.8,
        "accuracy_low": 0.7,
        "accuracy_high": 0.9,
        "drawn": "artists",
        "too_few": too_few,
        "n": 90,
    }
    rows = [
        {"key": "both", "title": "both sides", "draws": 1} | figures,
        {"key": "lyrics_any", "title": "lyrics of a random other song", "draws": 5, "p_holm": 0.01}
        | figures
        | difference(BELOW),
        {
            "key": "lyrics_artist",
            "title": "lyrics of the artist",
            "draws": 0,
            "problem": "no song has such another one",
        },
    ]
    return {"rows": rows, "comparisons": {"lyrics": comparisons}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((AROUND, ABOVE, ABOVE, BELOW), "No gain is shown"),
        ((BELOW, ABOVE, ABOVE, BELOW), "With the lyrics the run does worse"),
        (
            (ABOVE, AROUND, AROUND, AROUND),
            "Whether lyrics of random other songs give it as well is not told apart: no fusion is shown",
        ),
        ((ABOVE, AROUND, AROUND, BELOW), "not told apart"),
        ((ABOVE, ABOVE, None, BELOW), "It takes more than lyrics of random other songs; whether those of the genre do"),
        (
            (ABOVE, ABOVE, AROUND, BELOW),
            "It takes lyrics of the genre; that they have to be the song's own is not shown",
        ),
        ((ABOVE, ABOVE, ABOVE, BELOW), "It takes the song's own lyrics"),
        ((None, ABOVE, ABOVE, None), "What the run makes of the audio alone is not known"),
        ((ABOVE, None, None, None), "Whether lyrics of other songs give it as well is not known"),
    ],
)
def test_differences_are_said_as_far_as_their_intervals_tell(found, said) -> None:
    (sentence,) = findings(matrix(*found))
    assert said in sentence
    assert "poorer than it has to be" not in sentence


def test_a_gain_that_random_lyrics_give_as_well_is_no_fusion() -> None:
    (sentence,) = findings(matrix(ABOVE, AROUND, AROUND, ABOVE))
    assert "The gain is there with lyrics of random other songs as well: that is no fusion" in sentence


def test_wrong_lyrics_that_serve_better_than_none_are_told() -> None:
    (sentence,) = findings(matrix(ABOVE, ABOVE, AROUND, ABOVE))
    assert sentence.startswith(
        "lyrics: +0.050 [+0.010, +0.090] over the audio alone, +0.050 [+0.010, +0.090] over lyrics of"
    )
    assert "better than without any (+0.050 [+0.010, +0.090])" in sentence


def test_of_too_few_songs_nothing_is_said_but_that() -> None:
    few = matrix(*[ABOVE] * 4, too_few="n = 4 songs: too few")
    assert findings(few) == ["n = 4 songs: too few"]
    assert not [said for said in sides_notes(few["rows"]) if "too few" in said]


def test_the_table_has_a_row_for_each_with_its_star_and_what_is_missing() -> None:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(sides_table(matrix(*[ABOVE] * 4)))
    lines = capture.get().splitlines()
    assert lines[1].split()[:3] == ["both", "sides", "90"]
    assert lines[2].rstrip().endswith("0.800 [0.700, 0.900]  -0.050 [-0.090, -0.010]*")
    assert "no song has such another one" in lines[3]
    assert any("averaged over 5 draws" in line for line in lines)


def test_the_picture_has_a_sensible_size(tmp_path: Path) -> None:
    plot_sides(matrix(*[ABOVE] * 4), tmp_path / "matrix.png", title="demo (synthetic), n = 90")
    height, width, _ = plt.imread(tmp_path / "matrix.png").shape
    assert np.array([height, width]).min() > 150
