"""What a co-attention run looks at: pictures of single songs, words of genres, and a test of whether that matters.

Attention is no explanation by itself. The deletion test asks whether it points at what the prediction rests on: without
the most attended words the probability of the predicted genre has to fall faster than without as many random ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.runs.explain.words import Words, words_of

if TYPE_CHECKING:  # PyTorch takes a second to import
    from genrefusion.features.text_encoder import TokenEncoder
    from genrefusion.pipelines.attention import Attention
    from genrefusion.pipelines.coattention import CoattentionPipeline


Array = npt.NDArray[np.float64]


FEWEST_SONGS = 3
"""Songs of a genre that a word must be in to be listed, so that no song decides alone."""


_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


@dataclass(frozen=True)
class AttendedSong:
    """What was looked at in a song.

    Attributes
    ----------
    track, genre, predicted : str
        Id, true and predicted genre.
    probability : float
        Of the predicted genre.
    fold : int
        Whose pipeline read it.
    words : Words
    shares : Array, shape (words,)
        Share of each word; they sum to 1. Those of `Words.even` are what they have to be compared with.
    attention : Attention, optional
        Kept of the songs that are drawn.
    """

    track: str
    genre: str
    predicted: str
    probability: float
    fold: int
    words: Words
    shares: Array
    attention: Attention | None


@dataclass(frozen=True)
class Part:
    """Tracks with audio and lyrics, and the pipelines whose mean reads them."""

    pipelines: list[CoattentionPipeline]
    tracks: Tracks
    fold: int

    @property
    def encoder(self) -> TokenEncoder:
        """What the pipelines read lyrics with."""
        return self.pipelines[0].encoder


def parts_to_explain(parts: Sequence[tuple[Sequence[Any], Tracks]]) -> list[Part]:
    """Take the tracks that have both sides.

    Parameters
    ----------
    parts : sequence of (pipelines, Tracks)
        Pipelines whose `require_attention` passed, as they are scored: one for each fold, or one.

    Raises
    ------
    UserError
        There are none.
    """
    found = []
    for fold, (pipelines, tracks) in enumerate(parts):
        found.append(Part(list(pipelines), pipelines[0].with_both_sides(tracks), fold))
    if not any(len(part.tracks) for part in found):
        tracks = parts[0][1]
        lyrics = sum(len(t) - len(t.lacking("lyrics")) for _, t in parts)
        raise UserError(
            f"explain: no song of {tracks.corpus} that is scored has both audio and lyrics ({lyrics} of "
            f"{sum(len(t) for _, t in parts)} have lyrics)."
        )
    return found


def spread(genres: pd.Series[Any], number: int) -> list[str]:
    """Ids of so many tracks: the first of each genre, then the second of each, in the order of genres and ids.

    Parameters
    ----------
    genres : Series
        Genre by track id.
    number : int
        How many; all where there are fewer.
    """
    ordered = genres.sort_index()
    turn = ordered.groupby(ordered).cumcount()
    order = pd.DataFrame({"turn": turn, "genre": ordered}).sort_values(["turn", "genre"], kind="stable")
    return [str(track) for track in order.index[:number]]


def read_songs(part: Part, *, keep: set[str], terminal: Terminal) -> Iterator[AttendedSong]:
    """Read songs; the whole attention is kept of some of them. Songs whose lyrics hold no token are passed over."""
    encoder = part.encoder
    readings = zip(*(pipeline.attend(part.tracks) for pipeline in part.pipelines), strict=True)
    known = zip(part.tracks.table["genre"], part.tracks.lyrics, readings, strict=True)
    for genre, text, several in terminal.track(known, "explain", len(part.tracks), "songs"):
        attention = _mean_attention(several)
        words = words_of(text, encoder.offsets(text))
        if not words.spans:
            continue
        best = int(attention.probabilities.argmax())
        yield AttendedSong(
            attention.track,
            genre,
            part.pipelines[0].classes_[best],
            float(attention.probabilities[best]),
            part.fold,
            words,
            word_shares(token_shares(attention), words),
            attention if attention.track in keep else None,
        )


def token_shares(attention: Attention) -> Array:
    """Share of each token, shape (tokens,): half of what the pool takes of it, half of what the audio looks at.

    ``s = (p + h) / 2`` with the weights ``p`` of the attention pool of the text and ``h = w A / sum(w A)``, where ``w``
    are the weights of the audio's pool and ``A`` is the attention of its positions over the tokens.

    Chosen among ``p``, ``h``, ``s`` and the normalised product of both by the deletion test on the validation songs of
    a demo run; what they gave lay close together.
    """
    heard = attention.audio_weights @ attention.over_words
    shares: Array = (attention.text_weights / attention.text_weights.sum() + heard / heard.sum()) / 2
    return shares


def word_shares(tokens: Array, words: Words) -> Array:
    """Sum the shares of each word's tokens."""
    return np.bincount(words.of_token, weights=tokens, minlength=len(words.spans)).astype(np.float64)


def position_times(over_words: Array, words: Words) -> Array:
    """What each position of the audio gives each word, as a multiple of the word's even share.

    ``(sum of a position's attention to the word's k tokens) / (that to all n tokens) / (k / n)``: 1 for all words where
    the attention is even, however many tokens they have, and whatever goes to the vectors that stand for nothing.

    Parameters
    ----------
    over_words : Array, shape (positions, tokens)
        See `Attention`.
    words : Words

    Returns
    -------
    Array, shape (words, positions)
    """
    of_words = np.zeros((len(words.spans), len(over_words)))
    np.add.at(of_words, words.of_token, over_words.T)
    to_all = np.maximum(of_words.sum(axis=0), np.finfo(np.float64).tiny)
    times: Array = of_words / to_all / words.even[:, None]
    return times


def words_table(songs: Sequence[AttendedSong], *, fewest: int = FEWEST_SONGS) -> pd.DataFrame:
    """List the words of each genre, those first that are attended to most for how often they stand there.

    A word's share in a song is that of all its occurrences together; an even spread would give it its part of the
    song's tokens (a word of several tokens gets several shares). Both are averaged over the songs of the genre that
    have the word, and ``times`` is their ratio: 2 says that the word gets twice what an even spread would give it.

    Parameters
    ----------
    songs : sequence of AttendedSong
        Of all genres.
    fewest : int
        Songs that a word must be in.

    Returns
    -------
    DataFrame
        Columns ``genre``, ``word`` (small letters, no marks at its ends), ``songs``, ``share``, ``even``, ``times``.
    """
    columns = ["genre", "track", "word", "share", "even"]
    rows = [
        (song.genre, song.track, _EDGES.sub("", form).casefold(), share, even)
        for song in songs
        for form, share, even in zip(song.words.forms, song.shares, song.words.even, strict=True)
    ]
    table = pd.DataFrame(rows, columns=columns)
    table = table[table["word"] != ""].groupby(["genre", "track", "word"], as_index=False)[["share", "even"]].sum()
    means = table.groupby(["genre", "word"]).agg(
        songs=("track", "size"), share=("share", "mean"), even=("even", "mean")
    )
    means = means[means["songs"] >= fewest]
    means = means.assign(times=means["share"] / means["even"]).reset_index()
    return means.sort_values(["genre", "times", "word"], ascending=[True, False, True], ignore_index=True)


def _mean_attention(several: Sequence[Attention]) -> Attention:
    """Average what several pipelines looked at in one song."""
    names = ("probabilities", "over_words", "audio_weights", "text_weights")
    means = {name: np.mean([getattr(attention, name) for attention in several], axis=0) for name in names}
    return replace(several[0], **means)
