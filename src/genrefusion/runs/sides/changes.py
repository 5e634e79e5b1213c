"""What is done to the sides of songs: each change is a row of the matrix."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genrefusion.data.tracks import Tracks
from genrefusion.metrics.predictions import Labels
from genrefusion.runs.sides.exchanges import joined, partners, with_texts, without_audio, without_lyrics
from genrefusion.runs.sides.words import Vocabulary, drop_words, mishear_words

DRAWS = 5
"""Exchanges of each kind, over which a row is averaged."""

DAMAGED = (0.1, 0.3, 0.5)
"""Shares of the words that are dropped, or misheard."""

MOST_DAMAGED = 500
"""Songs of a part whose words are damaged: a network reads these lyrics anew for each share, at some 50 ms a song."""


@dataclass(frozen=True)
class Songs:
    """Tracks of one part with both sides, and what they have in common.

    Attributes
    ----------
    tracks : Tracks
    genres, artists, songs : Labels, shape (tracks,)
        Genre of each; its artist, or what else is drawn together where artists are unknown; its song, of which there
        may be pieces and copies.
    vocabulary : Vocabulary
        Of the lyrics of all parts.
    """

    tracks: Tracks
    genres: Labels
    artists: Labels
    songs: Labels
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Version:
    """Songs as a row of the matrix has them.

    Attributes
    ----------
    tracks : Tracks
        What is predicted.
    of : list of str
        The songs whose genres are to be found, in the order of the tracks.
    """

    tracks: Tracks
    of: list[str]


@dataclass(frozen=True)
class Change:
    """A row of the matrix.

    Attributes
    ----------
    key, title : str
        What it is called in files, and where it is shown.
    make : callable
        ``make(songs, draw)`` gives the songs as the row has them.
    draws : int
        How often that is done.
    needs_audio : bool
        Whether there is something to hear.
    makes_lyrics : bool
        Whether the lyrics are made up, and no other song has them.
    """

    key: str
    title: str
    make: Callable[[Songs, int], Version]
    draws: int = 1
    needs_audio: bool = True
    makes_lyrics: bool = False


def _same(songs: Songs, draw: int) -> Version:
    return Version(songs.tracks, songs.tracks.ids)


def _heard(songs: Songs, draw: int) -> Version:
    return Version(without_lyrics(songs.tracks), songs.tracks.ids)


def _read(songs: Songs, draw: int) -> Version:
    return Version(without_audio(songs.tracks), songs.tracks.ids)


def _exchange(side: str, within: str) -> Callable[[Songs, int], Version]:
    """Give each song a side of another one: of its genre or of any, by another artist; or of its artist."""

    def make(songs: Songs, draw: int) -> Version:
        blocks, apart = {
            "genre": (songs.genres, songs.artists),
            "artist": (songs.artists, songs.songs),
            "any": (np.zeros_like(songs.genres), songs.artists),
        }[within]
        # By the name of the row, so that its draws do not depend on the other rows.
        others = partners(blocks, apart, np.random.default_rng([draw, zlib.crc32(f"{side} {within}".encode())]))
        ids = np.array(songs.tracks.ids, dtype=object)
        own, given = ids[others >= 0].tolist(), ids[others[others >= 0]].tolist()
        audio, lyrics = (own, given) if side == "lyrics" else (given, own)
        return Version(joined(songs.tracks, audio, lyrics), own)

    return make


def _damage(share: float, *, misheard: bool) -> Callable[[Songs, int], Version]:
    """Drop a share of the words of each song, or let them be misheard."""

    def make(songs: Songs, draw: int) -> Version:
        ids = songs.tracks.ids
        if len(ids) > MOST_DAMAGED:
            ids = sorted(np.random.default_rng(draw).permutation(ids)[:MOST_DAMAGED].tolist())
        tracks = songs.tracks.subset(ids)
        texts = []
        for track, text in zip(ids, tracks.lyrics, strict=True):
            # By the song's own id: its draws do not depend on the other songs, and a larger share has the same words.
            rng = np.random.default_rng([draw, zlib.crc32(track.encode())])
            texts.append(
                mishear_words(text, share, songs.vocabulary, rng) if misheard else drop_words(text, share, rng)
            )
        return Version(with_texts(tracks, texts), ids)

    return make


_OTHERS = {
    "genre": "of the genre, by another artist",
    "artist": "of another song of the artist",
    "any": "of a random other artist's song",
}

CHANGES = (
    Change("both", "both sides", _same),
    Change("audio_alone", "audio alone", _heard),
    Change("lyrics_alone", "lyrics alone", _read, needs_audio=False),
    *(
        Change(f"{side}_{within}", f"{side} {words}", _exchange(side, within), DRAWS)
        for side in ("lyrics", "audio")
        for within, words in _OTHERS.items()
    ),
    *(
        Change(
            f"{kind}_{share * 100:.0f}",
            f"{share * 100:.0f} % of the words {kind}",
            _damage(share, misheard=kind == "misheard"),
            makes_lyrics=True,
        )
        for kind in ("dropped", "misheard")
        for share in DAMAGED
    ),
)
"""The rows of the matrix, in the order in which they are shown."""
