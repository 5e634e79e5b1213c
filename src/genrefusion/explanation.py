"""What a co-attention network looked at, and whether that matters: what ``evaluate run=DIR explain=N`` adds.

Maps of attention between words and seconds, the words of each genre that draw the most attention, and a deletion test:
a map means something only if the network loses confidence faster when the words it marks are taken away than when as
many other words are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.evaluation.predictions import write_predictions
from genrefusion.evaluation.statistics import MEAN, bootstrap_intervals
from genrefusion.pipelines.base import Pipeline
from genrefusion.results import write_json
from genrefusion.terminal import Terminal

if TYPE_CHECKING:
    from genrefusion.pipelines.attention import Attended
    from genrefusion.pipelines.coattention import CoattentionPipeline

Array = npt.NDArray[np.float64]

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Of a song's words, taken away in the deletion test."""

_SONGS = 60  # of the deletion test, for each fold: two minutes on two cores
_DRAWS = 2  # of random words, for each song and share
_FEWEST_SONGS = 3  # that a word must stand in to be listed for a genre
_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class WordShares:
    """Words of a song and how much attention each of them got.

    Attributes
    ----------
    text : str
        The cleaned lyrics.
    spans : list of (int, int)
        First character of each word, and the one behind it; words that the encoder did not read are not there.
    shares : ndarray, shape (words,)
        Sum to 1.
    token_words : ndarray, shape (tokens,)
        Number of the word that each token belongs to.
    """

    text: str
    spans: list[tuple[int, int]]
    shares: Array
    token_words: npt.NDArray[np.int64]

    @property
    def words(self) -> list[str]:
        """The words as they stand there."""
        return [self.text[first:last] for first, last in self.spans]

    def without(self, words: Sequence[int]) -> str:
        """The lyrics without some words; lines stay lines."""
        text = self.text
        for number in sorted(words, reverse=True):
            first, last = self.spans[number]
            text = text[:first] + text[last:]
        return text


def require_coattention(pipelines: Sequence[Pipeline], tracks: Tracks, n: int) -> None:
    """Refuse what has no attention between two sides to show.

    Raises
    ------
    UserError
        Another pipeline, a network of one side, tracks without lyrics, or a negative number.
    """
    if n < 0:
        raise UserError(f"explain={n}: the number of songs whose attention is drawn, 0 or more.")
    settings = getattr(pipelines[0], "settings", None)
    if pipelines[0].name != "coattention" or getattr(settings, "sides", "") != "both":
        raise UserError(f"explain={n}: the run has no attention between lyrics and audio. Take one of coattention.")
    if len(tracks.lacking("lyrics")) == len(tracks):
        raise UserError(f"explain={n}: no track of {tracks.corpus} has lyrics.")


def explain(
    parts: Sequence[tuple[CoattentionPipeline, Tracks]], directory: Path, n: int, terminal: Terminal
) -> dict[str, float]:
    """Draw attention maps of `n` songs, list the words of each genre, and make the deletion test.

    Parameters
    ----------
    parts : sequence of (CoattentionPipeline, Tracks)
        Each pipeline with songs that it was not trained on.
    directory : Path
        Gets ``<number>_<track>.png``, ``words.csv`` and ``words.png``, ``deletion.csv``, ``deletion.png`` and
        ``deletion.json``.
    n : int
        Number of maps.
    terminal : Terminal
        Says what was found.

    Returns
    -------
    dict
        ``difference`` in probability between taking away random and attended words, over all shares, with the ends of
        its interval ``low`` and ``high``, and the number of ``songs``.
    """
    from genrefusion.evaluation import attention_plots
    from genrefusion.pipelines.attention import attend, spectrogram, with_both_sides

    directory.mkdir(parents=True, exist_ok=True)
    drawn = 0
    words: list[pd.DataFrame] = []
    deletions: list[pd.DataFrame] = []
    for number, (pipeline, tracks) in enumerate(parts):
        songs = spread_over_genres(with_both_sides(pipeline, tracks))
        attended = attend(pipeline, songs)
        shares = {track: word_shares(attended[track]) for track in songs.ids}
        still = round(n * (number + 1) / len(parts)) - drawn
        for track in songs.ids[:still]:
            path = directory / f"{drawn:03}_{re.sub(r'[^A-Za-z0-9._-]+', '_', track)[:80]}.png"
            mel = spectrogram(pipeline, songs.subset([track]))
            attention_plots.plot_attention(attended[track], shares[track], mel, path)
            drawn += 1
        words.append(_word_rows(shares, songs))
        deletions.append(deletion_test(pipeline, songs.subset(songs.ids[:_SONGS]), shares, terminal))
    genre_words = words_of_genres(pd.concat(words, ignore_index=True))
    write_predictions(genre_words, directory / "words.csv")
    attention_plots.plot_words(genre_words, directory / "words.png")
    deleted = pd.concat(deletions, ignore_index=True)
    write_predictions(deleted, directory / "deletion.csv")
    figures = deletion_figures(deleted)
    write_json(figures, directory / "deletion.json")
    attention_plots.plot_deletion(deleted, directory / "deletion.png")
    terminal.say("explain", f"{drawn} maps, words of genres and the deletion test in {directory}")
    terminal.say(
        "deletion",
        f"without the most attended words {figures['difference']:.3f} [{figures['low']:.3f}, {figures['high']:.3f}] "
        f"less probable than without random ones ({figures['songs']} songs)",
    )
    return figures


