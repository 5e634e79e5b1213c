"""What a co-attention run looks at: figures of single songs, words of genres, and a test of whether that matters.

Attention is no explanation by itself. The deletion test asks whether it points at what the prediction rests on: without
the most attended words the probability of the predicted genre has to fall faster than without as many random ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.data.tracks import Tracks
from genrefusion.data.words import Words, words_of
from genrefusion.deletion import DRAWS, REMOVED, deletion_figures, deletion_table
from genrefusion.errors import UserError
from genrefusion.evaluation.predictions import write_predictions
from genrefusion.results import groups_in, write_json
from genrefusion.terminal import Terminal

if TYPE_CHECKING:  # PyTorch takes a second to import
    from genrefusion.features.text_encoder import TokenEncoder
    from genrefusion.pipelines.base import Pipeline
    from genrefusion.pipelines.coattention import Attention, CoattentionPipeline

Array = npt.NDArray[np.float64]

MOST_SONGS = 64
"""Songs in the deletion test: two minutes on one core with lyrics of 400 tokens."""

FEWEST_SONGS = 3
"""Songs of a genre that a word must be in to be listed, so that no song decides alone."""

_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_TAKEN = ("words", "deletion")  # names of the other files


@dataclass(frozen=True)
class Song:
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
        Share of each word; they sum to 1.
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
        from genrefusion.features.text_encoder import TokenEncoder

        pipeline = self.pipelines[0]
        return TokenEncoder(pipeline.settings.encoder, pipeline.bench.cache, pipeline.bench.terminal)


def require_attention(pipelines: Sequence[Pipeline]) -> None:
    """Refuse pipelines in which no words and seconds attend to each other.

    Raises
    ------
    UserError
        It is another pipeline, or it reads one side only.
    """
    if pipelines[0].name != "coattention":
        raise UserError(
            f"explain: the run is of pipeline={pipelines[0].name}, which has no attention between words and seconds.\n"
            "Leave explain out, or take a run of experiment=coattention."
        )
    sides = pipelines[0].settings.sides  # type: ignore[attr-defined]
    if sides != "both":
        raise UserError(
            f"explain: the run reads one side only (pipeline.sides={sides}); there is nothing to attend to."
        )


def parts_to_explain(parts: Sequence[tuple[Sequence[Any], Tracks]]) -> list[Part]:
    """Take the tracks that have both sides.

    Parameters
    ----------
    parts : sequence of (pipelines, Tracks)
        As they are scored: one for each fold, or one.

    Raises
    ------
    UserError
        There are none.
    """
    from genrefusion.pipelines.sequences import ids_with_audio

    found = []
    for fold, (pipelines, tracks) in enumerate(parts):
        without = set(tracks.lacking("lyrics"))
        both = [track for track in ids_with_audio(pipelines[0].features, tracks) if track not in without]
        found.append(Part(list(pipelines), tracks.subset(both), fold))
    if not any(len(part.tracks) for part in found):
        tracks = parts[0][1]
        lyrics = sum(len(t) - len(t.lacking("lyrics")) for _, t in parts)
        raise UserError(
            f"explain: no song of {tracks.corpus} that is scored has both audio and lyrics ({lyrics} of "
            f"{sum(len(t) for _, t in parts)} have lyrics)."
        )
    return found


def explain(parts: Sequence[Part], directory: Path, number: int, *, title: str, terminal: Terminal) -> dict[str, Any]:
    """Draw what was looked at, list words, test by deletion, and write all of it.

    Parameters
    ----------
    parts : sequence of Part
        See `parts_to_explain`.
    directory : Path
        Gets ``<track>.png``, ``words.csv``, ``words.png``, ``deletion.csv``, ``deletion.png`` and ``deletion.json``.
    number : int
        Songs to draw, spread over the genres.
    title : str
        Corpus and protocol, for the figures.
    terminal : Terminal
        Where it is said.

    Returns
    -------
    dict
        What ``deletion.json`` holds.
    """
    from genrefusion.evaluation import attention_plots as plots

    genres = pd.concat([part.tracks.table["genre"] for part in parts])
    drawn = spread(genres, number)
    songs = [song for part in parts for song in read_songs(part, keep=set(drawn), terminal=terminal)]
    for part in parts:
        _draw_songs(part, [song for song in songs if song.fold == part.fold and song.attention], directory)
    words = words_table(songs)
    write_predictions(words, directory / "words.csv")
    plots.plot_words(words, sorted({song.genre for song in songs}), directory / "words.png", title=title)
    tested = set(spread(genres, MOST_SONGS))
    table = deletion_table(parts, [song for song in songs if song.track in tested], terminal=terminal)
    figures = deletion_figures(table, groups=groups_in([part.tracks for part in parts]))
    write_predictions(table, directory / "deletion.csv")
    write_json(figures, directory / "deletion.json")
    plots.plot_deletion(figures, directory / "deletion.png", title=f"{title}, n = {figures['songs']}")
    _say(figures, len(songs), directory, terminal)
    return figures


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


def read_songs(part: Part, *, keep: set[str], terminal: Terminal) -> Iterator[Song]:
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
        yield Song(
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


def words_table(songs: Sequence[Song], *, fewest: int = FEWEST_SONGS) -> pd.DataFrame:
    """List the words of each genre, those first that are attended to most for how often they stand there.

    A word's share in a song is that of all its occurrences together; an even spread would give it its part of the
    song's tokens (a word of several tokens gets several shares). Both are averaged over the songs of the genre that
    have the word, and ``times`` is their ratio: 2 says that the word gets twice what an even spread would give it.

    Parameters
    ----------
    songs : sequence of Song
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


