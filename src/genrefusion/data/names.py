"""When two names mean the same artist or genre, and when a name says nothing."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

_NOBODY = frozenset(
    "unknown unknownartist artistunknown unknownartists various variousartists variousartist va vvaa nan na none null "
    "noartist untitled anonymous soundtrack originalsoundtrack originalcast compilation unbekannt unbekannterkünstler "
    "verschiedene verschiedeneinterpreten artisteinconnu inconnu artistesdivers desconocido artistadesconocido "
    "variosartistas sconosciuto artistasconosciuto artistivari".split()
)
"""Plain names that programs and people put where no artist is known, or where there are many."""

_SIGNS = frozenset("- – — _ . … ? ?? ??? * / n/a #n/a".split())
"""Signs that are put there; other names without a letter, such as "!!!", are artists."""


@functools.lru_cache(maxsize=1 << 18)
def plain(name: str) -> str:
    """Letters and digits of a name alone, in one case and one encoding; a name without any stays as it is.

    Examples
    --------
    >>> plain("Guns N’ Roses"), plain("GUNS N' ROSES"), plain("!!!")
    ('gunsnroses', 'gunsnroses', '!!!')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN") or folded.strip()


def plain_artist(name: Any) -> str | None:
    r"""Plain name of an artist; None where the name is missing or stands for nobody or anybody.

    Examples
    --------
    >>> plain_artist("Beyonce\u0301") == plain_artist("Beyonc\u00e9")
    True
    >>> plain_artist("Various Artists"), plain_artist("n/a"), plain_artist("  "), plain_artist(None)
    (None, None, None, None)
    """
    if not isinstance(name, str):
        return None
    known = plain(name)
    return None if not known or known in _NOBODY or name.strip().casefold() in _SIGNS else known


def tidy(name: str) -> str:
    """Name in Unicode's composed form, without spaces around it and with single ones in it."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def same_name(name: str) -> str:
    """What names have in common that differ in case, spaces or Unicode form alone."""
    return tidy(tidy(name).casefold())


def one_spelling(names: Iterable[str]) -> dict[str, str]:
    """How each name is to be spelt, so that those are one that differ in case, spaces or Unicode form alone.

    That is the most frequent spelling, of several the first.

    Examples
    --------
    >>> one_spelling(["Rock", "rock ", "rock", "pop"])
    {'Rock': 'rock', 'rock ': 'rock', 'rock': 'rock', 'pop': 'pop'}
    """
    counts = Counter(names)
    spellings: dict[str, Counter[str]] = {}
    for name, count in counts.items():
        spellings.setdefault(same_name(name), Counter())[tidy(name)] += count
    return {name: spellings[same_name(name)].most_common(1)[0][0] for name in counts}


def joined_names(names: Iterable[str]) -> str:
    """What `one_spelling` makes one, in words; empty where every name stays as it is."""
    counts, joined = Counter(names), dict[str, list[str]]()
    for name, spelling in one_spelling(counts.elements()).items():
        if name != spelling:
            joined.setdefault(spelling, []).append(f"'{name}' ({counts[name]})")
    return "; ".join(f"{spelling} ({counts[spelling]}) with {', '.join(others)}" for spelling, others in joined.items())
