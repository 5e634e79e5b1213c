from __future__ import annotations

import numpy as np
import pytest

from genrefusion.runs.sides.words import Vocabulary, drop_words, mishear_words, soundex


@pytest.mark.parametrize(
    ("word", "code"),
    [
        # Knuth's examples, and those of the National Archives.
        *(("Euler", "E460"), ("Gauss", "G200"), ("Hilbert", "H416"), ("Knuth", "K530"), ("Lloyd", "L300")),
        *(
            ("Lukasiewicz", "L222"),
            ("Tymczak", "T522"),
            ("Pfister", "P236"),
            ("Honeyman", "H555"),
            ("Ashcraft", "A261"),
        ),
        *(("don't", "D530"), ("Ébène", "E150"), ("אהבה", "א000"), ("愛", "愛000")),
    ],
)
def test_a_word_has_the_code_of_its_sound(word: str, code: str) -> None:
    assert soundex(word) == code


def test_a_misheard_word_is_another_of_the_vocabulary_that_sounds_alike() -> None:
    vocabulary = Vocabulary(["Rain ran down the road", "rome rhyme"])
    drawn = {vocabulary.alike("Rain", np.random.default_rng(seed)) for seed in range(40)}
    assert drawn == {"ran", "rome", "rhyme"}
    assert vocabulary.alike("reef", np.random.default_rng(0)) != "down", (
        "of the same first letter where no code is equal"
    )
    assert vocabulary.alike("zoo", np.random.default_rng(0)) == "zoo", "there is none"


def test_line_breaks_and_marks_stay_and_empty_lines_go() -> None:
    text = "love, me do\nyeah\nlove me"
    left = drop_words(text, 1.0, np.random.default_rng(0))
    assert left == ","
    heard = mishear_words(text, 1.0, Vocabulary([text]), np.random.default_rng(0))
    assert [len(line.split()) for line in heard.split("\n")] == [3, 1, 2]
    assert "," in heard


def test_a_text_without_words_stays() -> None:
    for text in ("", "1 2 3", "🎸🔥"):
        assert drop_words(text, 0.5, np.random.default_rng(0)) == text
