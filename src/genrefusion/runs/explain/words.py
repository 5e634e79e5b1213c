"""Words of lyrics, and the tokens of a transformer that they are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class Words:
    """Words of a song that the text encoder read.

    Attributes
    ----------
    text : str
        The lyrics up to the last token that was read.
    spans : list of (int, int)
        First character of each word, and the one behind it.
    of_token : ndarray of int, shape (tokens,)
        Number of the word that each token is a part of.
    """

    text: str
    spans: list[tuple[int, int]]
    of_token: npt.NDArray[np.int64]

    @property
    def forms(self) -> list[str]:
        """The words as they are written."""
        return [self.text[a:b] for a, b in self.spans]

    @property
    def before(self) -> list[str]:
        """What stands before each word: nothing, spaces, ends of lines. With the words it is the whole text."""
        begins = [0, *(stop for _, stop in self.spans[:-1])]
        return [self.text[behind:start] for behind, (start, _) in zip(begins, self.spans, strict=True)]

    @property
    def even(self) -> Array:
        """What each word would get if all tokens got the same, shape (words,)."""
        return self.n_tokens / len(self.of_token)

    @property
    def n_tokens(self) -> npt.NDArray[np.int64]:
        """Tokens of each word, shape (words,)."""
        return np.bincount(self.of_token, minlength=len(self.spans))

    def without(self, removed: Sequence[int]) -> str:
        """Text without some of the words."""
        gone = set(removed)
        pieces, behind = [], 0
        for number, (start, stop) in enumerate(self.spans):
            pieces.append(self.text[behind : start if number in gone else stop])
            behind = stop
        return "".join([*pieces, self.text[behind:]])


def words_of(text: str, offsets: Sequence[tuple[int, int]]) -> Words:
    """Merge tokens into words: what no white space parts.

    In scripts that are written without spaces (Chinese, Japanese, Thai …) each token is a word.

    Parameters
    ----------
    text : str
        The lyrics.
    offsets : sequence of (int, int)
        Of the tokens that were read, as `TokenEncoder.offsets` gives them.
    """
    spans: list[tuple[int, int]] = []
    of_token = []
    for start, stop in offsets:
        start += len(text[start:stop]) - len(text[start:stop].lstrip())  # some tokenizers count the space before
        if not spans or (start >= spans[-1][1] and start < stop and _parted(text, spans[-1], start)):
            spans.append((start, stop))
        else:  # several tokens of one character have the same place
            spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
        of_token.append(len(spans) - 1)
    end = spans[-1][1] if spans else 0
    return Words(text[:end], spans, np.array(of_token, dtype=np.int64))


def _parted(text: str, before: tuple[int, int], start: int) -> bool:
    """Whether a token that begins at `start` begins a word too."""
    between = text[before[1] : start]
    return any(map(str.isspace, between)) or bool(_UNSPACED.match(text[start]) or _UNSPACED.match(text[before[1] - 1]))
