"""Lyrics with words that are missing, or misheard: other words of the corpus that sound alike."""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LETTERS = {"BFPV": "1", "CGJKQSXZ": "2", "DT": "3", "L": "4", "MN": "5", "R": "6"}
_DIGITS = {letter: digit for letters, digit in _LETTERS.items() for letter in letters}
_CODE = 4  # characters


@functools.lru_cache(maxsize=1 << 16)
def soundex(word: str) -> str:
    """How a word sounds in English, roughly: its first letter and three digits for the consonants behind it.

    Soundex (Russell 1918; Knuth, "The Art of Computer Programming", vol. 3). Accents are dropped. Letters of other
    scripts count as vowels, so that their words are alike if they begin alike.

    Examples
    --------
    >>> [soundex(word) for word in ("rain", "ran", "Robert", "Rupert", "Pfister", "Ashcraft")]
    ['R500', 'R500', 'R163', 'R163', 'P236', 'A261']
    """
    first, *others = [c for c in unicodedata.normalize("NFKD", word).upper() if c.isalpha()] or [word[:1]]
    digits, last = "", _DIGITS.get(first, "")
    for letter in others:
        digit = _DIGITS.get(letter, "")
        if digit and digit != last:
            digits += digit
        if letter not in "HW":  # vowels part two consonants of one digit, these do not
            last = digit
    return (first + digits)[:_CODE].ljust(_CODE, "0")


class Vocabulary:
    """Words of some texts, and which of them sound alike.

    Parameters
    ----------
    texts : iterable of str
        Clean lyrics.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._beginning: dict[str, list[str]] = defaultdict(list)  # sorted words by the beginnings of their codes
        for word in sorted({word.lower() for text in texts for word in _WORD.findall(text)}):
            for length in range(1, _CODE + 1):
                self._beginning[soundex(word)[:length]].append(word)

    def alike(self, word: str, rng: np.random.Generator) -> str:
        """Draw another word, of those whose codes (`soundex`) share the longest beginning with that of the word.

        It is the word itself where no other begins with its letter.
        """
        word = word.lower()
        for length in range(_CODE, 0, -1):
            words = self._beginning.get(soundex(word)[:length], [])
            place = bisect_left(words, word)
            known = place < len(words) and words[place] == word
            if len(words) > known:
                number = int(rng.integers(len(words) - known))
                return words[number + (known and number >= place)]
        return word


def drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    """Clean lyrics without a share of their words, one at least, drawn at random."""
    return _changed(text, share, rng, lambda word: "")


def mishear_words(text: str, share: float, vocabulary: Vocabulary, rng: np.random.Generator) -> str:
    """Clean lyrics with a share of their words, one at least, drawn at random, replaced by words that sound alike."""
    return _changed(text, share, rng, lambda word: vocabulary.alike(word, rng))


def _changed(text: str, share: float, rng: np.random.Generator, change: Callable[[str], str]) -> str:
    """Text with other words in the place of some; lines that are left empty are taken out."""
    spans = [match.span() for match in _WORD.finditer(text)]
    pieces, behind = [], 0
    for number in sorted(rng.permutation(len(spans))[: max(1, round(share * len(spans)))].tolist()):
        start, stop = spans[number]
        pieces += [text[behind:start], change(text[start:stop])]
        behind = stop
    lines = (" ".join(line.split()) for line in "".join([*pieces, text[behind:]]).split("\n"))
    return "\n".join(line for line in lines if line)
