"""The grammar of the lyrics: lines, rhymes and verse-chorus forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genrefusion.demo.artists import Artist, Stream, generator
from genrefusion.demo.lexicons import COMMON, COMMON_SHARE, LEXICONS, LYRICS_OVERLAP, LYRICS_OVERLAP_SPREAD, Lexicon

SLOTS = {"noun": "nouns", "adj": "adjectives", "action": "actions", "place": "places", "who": "people"}
"""Fields of the lexicon that fill the slots of an opening."""

PET_SHARE = 0.2
"""Share of the nouns and actions that are the artist's pet words."""


class Lyric(NamedTuple):
    """Title and text of a song; stanzas are divided by an empty line."""

    title: str
    text: str


def write_lyrics(artist: Artist, song: int, *, seed: int = 0) -> Lyric:
    """Write the lyrics of song number ``song`` of a genre in the manner of an artist.

    How much comes from a neighbouring genre varies from song to song by a Beta law of mean ``LYRICS_OVERLAP``; that
    share applies to the form, to each line and to each word.

    Examples
    --------
    >>> from genrefusion.demo.artists import make_artist
    >>> lyric = write_lyrics(make_artist("blues", 0, seed=0), 0)
    >>> 50 < len(lyric.text.split()) < 220
    True
    """
    writer = _Writer(artist, generator(seed, Stream.LYRICS, artist.genre, artist.number, song))
    form = writer.pick(writer.source().forms)
    title, stanzas = FORMS[form](writer)
    return Lyric(title, "\n\n".join("\n".join(stanza) for stanza in stanzas))


class _Writer:
    """The words of one song: draws from the artist's genre, one neighbour, and what all genres share."""

    def __init__(self, artist: Artist, rng: np.random.Generator) -> None:
        self.rng = rng
        self.artist = artist
        self.own = LEXICONS[artist.genre]
        self.other = LEXICONS[self.pick(self.own.neighbours)]
        a, b = LYRICS_OVERLAP * LYRICS_OVERLAP_SPREAD, (1 - LYRICS_OVERLAP) * LYRICS_OVERLAP_SPREAD
        self.borrowed = float(rng.beta(a, b))

    def chance(self, share: float) -> bool:
        """Return true with probability ``share``."""
        return bool(self.rng.random() < share)

    def pick(self, items: tuple[str, ...]) -> str:
        """Choose one of several strings."""
        return items[int(self.rng.integers(len(items)))]

    def source(self) -> Lexicon:
        """Choose the lexicon of the genre or that of the neighbour."""
        return self.other if self.chance(self.borrowed) else self.own

    def word(self, slot: str) -> str:
        """Choose a word for a slot."""
        pets = {"noun": self.artist.nouns, "action": self.artist.actions}.get(slot)
        if pets and self.chance(PET_SHARE * (1 - self.borrowed)):
            return self.pick(pets)
        lexicon = COMMON if self.chance(COMMON_SHARE) else self.source()
        return self.pick(getattr(lexicon, SLOTS[slot]))

    def fill(self, template: str) -> str:
        """Fill the slots of a template, mend its articles, and begin with a capital."""
        text = re.sub(r"\{(\w+)\}", lambda match: self.word(match[1]), template)
        text = _agree(re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text))
        return text[:1].upper() + text[1:]

    def opening(self) -> str:
        """Write the first part of a line."""
        return self.fill(self.pick((COMMON if self.chance(COMMON_SHARE) else self.source()).openings))

    def closings(self, count: int) -> list[str]:
        """Choose ``count`` different closing phrases that rhyme, some of the genre's own."""
        own = self.source().closings
        family = self.pick(tuple(sorted(own if self.chance(1 - COMMON_SHARE) else COMMON.closings)))
        phrases = [*own.get(family, ()), *COMMON.closings.get(family, ())]
        order = self.rng.permutation(len(phrases))
        # The genre's own phrase of the family is sure to be in a rhyme half of the time.
        if family in own and self.chance(0.5):
            order = np.concatenate([[0], order[order != 0]])
        return [phrases[int(place)] for place in order[:count]]

    def rhymed(self, count: int = 2) -> list[str]:
        """Write lines that rhyme."""
        return [_join(self.opening(), closing) for closing in self.closings(count)]

    def hook(self) -> str:
        """Write the line that the song is known by."""
        return self.fill(self.pick(self.source().hooks))

    def title(self, hook: str) -> str:
        """Make a title of a hook."""
        return " ".join(word[:1].upper() + word[1:] for word in hook.replace(",", "").split()[:6])


Stanzas = list[list[str]]


def _verse_chorus(writer: _Writer) -> tuple[str, Stanzas]:
    """Two verses of four lines, each followed by the same chorus."""
    hook, (first, second) = writer.hook(), writer.rhymed()
    chorus = [hook, first, hook, second]
    verses = [writer.rhymed() + writer.rhymed() for _ in range(2)]
    return writer.title(hook), [verses[0], chorus, verses[1], chorus]


