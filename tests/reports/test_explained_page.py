"""The section of a page that shows what was looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from genrefusion.reports.explained_page import MOST_SONGS, explained_section
from genrefusion.reports.lyrics_plots import SCALE
from pages import colour, contrast, write_explanations


def test_words_have_colours_by_their_even_share(tmp_path: Path) -> None:
    song = {"before": ["", " ", "\n"], "words": ["a", "bc", "d"], "tokens": [1, 2, 1], "times": [1.0, 2.0, 0.1]}
    write_explanations(tmp_path / "explanations", song)
    section = explained_section(tmp_path / "explanations", {"a": "Ann – Song"})
    assert section is not None
    (shown,) = section["songs"]
    assert shown["name"] == "Ann – Song"
    assert [(word.kind, word.part) for word in shown["words"]] == [("even", 0), ("more", 0.5), ("less", 1)]
    assert shown["words"][1].title == "2.00 times its even share, 2 tokens"
    assert "".join(word.before + word.text for word in shown["words"]) == "a bc\nd"


def test_nothing_is_shown_where_nothing_was_explained(tmp_path: Path) -> None:
    assert explained_section(tmp_path, {}) is None


def test_a_page_has_some_of_many_songs_and_says_how_many_there_are(tmp_path: Path) -> None:
    write_explanations(tmp_path / "explanations", *[{"track_id": str(number)} for number in range(MOST_SONGS + 5)])
    section = explained_section(tmp_path / "explanations", {})
    assert section is not None
    assert (len(section["songs"]), section["count"]) == (MOST_SONGS, MOST_SONGS + 5)


@pytest.mark.parametrize(("difference", "rests"), [((-0.2, -0.1), True), ((-0.2, 0.1), False), ((0.1, 0.2), False)])
def test_predictions_rest_on_words_only_where_the_interval_says_so(
    difference: tuple[float, float], rests: bool, tmp_path: Path
) -> None:
    write_explanations(tmp_path / "explanations", {}, difference=difference)
    section = explained_section(tmp_path / "explanations", {})
    assert section is not None
    assert section["deletion"]["rests"] == rests


def test_colours_are_those_of_the_pictures() -> None:
    for where in ("day", "print"):
        for name, end in (("less", 0.0), ("more", 1.0)):
            np.testing.assert_allclose(colour(name, where), SCALE(end)[:3], atol=0.003)


@pytest.mark.parametrize("where", ["day", "night", "print"])
def test_words_can_be_read_on_every_colour(where: str) -> None:
    page, ink = (to_rgb("#fff"), to_rgb("#000")) if where == "print" else (colour("page", where), colour("ink", where))
    for name in ("less", "more"):
        end = np.array(colour(name, where))
        for part in np.linspace(0, 1, 11):
            mixed = part * end + (1 - part) * np.array(page)
            assert contrast(tuple(mixed), ink) >= 4.5
        assert contrast(tuple(end), page) >= 1.3, "it would not be seen"
