"""Lyrics as texts: what is no word of the song is taken out, time stamps are kept apart."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from genrefusion.data.unsung import (
    first_and_last_sung,
    is_heading,
    is_site_line,
    names_site,
    without_markup,
    without_repeat_mark,
    without_site_texts,
)

SHORT = 5
"""Lyrics with fewer words say next to nothing of a genre; runs name such tracks."""

_STAMP = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:,]\d{1,3})?)\]")
_WORD_STAMP = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:,]\d{1,3})?>")
_LRC_FACT = re.compile(r"^\s*\[(?:ar|ti|al|au|by|re|ve|la|id|lr|tool|length|offset|#)\s*:([^\]]*)\]\s*$", re.I)
_OFFSET = re.compile(r"^\s*\[offset\s*:\s*([+-]?\d+)\s*\]\s*$", re.I)
_BRACKETED = tuple((end, re.compile(rf"\{begin}[^\{end}\n]*\{end}+")) for begin, end in ("[]", "{}", "【】"))
_TIMES = re.compile(r"[(\[]?\b(?:x\s?\d{1,2}|\d{1,2}\s?x)\b[)\]]?$", re.I)
_END_OF_TIMES = frozenset("0123456789xX)]")
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
    """Read plain or LRC lyrics, or what a page on the web had of them.

    Taken out: section marks (``[Chorus]``, lines ``(Verse 2)`` and ``Chorus:``), marks of repetition at a line's end
    (``x2``, ``(repeat 3 times)``), facts and stamps of LRC, control and invisible characters, HTML, what sites of
    lyrics put around them, and credits before the first line that is sung and after the last one
    (`genrefusion.data.unsung`). Letters of every script, emoji and punctuation stay; composed characters are made the
    same everywhere (Unicode NFC). A line with several stamps is sung several times and comes back once for each;
    stamped lines are put in the order of their times.

    Parameters
    ----------
    text : str
        As it stands in a file, a tag or a table.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = without_site_texts(without_markup(text))
    hidden = {ord(c): None for c in set(text) if c != "\n" and not _is_shown(c)}
    of_site = names_site(text)
    raw_lines = (text.translate(hidden) if hidden else text).split("\n")
    found = [line for raw in raw_lines for line in _read_line(raw, of_site=of_site)]
    offset = next((int(match[1]) / 1000 for raw in raw_lines if (match := _OFFSET.match(raw))), 0.0)
    if any(second is not None for second, _ in found):
        # Stable: lines without a stamp stay behind the stamped line that they follow.
        times: list[float] = []
        for second, _ in found:
            times.append(second if second is not None else times[-1] if times else 0.0)
        found = [found[i] for i in sorted(range(len(found)), key=times.__getitem__)]
    begin, end = first_and_last_sung([line for _, line in found])
    found = found[begin:end]
    # A positive offset makes the lines appear sooner.
    seconds = tuple(None if second is None else max(0.0, second - offset) for second, _ in found)
    return Lyrics(tuple(line for _, line in found), seconds)


def clean_lyrics(text: str) -> str:
    """Text of the lyrics alone; see `parse_lyrics`."""
    return parse_lyrics(text).text


def is_short(text: str) -> bool:
    """Whether clean lyrics have fewer than `SHORT` words (and some)."""
    return bool(text) and len(_WORD.findall(text)) < SHORT


def _read_line(raw: str, *, of_site: bool) -> list[tuple[float | None, str]]:
    seconds: list[float] = []
    if "[" in raw or "{" in raw or "【" in raw:
        if _LRC_FACT.match(raw):
            return []
        seconds = [60 * int(m) + float(rest.replace(":", ".").replace(",", ".")) for m, rest in _STAMP.findall(raw)]
        raw = _without_brackets(_STAMP.sub(" ", raw))
    if "<" in raw:
        raw = _WORD_STAMP.sub(" ", raw)
    line = " ".join(raw.split())
    if line and line[-1] in _END_OF_TIMES and not is_heading(line):
        line = _TIMES.sub("", without_repeat_mark(line)).rstrip()
    if not line or is_heading(line) or (of_site and is_site_line(line)):
        return []
    return [(second, line) for second in seconds] or [(None, line)]


def _without_brackets(line: str) -> str:
    for end, bracketed in _BRACKETED:
        closed = line.rfind(end) + 1  # behind it each search for an end would go through the whole line
        if closed:
            line = bracketed.sub(" ", line[:closed]) + line[closed:]
    return line


def _is_shown(character: str) -> bool:
    """Whether a character is no control, no byte-order mark, no invisible space; joiners of emoji and scripts are."""
    if character in "\t\u200c\u200d":
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
