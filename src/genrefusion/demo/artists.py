"""The invented artists: who they are, and the manner that shows in all their songs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from genrefusion.demo.genres import STYLES
from genrefusion.demo.lexicons import ARTIST_NAMES, LEXICONS
from genrefusion.demo.styles import AUDIO_OVERLAP, AUDIO_OVERLAP_SPREAD, LAYERS, PRODUCTION_SPREAD, Range, Style

GENRES: tuple[str, ...] = tuple(sorted(STYLES))
"""The ten genres of GTZAN, sorted."""

ARTIST_SHARES = ((5, 3, 2), (6, 2, 2), (4, 3, 3), (4, 4, 2))
"""Ten successive songs of a genre belong to three artists; these are the ways to share them."""


class Stream:
    """Names of the independent random streams, so that a change in one never moves another."""

    MANNER, AUDIO, LYRICS, SHARES, NAMES = range(5)


def generator(seed: int, stream: int, genre: str, *numbers: int) -> np.random.Generator:
    """Return the random generator of one decision; it depends on nothing but the arguments."""
    return np.random.default_rng([seed, stream, GENRES.index(genre), *numbers])


@dataclass(frozen=True)
class Artist:
    """One invented artist.

    Attributes
    ----------
    genre, number, name
        Genre, number within the genre, and invented name.
    style : Style
        The grammar of the genre narrowed to the artist's favourites.
    keys : tuple of int
        Favourite keys, semitones above C.
    lick : tuple of int
        Steps along the scale with which melodies of the artist like to move.
    tilt : float
        Spectral tilt of the recordings, in dB.
    nouns, actions : tuple of str
        Pet words of the lyrics.
    """

    genre: str
    number: int
    name: str
    style: Style
    keys: tuple[int, ...]
    lick: tuple[int, ...]
    tilt: float
    nouns: tuple[str, ...]
    actions: tuple[str, ...]


class SongPlace(NamedTuple):
    """Song number ``song`` of a genre and the artist it belongs to."""

    genre: str
    song: int
    artist: int


def places(genre: str, songs: int, *, seed: int) -> list[SongPlace]:
    """Say to which artist each of the first ``songs`` songs of a genre belongs.

    Three artists take turns until their shares of ten songs are spent, then the next three come: the first three songs
    are by three artists, and song k has the same artist however many songs follow.
    """
    rng = generator(seed, Stream.SHARES, genre)
    order: list[int] = []
    while len(order) < songs:
        first = 3 * (len(order) // 10)
        shares = list(rng.permutation(ARTIST_SHARES[rng.integers(len(ARTIST_SHARES))]))
        for turn in range(max(shares)):
            order += [first + artist for artist in range(3) if turn < shares[artist]]
    return [SongPlace(genre, song, artist) for song, artist in enumerate(order[:songs])]


def make_artist(genre: str, number: int, *, seed: int) -> Artist:
    """Invent artist ``number`` of a genre."""
    rng = generator(seed, Stream.MANNER, genre, number)
    lexicon = LEXICONS[genre]
    style = borrow(STYLES[genre], rng, share=AUDIO_OVERLAP / 3)
    return Artist(
        genre=genre,
        number=number,
        name=artist_name(genre, number, seed=seed),
        style=dataclasses.replace(style, **{layer: _favourites(getattr(style, layer), rng) for layer in LAYERS}),
        keys=tuple(int(key) for key in rng.choice(12, 3, replace=False)),
        lick=tuple(int(step) for step in rng.choice((-2, -1, -1, 1, 1, 2, 3), 5)),
        tilt=float(rng.normal(0.0, PRODUCTION_SPREAD)),
        nouns=tuple(str(word) for word in rng.choice(lexicon.nouns, 4, replace=False)),
        actions=tuple(str(word) for word in rng.choice(lexicon.actions, 2, replace=False)),
    )


def artist_name(genre: str, number: int, *, seed: int) -> str:
    """Invent a name; no two artists share one, because last names belong to one genre and pairs do not repeat."""
    firsts, lasts = ARTIST_NAMES[genre]
    rng = generator(seed, Stream.NAMES, genre)
    first, last = rng.permutation(firsts), rng.permutation(lasts)
    lap, step = divmod(number, len(first))
    name = f"{first[step]} {last[(step + lap) % len(last)]}"
    again = lap // len(last)
    return f"{name} {again + 1}" if again else name


def song_style(artist: Artist, rng: np.random.Generator) -> Style:
    """Return the style of one song: the artist's, with some layers from neighbouring genres.

    How much is borrowed varies from song to song by a Beta law of mean ``AUDIO_OVERLAP``.
    """
    share = rng.beta(AUDIO_OVERLAP * AUDIO_OVERLAP_SPREAD, (1 - AUDIO_OVERLAP) * AUDIO_OVERLAP_SPREAD)
    return borrow(artist.style, rng, share=float(share))


def borrow(style: Style, rng: np.random.Generator, *, share: float) -> Style:
    """Replace each layer with probability ``share`` by the layer of one neighbouring genre."""
    neighbour = STYLES[str(rng.choice(style.neighbours))]
    taken = {layer: _favourites(getattr(neighbour, layer), rng) for layer in LAYERS if rng.random() < share}
    return dataclasses.replace(style, **taken)


def _favourites(layer: Any, rng: np.random.Generator) -> Any:
    """Keep a third of each interval and two entries of each list of a layer."""
    kept: dict[str, Any] = {}
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, Range):
            width = (value.high - value.low) / 3
            low = value.low + rng.random() * 2 * width
            kept[field.name] = Range(low, low + width)
        elif isinstance(value, tuple) and field.name != "levels" and len(value) > 2:
            first, second = rng.choice(len(value), 2, replace=False)
            kept[field.name] = (value[first], value[second])
    return dataclasses.replace(layer, **kept)
