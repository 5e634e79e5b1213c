"""Style of lyrics in numbers: lengths, repetition, vocabulary, rhyme."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

STYLE_NAMES = (
    "words",
    "lines",
    "words_a_line",
    "letters_a_word",
    "vocabulary_richness",
    "repeated_lines",
    "repeated_pairs",
    "rhyming_line_ends",
    "questions_a_line",
    "exclamations_a_line",
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def style_statistics(lyrics: str) -> Array:
    """Count how a text is made; see `STYLE_NAMES` for the order.

    Words and lines as logarithms ``ln(1 + n)``; words a line; letters a word; distinct words over words; share of lines
    that stand there more than once; share of pairs of neighbouring words likewise; share of lines whose last word ends
    in the same two letters as that of one of the next two lines, but is another word; question and exclamation marks a
    line.

    Parameters
    ----------
    lyrics : str
        Lines of text; an empty text gives zeros.

    Returns
    -------
    Array, shape (10,)
    """
    lines = [line.strip().casefold() for line in lyrics.splitlines() if line.strip()]
    words = split_words(lyrics)
    if not words:
        return np.zeros(len(STYLE_NAMES), np.float32)
    ends = [found[-1] for line in lines if (found := split_words(line))]
    rhymes = [_rhymes(end, ends[i + 1 : i + 3]) for i, end in enumerate(ends[:-1])]
    values = (
        np.log1p(len(words)),
        np.log1p(len(lines)),
        len(words) / len(lines),
        np.mean([len(word) for word in words]),
        len(set(words)) / len(words),
        _repeated(lines),
        _repeated(list(pairwise(words))),
        np.mean(rhymes) if rhymes else 0.0,
        lyrics.count("?") / len(lines),
        lyrics.count("!") / len(lines),
    )
    return np.array(values, dtype=np.float32)


def split_words(text: str) -> list[str]:
    """Words of a text in lower case, in any script; an apostrophe within a word belongs to it."""
    return list(_WORD.findall(text.casefold()))


def _repeated(items: Sequence[object]) -> float:
    """Share of the items that stand there more than once."""
    counts = Counter(items)
    return sum(n for n in counts.values() if n > 1) / max(1, len(items))


def _rhymes(end: str, others: Sequence[str]) -> bool:
    return any(end[-2:] == other[-2:] and end != other for other in others)
