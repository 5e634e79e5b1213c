"""Figures of co-attention: words beside the seconds of a song, words of genres, the deletion test."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.features.mel import DYNAMIC_RANGE
from genrefusion.reports.plots import STYLE, save_figure

Array = npt.NDArray[Any]

MOST_WORDS = 25
_LONGEST = 18  # characters of a word that are shown


@dataclass(frozen=True)
class SongPicture:
    """What is drawn of a song.

    Attributes
    ----------
    words : list of str
        In the order of the song.
    shares : Array, shape (words,)
        They sum to 1.
    even : Array, shape (words,)
        The shares if all tokens got the same.
    attention : Array, shape (words, positions)
        Part of each position's attention that goes to each word.
    weights : Array, shape (positions,)
        They sum to 1.
    spans : Array, shape (positions, 2)
        Beginning and end of each position, in seconds, or by number where there is no spectrogram.
    mel : Array, shape (bands, columns), optional
        In dB.
    column_seconds : float
        From one column to the next.
    """

    words: list[str]
    shares: Array
    even: Array
    attention: Array
    weights: Array
    spans: Array
    mel: Array | None
    column_seconds: float


def plot_song(song: SongPicture, path: Path, *, title: str) -> None:
    """Draw spectrogram, share of each second, and the words that are attended to most against the seconds.

    Parameters
    ----------
    song : SongPicture
    path : Path
        PNG file to write.
    title : str
        Says track, true and predicted genre.
    """
    rows = np.sort(np.argsort(-song.shares, kind="stable")[:MOST_WORDS])
    edges, attention, density = on_time(song.spans, song.attention[rows], song.weights)
    unit = "position" if song.mel is None else "second"
    top = [] if song.mel is None else [1.3]
    heights = [*top, 1.1, 0.5 + 0.2 * len(rows)]
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            len(heights), 2, figsize=(10, 0.9 + sum(heights)), height_ratios=heights, width_ratios=(4, 1), squeeze=False
        )
        for axis in axes[:-1, 1]:
            axis.set_axis_off()
        for axis in axes[:-1, 0]:
            axis.sharex(axes[-1, 0])
            axis.tick_params(labelbottom=False)
        figure.suptitle(textwrap.fill(title, 100), x=0.01, ha="left", fontsize=10)
        if song.mel is not None:
            _draw_mel(axes[0, 0], song.mel, song.column_seconds)
        axes[-2, 0].stairs(100 * density, edges, color="C1", lw=1.6, baseline=None)
        axes[-2, 0].set(ylabel=f"audio's share\n(% a {unit})", ylim=(0, None))
        shown = axes[-1, 0].pcolormesh(
            edges, np.arange(len(rows) + 1) - 0.5, 100 * np.ma.masked_invalid(attention), cmap="Blues", vmin=0
        )
        axes[-1, 0].set_yticks(range(len(rows)), [_shorten(song.words[row]) for row in rows], fontsize=8)
        axes[-1, 0].set(xlabel="position in the song" if song.mel is None else "time (s)", ylim=(len(rows) - 0.5, -0.5))
        axes[-1, 0].set_ylabel(f"words, in the order of the song\n({len(rows)} of {len(song.words)})")
        scale = axes[-2, 1].inset_axes((0.0, 0.6, 1.0, 0.15))
        figure.colorbar(shown, cax=scale, label="attention (%)", orientation="horizontal")
        axes[-1, 1].barh(range(len(rows)), 100 * song.shares[rows], color="C0")
        axes[-1, 1].plot(100 * song.even[rows], range(len(rows)), "|", color="k", ms=9, mew=1.6)
        axes[-1, 1].set(xlabel="word's share (%)\nblack: even spread", ylim=axes[-1, 0].get_ylim(), yticks=[])
        save_figure(figure, path)


def on_time(spans: Array, attention: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Lay positions out in time; where frames overlap, their attention is averaged and their shares are added.

    Parameters
    ----------
    spans : Array, shape (positions, 2)
        Beginning and end of each.
    attention : Array, shape (words, positions)
    weights : Array, shape (positions,)

    Returns
    -------
    edges : Array, shape (cells + 1,)
        Every moment at which a position begins or ends.
    attention : Array, shape (words, cells)
        NaN where nothing was read.
    density : Array, shape (cells,)
        Share for each unit of time; it integrates to the sum of the weights.
    """
    spans = np.round(spans, 6)
    edges = np.unique(spans)
    middle = (edges[:-1] + edges[1:]) / 2
    covers = ((spans[:, :1] <= middle) & (middle < spans[:, 1:])).astype(np.float64)
    count = covers.sum(axis=0)
    mean = np.where(count > 0, attention @ covers / np.maximum(count, 1), np.nan)
    return edges, mean, (weights / (spans[:, 1] - spans[:, 0])) @ covers


