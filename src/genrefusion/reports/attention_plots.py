"""Figures of co-attention: words beside the seconds of a song, words of genres, the deletion test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from genrefusion.features.mel import DYNAMIC_RANGE
from genrefusion.reports.drawing import (
    LINE,
    WIDTH,
    drawing,
    in_lines,
    mark_minutes,
    most_lines,
    put_title,
    save_figure,
    save_for_page,
    subplots,
)
from genrefusion.reports.lyrics_plots import SCALE, SCALE_TICKS, LyricsPicture, strength
from genrefusion.reports.palette import INK, QUIET

Array = npt.NDArray[Any]

MOST_WORDS = 20
_LONGEST = 18  # characters of a word that are shown
_WIDTH = 10  # inches, of the picture of a song with its lyrics
_BESIDE = 4.5  # inches, of that of its audio, beside the lyrics on a page
_COARSE = (48, 300)  # bands and columns of its spectrogram: a page has many, and has to be sent


@dataclass(frozen=True)
class SongPicture:
    """What is drawn of a song.

    Attributes
    ----------
    words : list of str
        In the order of the song.
    before : list of str
        What stands before each word: nothing, spaces, ends of lines.
    shares : Array, shape (words,)
        They sum to 1.
    even : Array, shape (words,)
        The shares if all tokens got the same.
    times : Array, shape (words, positions)
        What each position of the audio gives each word, as a multiple of the word's even share.
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
    before: list[str]
    shares: Array
    even: Array
    times: Array
    weights: Array
    spans: Array
    mel: Array | None
    column_seconds: float


def plot_song(song: SongPicture, path: Path, *, title: str) -> None:
    """Draw the audio in time, the words that get most against the audio, and the lyrics with colours behind the words.

    Everywhere a word's share is shown against its even share, so that a word of several tokens looks as one of a single
    token does if their tokens get the same.

    Parameters
    ----------
    song : SongPicture
    path : Path
        PNG file to write.
    title : str
        Says track, true and predicted genre.
    """
    rows = np.sort(np.argsort(-song.shares / song.even, kind="stable")[:MOST_WORDS])
    heights = [*_audio_heights(song), 0.5 + 0.2 * len(rows)]
    with drawing():
        lyrics = LyricsPicture(song.words, song.before, song.shares, song.even, width=_WIDTH - 0.3)
        above, below = 1.0 + sum(heights), 0.6 + lyrics.height
        figure = Figure(figsize=(_WIDTH, above + below))
        put_title(figure, title)
        parts: Any = figure.subfigures(2, 1, height_ratios=(above, below))
        charts, text = parts
        axes = charts.subplots(len(heights), 2, sharex="col", height_ratios=heights, width_ratios=(4, 1), squeeze=False)
        for axis in axes[:-1, 1]:
            axis.set_axis_off()
        _draw_audio(axes[:-1, 0], song)
        shown = _draw_map(axes[-1, 0], song, rows)
        _draw_times(axes[-1, 1], song, rows)
        scale = axes[-2, 1].inset_axes((0.0, 0.6, 1.0, 0.15))
        bar = figure.colorbar(shown, cax=scale, orientation="horizontal", ticks=list(SCALE_TICKS))
        bar.set_ticklabels(list(SCALE_TICKS.values()), fontsize=8)
        bar.set_label("share of the attention,\ntimes the word's even share", fontsize=8)
        _draw_lyrics(text.subplots(), lyrics)
        save_figure(figure, path)


def plot_audio(song: SongPicture, path: Path) -> None:
    """Draw spectrogram and share of each second alone, small, as it stands beside the lyrics on a page.

    Parameters
    ----------
    song : SongPicture
    path : Path
        PNG file to write.
    """
    heights = _audio_heights(song)
    with drawing():
        size = (_BESIDE, 0.6 + sum(heights))
        figure, axes = subplots(len(heights), 1, sharex=True, figsize=size, height_ratios=heights, squeeze=False)
        _draw_audio(axes[:, 0], song, most=_COARSE)
        _label_time(axes[-1, 0], song)
        save_for_page(figure, path)


