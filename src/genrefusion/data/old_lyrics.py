"""How lyrics were cleaned up to version 0.1, by whose digests its runs know what they have learnt from."""

from __future__ import annotations

import functools
import re
import unicodedata

_SECTIONS = (
    "verse|chorus|refrain|bridge|intro|outro|hook|pre-?chorus|post-?chorus|interlude|instrumental|solo|coda|breakdown|"
    "repeat|spoken|skit|strophe|couplet|estribillo|coro|verso|refr[aã]o|ritornello|strofa"
)
_STAMP = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_WORD_STAMP = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_LRC_FACT = re.compile(r"^\s*\[(?:ar|ti|al|au|by|re|ve|la|id|lr|tool|length|offset|#)\s*:([^\]]*)\]\s*$", re.I)
_BRACKETED = re.compile(r"\[[^\]\n]*\]|\{[^}\n]*\}")
_NAMED_SECTION = re.compile(rf"\(\s*(?:{_SECTIONS})\b[^)\n]*\)|^\s*(?:{_SECTIONS})(?:\s+\d+)?\s*:?\s*$", re.I | re.M)
_TIMES = re.compile(r"[(\[]?\b(?:x\s?\d{1,2}|\d{1,2}\s?x)\b[)\]]?(?=\s*$)", re.I | re.M)
_SPACE = re.compile(r"[^\S\n]+")


@functools.lru_cache(maxsize=1 << 14)
def lyrics_cleaned_before(text: str) -> str:
    """Text of the lyrics as version 0.1 read them. This rule stays as it is."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(
        c for c in text if c in "\n\t\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")
    )
    found = [line for raw in text.split("\n") for line in _read_line(raw)]
    if any(second is not None for second, _ in found):
        times: list[float] = []
        for second, _ in found:
            times.append(second if second is not None else times[-1] if times else 0.0)
        found = [found[i] for i in sorted(range(len(found)), key=times.__getitem__)]
    return "\n".join(line for _, line in found)


def _read_line(raw: str) -> list[tuple[float | None, str]]:
    if _LRC_FACT.match(raw):
        return []
    stamps: list[float | None] = [
        60 * int(minutes) + float(rest.replace(":", ".")) for minutes, rest in _STAMP.findall(raw)
    ]
    line = _WORD_STAMP.sub(" ", _STAMP.sub(" ", raw))
    line = _TIMES.sub("", _NAMED_SECTION.sub("", _BRACKETED.sub(" ", line)))
    line = _SPACE.sub(" ", line).strip()
    return [(second, line) for second in stamps or [None]] if line else []
