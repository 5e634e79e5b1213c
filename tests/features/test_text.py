from __future__ import annotations

import numpy as np
import pytest

from genrefusion.features.text import STYLE_NAMES, style_statistics

SONG = "I walk the line\nYou drink the wine\nI walk the line\nHello, hello! Who?"


def statistic(name: str, lyrics: str = SONG) -> float:
    return float(style_statistics(lyrics)[STYLE_NAMES.index(name)])


def test_style_of_a_small_song_counted_by_hand() -> None:
    assert statistic("words") == pytest.approx(np.log(1 + 15))
    assert statistic("lines") == pytest.approx(np.log(1 + 4))
    assert statistic("words_a_line") == pytest.approx(15 / 4)
    # i walk the line you drink wine hello who
    assert statistic("vocabulary_richness") == pytest.approx(9 / 15)
    assert statistic("repeated_lines") == pytest.approx(2 / 4)
    # of 14 pairs, three stand there twice: i-walk, walk-the, the-line
    assert statistic("repeated_pairs") == pytest.approx(6 / 14)
    # line ~ wine, wine ~ line; line and its own repetition do not rhyme
    assert statistic("rhyming_line_ends") == pytest.approx(2 / 3)
    assert statistic("questions_a_line") == statistic("exclamations_a_line") == pytest.approx(1 / 4)


@pytest.mark.parametrize("lyrics", ["", "\n \n", "123 !!! ?", "🎵🎵"])
def test_no_words_give_zeros(lyrics: str) -> None:
    np.testing.assert_array_equal(style_statistics(lyrics), np.zeros(len(STYLE_NAMES)))


@pytest.mark.parametrize("lyrics", ["שלום עולם", "лето это маленькая жизнь", "word " * 50_000, "one"])
def test_any_text_gives_finite_numbers(lyrics: str) -> None:
    assert np.isfinite(style_statistics(lyrics)).all()