def on_time(spans: Array, times: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Lay positions out in time; where frames overlap, what they give words is averaged, their own shares are added.

    Parameters
    ----------
    spans : Array, shape (positions, 2)
        Beginning and end of each.
    times : Array, shape (words, positions)
        What each position gives each word.
    weights : Array, shape (positions,)
        Shares of the positions.

    Returns
    -------
    edges : Array, shape (cells + 1,)
        Every moment at which a position begins or ends.
    times : Array, shape (words, cells)
        NaN where nothing was read.
    density : Array, shape (cells,)
        Share for each unit of time; it integrates to the sum of the weights.
    """
    spans = np.round(spans, 6)
    edges = np.unique(spans)
    middle = (edges[:-1] + edges[1:]) / 2
    covers = ((spans[:, :1] <= middle) & (middle < spans[:, 1:])).astype(np.float64)
    count = covers.sum(axis=0)
    mean = np.where(count > 0, times @ covers / np.maximum(count, 1), np.nan)
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
    columns = min(3, len(genres))
    rows = -(-len(genres) // columns)
    limit = 1.05 * max([1.0, *words["times"]])
    names = [in_lines(genre, 16 if columns > 2 else 26) for genre in genres]
    with drawing():
        size = (WIDTH, (1.93 + LINE * most_lines(names)) * rows + 0.9)
        figure, axes = subplots(rows, columns, figsize=size, squeeze=False)
        for axis in axes.flat[len(genres) :]:
            axis.set_axis_off()
        for axis, genre, name in zip(axes.flat, genres, names, strict=False):
            top = words[words["genre"] == genre].head(most)
            axis.barh(range(len(top)), top["times"], color="C0")
            axis.set_yticks(
                range(len(top)), [f"{_shorten(w)} ({n})" for w, n in zip(top["word"], top["songs"], strict=True)]
            )
            axis.axvline(1, color=INK, ls="--", lw=1)
            axis.set(title=name, xlim=(0, limit), ylim=(most - 0.5, -0.5))
            if not len(top):
                axis.text(0.5, 0.5, "no word in\nenough songs", transform=axis.transAxes, ha="center", va="center")
        put_title(figure, f"Most attended words: {title}")
        figure.supxlabel("attention, times an even spread (dashed); in brackets the number of songs", fontsize=9.5)
        save_for_page(figure, path)


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
    with drawing():
        figure, (curves, difference) = subplots(1, 2, figsize=(WIDTH, 3.6))
        for kind, (color, style, label) in kinds.items():
            _draw_curve(curves, removed, metrics[kind], color, style, label)
        curves.set(xlabel="words removed (%)", ylabel="probability of the\npredicted genre")
        figure.legend(title="removed, with 95 % intervals", loc="outside lower left", ncols=2, alignment="left")
        _draw_curve(difference, removed, metrics["difference"], INK, "o-", "")
        difference.axhline(0, color=QUIET, lw=1)
        difference.set(xlabel="words removed (%)", ylabel="attended less random\n(95 %, paired)")
        put_title(figure, title)
        save_for_page(figure, path)


def _draw_curve(axis: Any, x: Array, points: list[dict[str, Any]], color: str, style: str, label: str) -> None:
    low, high = np.array([point["ci95"] for point in points]).T
    axis.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    axis.plot(x, [point["probability"] for point in points], style, color=color, label=label)


def _audio_heights(song: SongPicture) -> list[float]:
    return [1.1] if song.mel is None else [1.3, 1.1]


def _draw_audio(axes: Array, song: SongPicture, *, most: tuple[int, int] | None = None) -> None:
    """Spectrogram, where there is one, of so many bands and columns at most, and the share of each moment."""
    edges, _, density = on_time(song.spans, song.times, song.weights)
    unit = "position" if song.mel is None else "second"
    if song.mel is not None:
        _draw_mel(axes[0], song.mel, song.column_seconds, most or song.mel.shape)
    axes[-1].stairs(100 * density, edges, color="C1", lw=1.6, baseline=None)
    axes[-1].set(ylabel=f"audio's share\n(% a {unit})", ylim=(0, 110 * density.max()))


def _label_time(axis: Axes, song: SongPicture) -> None:
    """From the beginning to the end of the song, or of the frames that reach past it."""
    end = float(song.spans.max())
    if song.mel is None:
        axis.set(xlabel="position in the song", xlim=(0, end))
        return
    end = max(end, song.mel.shape[1] * song.column_seconds)
    mark_minutes(axis, end)
    axis.set(xlabel="time in the song (minutes:seconds)", xlim=(0, end))


def _draw_map(axis: Axes, song: SongPicture, rows: Array) -> QuadMesh:
    """Some words, in the order of the song, against time: what each moment gives them."""
    edges, times, _ = on_time(song.spans, song.times[rows], song.weights)
    colors = np.ma.masked_invalid(strength(times))
    shown = axis.pcolormesh(edges, np.arange(len(rows) + 1) - 0.5, colors, cmap=SCALE, vmin=-1, vmax=1)
    axis.set_yticks(range(len(rows)), [_shorten(song.words[row]) for row in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_ylabel(f"words that get most for their even\nshare ({len(rows)} of {len(song.words)})")
    _label_time(axis, song)
    return shown


def _draw_times(axis: Axes, song: SongPicture, rows: Array) -> None:
    """What the whole song gives the words of the map."""
    axis.barh(range(len(rows)), song.shares[rows] / song.even[rows], color="C0")
    axis.axvline(1, color=INK, ls="--", lw=1)
    axis.set(xlabel="whole song, times\nthe even share (dashed)", ylim=(len(rows) - 0.5, -0.5), yticks=[])


def _draw_lyrics(axis: Axes, lyrics: LyricsPicture) -> None:
    some = "" if lyrics.shown == lyrics.rows else f"; of {lyrics.rows} lines the {lyrics.shown} that get most"
    axis.set_title(f"Lyrics, behind each word its share of the whole song's attention in the same colours{some}")
    lyrics.draw(axis)


def _draw_mel(axis: Any, mel: Array, column_seconds: float, most: tuple[int, int]) -> None:
    bands, columns = mel.shape
    # Column c is centred at c times the hop.
    extent = (-column_seconds / 2, (columns - 0.5) * column_seconds, 0, bands)
    top = float(mel.max())
    for axis_number, n in enumerate(most):
        mel = _coarser(mel, axis_number, n)
    colors = {"vmin": top - DYNAMIC_RANGE, "vmax": top, "interpolation": "none"}
    axis.imshow(mel, origin="lower", aspect="auto", extent=extent, **colors)
    axis.set(ylabel="mel band", ylim=(0, bands))


def _coarser(mel: Array, axis: int, most: int) -> Array:
    """Means of neighbours along an axis, so that no more than so many are left."""
    starts = np.unique(np.linspace(0, mel.shape[axis], min(most, mel.shape[axis]), endpoint=False).astype(int))
    sizes = np.diff(np.append(starts, mel.shape[axis]))
    sums = np.add.reduceat(mel, starts, axis=axis)
    return np.asarray(sums / np.expand_dims(sizes, 1 - axis))


def _shorten(word: str) -> str:
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