def plot_words(words: pd.DataFrame, genres: Sequence[str], path: Path, *, title: str, most: int = 8) -> None:
    """Draw the words of each genre that get the most attention against an even spread.

    Parameters
    ----------
    words : DataFrame
        See `genrefusion.runs.explain.songs.words_table`.
    genres : sequence of str
        In the order of the panels.
    path : Path
        PNG file to write.
    title : str
        Says corpus and protocol.
    most : int
        Words of a genre.
    """
    columns = min(5, len(genres))
    rows = -(-len(genres) // columns)
    limit = 1.05 * max([1.0, *words["times"]])
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(2.3 * columns + 1, 2.3 * rows + 0.9), squeeze=False)
        for axis in axes.flat[len(genres) :]:
            axis.set_axis_off()
        for axis, genre in zip(axes.flat, genres, strict=False):
            top = words[words["genre"] == genre].head(most)
            axis.barh(range(len(top)), top["times"], color="C0")
            axis.set_yticks(
                range(len(top)), [f"{_shorten(w)} ({n})" for w, n in zip(top["word"], top["songs"], strict=True)]
            )
            axis.axvline(1, color="k", ls="--", lw=1)
            axis.set(title=genre, xlim=(0, limit), ylim=(most - 0.5, -0.5))
            if not len(top):
                axis.text(0.5, 0.5, "no word in\nenough songs", transform=axis.transAxes, ha="center", va="center")
        figure.suptitle(textwrap.fill(f"Most attended words: {title}", 110), x=0.01, ha="left", fontsize=10)
        figure.supxlabel("attention, times an even spread (dashed); in brackets the number of songs", fontsize=10)
        save_figure(figure, path)


def plot_deletion(metrics: dict[str, Any], path: Path, *, title: str) -> None:
    """Draw how the probability of the predicted genre falls as words are removed.

    Parameters
    ----------
    metrics : dict
        See `genrefusion.runs.explain.deletion.deletion_metrics`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    removed = 100 * np.array(metrics["removed"])
    kinds = {"attended": ("C1", "o-", "most attended words"), "random": ("C0", "s--", "as many random words")}
    with plt.style.context(STYLE):
        figure, (curves, difference) = plt.subplots(1, 2, figsize=(9.5, 3.6))
        for kind, (color, style, label) in kinds.items():
            _draw_curve(curves, removed, metrics[kind], color, style, label)
        curves.set(xlabel="words removed (%)", ylabel="probability of the predicted genre")
        curves.legend(title="removed, with 95 % intervals")
        _draw_curve(difference, removed, metrics["difference"], "k", "o-", "")
        difference.axhline(0, color="0.5", lw=1)
        difference.set(xlabel="words removed (%)", ylabel="attended less random (95 %, paired)")
        figure.suptitle(textwrap.fill(title, 110), x=0.01, ha="left", fontsize=10)
        save_figure(figure, path)


def _draw_curve(axis: Any, x: Array, points: list[dict[str, Any]], color: str, style: str, label: str) -> None:
    low, high = np.array([point["ci95"] for point in points]).T
    axis.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    axis.plot(x, [point["probability"] for point in points], style, color=color, label=label)


def _draw_mel(axis: Any, mel: Array, column_seconds: float) -> None:
    bands, columns = mel.shape
    # Column c is centred at c times the hop.
    extent = (-column_seconds / 2, (columns - 0.5) * column_seconds, 0, bands)
    top = float(mel.max())
    axis.imshow(mel, origin="lower", aspect="auto", extent=extent, vmin=top - DYNAMIC_RANGE, vmax=top)
    axis.set(ylabel="mel band", ylim=(0, bands))


def _shorten(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
