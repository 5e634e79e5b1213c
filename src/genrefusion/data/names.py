"""When two names mean the same artist or genre, and when a name says nothing."""

from __future__ import annotations

import functools
import unicodedata
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
