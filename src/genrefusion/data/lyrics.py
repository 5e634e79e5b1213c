"""Lyrics as texts: what is no word of the song is taken out, time stamps are kept apart."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SHORT = 5
"""Lyrics with fewer words say next to nothing of a genre; runs name such tracks."""

_SECTIONS = (
    "verse|chorus|refrain|bridge|intro|outro|hook|pre-?chorus|post-?chorus|interlude|instrumental|solo|coda|breakdown|"
    "repeat|spoken|skit|strophe|couplet|estribillo|coro|verso|refr[aã]o|ritornello|strofa"
)
_STAMP = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_WORD_STAMP = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_LRC_FACT = re.compile(r"^\s*\[(?:ar|ti|al|au|by|re|ve|la|id|lr|tool|length|offset|#)\s*:([^\]]*)\]\s*$", re.I)
_OFFSET = re.compile(r"^\s*\[offset\s*:\s*([+-]?\d+)\s*\]\s*$", re.I)
_BRACKETED = re.compile(r"\[[^\]\n]*\]|\{[^}\n]*\}")
_NAMED_SECTION = re.compile(rf"\(\s*(?:{_SECTIONS})\b[^)\n]*\)|^\s*(?:{_SECTIONS})(?:\s+\d+)?\s*:?\s*$", re.I | re.M)
_TIMES = re.compile(r"[(\[]?\b(?:x\s?\d{1,2}|\d{1,2}\s?x)\b[)\]]?(?=\s*$)", re.I | re.M)
_SPACE = re.compile(r"[^\S\n]+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True)
class Lyrics:
    """Lines of a song.

    Attributes
    ----------
    lines : tuple of str
        Without section marks and stamps; none is empty.
    seconds : tuple of (float or None)
        When each line begins, where the text says it.
    """

    lines: tuple[str, ...]
    seconds: tuple[float | None, ...]

    @property
    def text(self) -> str:
        """The lines under each other."""
        return "\n".join(self.lines)


def parse_lyrics(text: str) -> Lyrics:
    """Read plain or LRC lyrics.

    Taken out: section marks (``[Chorus]``, ``(Verse 2)``, a line ``Chorus:``), marks of repetition at a line's end
    (``x2``), facts and stamps of LRC, control and invisible characters. Letters of every script, emoji and punctuation
    stay; composed characters are made the same everywhere (Unicode NFC). A line with several stamps is sung several
    times and comes back once for each; stamped lines are put in the order of their times.

    Parameters
    ----------
    text : str
        As it stands in a file, a tag or a table.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    hidden = [c for c in set(text) if c != "\n" and not _is_shown(c)]
    text = text.translate(dict.fromkeys(map(ord, hidden)))
    found = [line for raw in text.split("\n") for line in _read_line(raw)]
    offset = next((int(match[1]) / 1000 for raw in text.split("\n") if (match := _OFFSET.match(raw))), 0.0)
    if any(second is not None for second, _ in found):
        # Stable: lines without a stamp stay behind the stamped line that they follow.
        times: list[float] = []
        for second, _ in found:
            times.append(second if second is not None else times[-1] if times else 0.0)
        found = [found[i] for i in sorted(range(len(found)), key=times.__getitem__)]
    # A positive offset makes the lines appear sooner.
    seconds = tuple(None if second is None else max(0.0, second - offset) for second, _ in found)
    return Lyrics(tuple(line for _, line in found), seconds)


def clean_lyrics(text: str) -> str:
    """Text of the lyrics alone; see `parse_lyrics`."""
    return parse_lyrics(text).text


def is_short(text: str) -> bool:
    """Whether clean lyrics have fewer than `SHORT` words (and some)."""
    return bool(text) and len(_WORD.findall(text)) < SHORT


def _read_line(raw: str) -> list[tuple[float | None, str]]:
    if _LRC_FACT.match(raw):
        return []
    stamps = [60 * int(minutes) + float(rest.replace(":", ".")) for minutes, rest in _STAMP.findall(raw)]
    line = _WORD_STAMP.sub(" ", _STAMP.sub(" ", raw))
    line = _TIMES.sub("", _NAMED_SECTION.sub("", _BRACKETED.sub(" ", line)))
    line = _SPACE.sub(" ", line).strip()
    if not line:
        return []
    return [(second, line) for second in stamps] or [(None, line)]


def _is_shown(character: str) -> bool:
    """Whether a character is no control, no byte-order mark, no invisible space; joiners of emoji and scripts are."""
    if character in "\t\u200c\u200d":
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