def file_name(track: str) -> str:
    """Name of a song's figure that stays in its folder, whatever the id; ids that had to be changed stay apart."""
    name = re.sub(r"[^\w.-]+", "_", track).strip("._-")[:40]
    if name != track or name.casefold() in _TAKEN:
        name = f"{name}-{hashlib.sha256(track.encode()).hexdigest()[:8]}"
    return f"{name}.png"


def _draw_songs(part: Part, songs: Sequence[Song], directory: Path) -> None:
    from genrefusion.evaluation.attention_plots import SongPicture, plot_song

    if not songs:
        return
    found = part.pipelines[0].timelines(part.tracks.subset([song.track for song in songs]))
    for song in songs:
        assert song.attention is not None
        of_words = np.zeros((len(song.words.spans), len(song.attention.over_words)))
        np.add.at(of_words, song.words.of_token, song.attention.over_words.T)
        timeline = found.get(song.track)
        positions = np.arange(of_words.shape[1] + 1, dtype=np.float64)
        picture = SongPicture(
            words=song.words.forms,
            shares=song.shares,
            even=song.words.even,
            attention=of_words,
            weights=song.attention.audio_weights,
            spans=np.stack([positions[:-1], positions[1:]], axis=1) if timeline is None else timeline.spans,
            mel=None if timeline is None else timeline.mel,
            column_seconds=0.0 if timeline is None else timeline.column_seconds,
        )
        title = f"{song.track}   true: {song.genre}   predicted: {song.predicted} ({song.probability:.2f})"
        plot_song(picture, directory / file_name(song.track), title=title)


def _say(figures: dict[str, Any], songs: int, directory: Path, terminal: Terminal) -> None:
    low, high = figures["mean_difference_ci95"]
    terminal.say(
        "deletion",
        f"{figures['mean_difference']:+.3f} [{low:+.3f}, {high:+.3f}]   probability of the predicted genre without its "
        "most attended words, less that without as many random ones",
    )
    shares = ", ".join(f"{share:.0%}" for share in REMOVED)
    capped = (
        f"{figures['songs']} of {songs} songs with both sides, spread over the genres"
        if (figures["songs"] < songs)
        else f"{songs} songs with both sides"
    )
    terminal.say("", f"{capped}; mean of {shares} of the words; {DRAWS} random draws")


def _mean_attention(several: Sequence[Attention]) -> Attention:
    """Average what several pipelines looked at in one song."""
    names = ("probabilities", "over_words", "audio_weights", "text_weights")
    means = {name: np.mean([getattr(attention, name) for attention in several], axis=0) for name in names}
    return replace(several[0], **means)