def spread_over_genres(tracks: Tracks) -> Tracks:
    """Put the tracks in an order in which the genres take turns."""
    turn = tracks.table.groupby("genre").cumcount()
    return tracks.subset([str(track) for track in turn.sort_values(kind="stable").index])


def word_shares(attended: Attended) -> WordShares:
    """Join tokens to words as they stand between white space, and add up their attention.

    Parameters
    ----------
    attended : Attended
        With characters and share of each token.
    """
    spans = [match.span() for match in _WORD.finditer(attended.text)]
    starts = [first for first, _ in spans]
    owner = np.searchsorted(starts, [first for first, _ in attended.offsets], side="right") - 1
    read, token_words = np.unique(owner, return_inverse=True)
    shares = np.bincount(token_words, weights=attended.token_shares)
    return WordShares(attended.text, [spans[i] for i in read], shares / shares.sum(), token_words)


def deletion_test(
    pipeline: CoattentionPipeline, songs: Tracks, shares: dict[str, WordShares], terminal: Terminal
) -> pd.DataFrame:
    """Probability of the genre that was predicted, when words are taken away and the rest is encoded anew.

    Returns
    -------
    DataFrame
        ``track_id, genre, share, words`` (``attended`` or ``random``) and ``probability``. Share 0 is the song as it
        is; for random words it is the mean of several draws.
    """
    from genrefusion.pipelines.attention import with_other_lyrics

    rng = np.random.default_rng(0)
    whole = pipeline.predict_proba(songs).tracks
    rows = []
    for track in terminal.track(songs.ids, "deletion", len(songs), "songs"):
        song, predicted = shares[track], str(whole.loc[track].idxmax())
        order = np.argsort(-song.shares, kind="stable")
        counts = [max(1, round(share * len(order))) for share in SHARES]
        orders = [order, *(rng.permutation(len(order)) for _ in range(_DRAWS))]
        texts = [song.without(each[:count].tolist()) for each in orders for count in counts]
        found = with_other_lyrics(pipeline, songs.subset([track]), texts)[predicted].to_numpy()
        known = {"track_id": track, "genre": songs.table.loc[track, "genre"]}
        curves = {"attended": found[: len(SHARES)], "random": found[len(SHARES) :].reshape(_DRAWS, -1).mean(axis=0)}
        for kind, curve in curves.items():
            values = [float(whole.loc[[track], predicted].iloc[0]), *curve]
            rows += [
                known | {"share": share, "words": kind, "probability": float(value)}
                for share, value in zip((0.0, *SHARES), values, strict=True)
            ]
    return pd.DataFrame(rows)


def deletion_figures(deleted: pd.DataFrame) -> dict[str, float]:
    """Mean difference of the curves over songs and shares, with its 95 % bootstrap interval over songs."""
    wide = deleted[deleted["share"] > 0].pivot_table("probability", ["track_id", "genre"], "words")
    difference = (wide["random"] - wide["attended"]).to_numpy()[:, None]
    genres = np.unique(wide.index.get_level_values("genre"), return_inverse=True)[1]
    low, high = bootstrap_intervals(genres, difference, MEAN)["mean"]
    return {"difference": float(difference.mean()), "low": low, "high": high, "songs": len(wide)}


def _word_rows(shares: dict[str, WordShares], songs: Tracks) -> pd.DataFrame:
    """One row for each word of each song: how much more attention it got than an even spread would give it."""
    tables = []
    for track, song in shares.items():
        plain = [" ".join(_LETTERS.findall(word.casefold())) for word in song.words]
        table = pd.DataFrame({"word": plain, "lift": song.shares * len(plain)})
        each = table[table["word"] != ""].groupby("word", as_index=False).mean()
        tables.append(each.assign(track_id=track, genre=str(songs.table.loc[track, "genre"])))
    return pd.concat(tables, ignore_index=True)


def words_of_genres(rows: pd.DataFrame, *, most: int = 10) -> pd.DataFrame:
    """Find the words of each genre that got the most attention.

    Parameters
    ----------
    rows : DataFrame
        ``track_id, genre, word, lift``: share of the attention over ``1 / words of the song``.
    most : int
        Words of each genre.

    Returns
    -------
    DataFrame
        ``genre, word, lift, songs``: mean over the genre's songs that have the word, of words in three songs or more,
        highest first.
    """
    table = rows.groupby(["genre", "word"])["lift"].agg(lift="mean", songs="size").reset_index()
    table = table[table["songs"] >= _FEWEST_SONGS]
    table = table.sort_values(["genre", "lift"], ascending=[True, False], kind="stable")
    return table.groupby("genre").head(most).reset_index(drop=True)[["genre", "word", "lift", "songs"]]