def _story(writer: _Writer) -> tuple[str, Stanzas]:
    """Three verses of four lines, each closed by the same line."""
    hook = writer.hook()
    return writer.title(hook), [[*writer.rhymed(), *writer.rhymed(), hook] for _ in range(3)]


def _aab(writer: _Writer) -> tuple[str, Stanzas]:
    """Blues stanzas: a line, the same line with a call before it, and a line that rhymes; a refrain after them."""
    hook = writer.hook()
    stanzas: Stanzas = []
    for _ in range(3):
        line, answer = writer.rhymed()
        call = writer.pick(("I said", "Well now", "Yes", "Oh"))
        again = line if line.startswith(("I ", "Lord")) else line[:1].lower() + line[1:]
        stanzas.append([line, f"{call}, {again}", answer])
    return writer.title(hook), [stanzas[0], stanzas[1], [hook, hook], stanzas[2], [hook, hook]]


def _aaba(writer: _Writer) -> tuple[str, Stanzas]:
    """Song form of the jazz standard: three A strophes that end with the title, and a bridge."""
    hook = writer.hook()
    strophes = [[*writer.rhymed(), writer.opening(), hook] for _ in range(2)]
    return writer.title(hook), [strophes[0], strophes[1], writer.rhymed() + writer.rhymed(), strophes[0]]


def _hymn(writer: _Writer) -> tuple[str, Stanzas]:
    """Quatrains in alternate rhyme, with a burden of two lines after each."""
    hook, answer = writer.hook(), writer.rhymed(1)[0]
    stanzas: Stanzas = []
    for _ in range(3):
        (a, c), (b, d) = writer.rhymed(), writer.rhymed()
        stanzas += [[a, b, c, d], [hook, answer]]
    return writer.title(hook), stanzas[:5]


def _stanzas(writer: _Writer) -> tuple[str, Stanzas]:
    """Four quatrains in couplets; the first comes back at the end."""
    hook = writer.hook()
    stanzas = [[*writer.rhymed(), writer.opening(), hook] for _ in range(3)]
    return writer.title(hook), [*stanzas, stanzas[0]]


def _shout(writer: _Writer) -> tuple[str, Stanzas]:
    """Short verses between shouts of one line."""
    hook, shout = writer.hook(), writer.fill(writer.pick(writer.source().hooks))
    chorus = [hook, shout, hook, shout]
    return writer.title(hook), [writer.rhymed() + writer.rhymed(), chorus, [*writer.rhymed(), writer.opening()], chorus]


def _chant(writer: _Writer) -> tuple[str, Stanzas]:
    """Couplets answered by a call that never changes."""
    hook, call = writer.hook(), writer.fill(writer.pick(writer.source().openings))
    chorus = [f"{hook} ({call.lower()})"] * 2 + [hook]
    return writer.title(hook), [chorus, writer.rhymed() + writer.rhymed(), chorus, writer.rhymed(), chorus]


def _rap(writer: _Writer) -> tuple[str, Stanzas]:
    """Two verses of three couplets in long lines, with a hook sung between them."""
    hook, answer = writer.hook(), writer.hook()

    def verse() -> list[str]:
        couplets = [writer.closings(2) for _ in range(3)]
        return [f"{writer.opening()}, {_lower(writer.opening())}, {closing}" for pair in couplets for closing in pair]

    chorus = [hook, answer, hook]
    return writer.title(hook), [verse(), chorus, verse()[:4], chorus]


FLOWING = re.compile(
    r"(again|all|as|at|before|beyond|by|crying|deep|down|for|from|in|like|of|on|out|since|through|till|to|under|where"
    r"|whom|with|without)\b"
)
"""First words of closings that follow an opening without a comma."""


def _join(opening: str, closing: str) -> str:
    """Put the two parts of a line together."""
    return f"{opening}{'' if FLOWING.match(closing) else ','} {closing}"


POSSESSIVES = {"i": "my", "me": "our", "we": "our", "us": "our", "let's": "our", "they": "their"}


def _agree(text: str) -> str:
    """Replace ``~`` by the possessive of the person who acts: I lose my mind, they lose their mind.

    Examples
    --------
    >>> _agree("They rise but I close ~ eyes")
    'They rise but I close my eyes'
    """
    possessive, words = "your", []
    for word in text.split():
        possessive = POSSESSIVES.get(word.lower().strip(","), "your" if word.lower() == "you" else possessive)
        words.append(possessive if word == "~" else word)
    return " ".join(words)


def _lower(line: str) -> str:
    """Begin a clause inside a line with a small letter, unless it is the word I."""
    return line if re.match(r"I\b", line) else line[:1].lower() + line[1:]


FORMS: dict[str, Callable[[_Writer], tuple[str, Stanzas]]] = {
    "aab": _aab,
    "aaba": _aaba,
    "chant": _chant,
    "hymn": _hymn,
    "rap": _rap,
    "shout": _shout,
    "stanzas": _stanzas,
    "story": _story,
    "verse-chorus": _verse_chorus,
}
"""The forms that a lexicon can name."""
