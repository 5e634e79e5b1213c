"""Figures of what a co-attention network looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.evaluation.plots import STYLE, save_figure
from genrefusion.evaluation.statistics import MEAN, bootstrap_intervals

if TYPE_CHECKING:
    from genrefusion.explanation import WordShares
    from genrefusion.pipelines.attention import Attended, Spectrogram

Array = npt.NDArray[np.float64]

_MOST_WORDS = 25


def plot_attention(attended: Attended, song: WordShares, mel: Spectrogram | None, path: Path) -> None:
    """Draw a song's spectrogram, the share of each of its moments, and the attention of each moment over its words.

    Parameters
    ----------
    attended : Attended
        One song.
    song : WordShares
        Its words; the ones with the highest share are drawn, in the order of the song.
    mel : Spectrogram, optional
        Of the whole song.
    path : Path
        PNG file to write.
    """
    chosen = np.sort(np.argsort(-song.shares, kind="stable")[:_MOST_WORDS])
    by_word = np.stack([attended.over_words[:, song.token_words == word].sum(axis=1) for word in chosen])
    order = np.argsort(attended.seconds, kind="stable")
    edges = _edges(attended.seconds[order])
    with plt.style.context(STYLE):
        heights = [2.2 if mel is not None else 0.01, 0.8, 0.24 * len(chosen) + 0.6]
        figure, axes = plt.subplots(
            3, 2, figsize=(11, sum(heights) + 1), width_ratios=[6, 1], height_ratios=heights, layout="constrained"
        )
        for corner in (axes[0, 1], axes[1, 1]):
            corner.set_axis_off()
        if mel is None:
            axes[0, 0].set_axis_off()
        else:
            extent = (0, mel.seconds, 0, len(mel.bands))
            axes[0, 0].imshow(mel.bands, origin="lower", aspect="auto", extent=extent, cmap="gray")
            axes[0, 0].set(ylabel="mel band", xticks=[], xlim=(edges[0], edges[-1]))
        axes[1, 0].stairs(attended.moment_shares[order] * len(order), edges, fill=True)
        axes[1, 0].axhline(1, color="k", lw=0.6, ls=":")
        axes[1, 0].set(ylabel="share\n/ even", xticks=[], xlim=(edges[0], edges[-1]))
        image = axes[2, 0].pcolormesh(edges, np.arange(len(chosen) + 1), by_word[:, order], cmap="Blues", vmin=0)
        axes[2, 0].set_yticks(np.arange(len(chosen)) + 0.5, [_plain(song.words[word]) for word in chosen])
        axes[2, 0].invert_yaxis()
        axes[2, 0].set(xlabel=f"time in {attended.unit}" if attended.unit else "number of the vector in its sequence")
        axes[2, 0].set(xlim=(edges[0], edges[-1]))
        figure.colorbar(image, ax=axes[2, 1], label="attention of the moment over the word", fraction=0.4, aspect=30)
        axes[2, 1].barh(np.arange(len(chosen)) + 0.5, song.shares[chosen] * len(song.shares), height=0.8)
        axes[2, 1].axvline(1, color="k", lw=0.6, ls=":")
        axes[2, 1].set(yticks=[], ylim=axes[2, 0].get_ylim(), xlabel="share / even")
        figure.suptitle(
            f"{_plain(attended.track)}: {_plain(attended.genre)}, taken for {_plain(attended.predicted)} "
            f"({attended.probability:.0%}); the {len(chosen)} most attended of {len(song.shares)} words"
        )
        save_figure(figure, path)


def plot_words(words: pd.DataFrame, path: Path) -> None:
    """Draw the most attended words of each genre.

    Parameters
    ----------
    words : DataFrame
        ``genre, word, lift, songs``, see `genrefusion.explanation.words_of_genres`.
    path : Path
        PNG file to write.
    """
    genres = list(words["genre"].unique())
    columns = min(5, max(1, len(genres)))
    rows = max(1, -(-len(genres) // columns))
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(2.4 * columns, 2.4 * rows + 0.6), squeeze=False, sharex=True, layout="constrained"
        )
        for axis in axes.flat[len(genres) :]:
            axis.set_axis_off()
        for axis, genre in zip(axes.flat, genres, strict=False):
            table = words[words["genre"] == genre]
            axis.barh([_plain(f"{w} ({n})") for w, n in zip(table["word"], table["songs"], strict=True)], table["lift"])
            axis.axvline(1, color="k", lw=0.6, ls=":")
            axis.invert_yaxis()
            axis.set_title(_plain(genre))
        figure.supxlabel("attention over an even spread (songs with the word)")
        save_figure(figure, path)


def plot_deletion(deleted: pd.DataFrame, path: Path) -> None:
    """Draw the mean probability over the share of words taken away, with 95 % bootstrap intervals over songs.

    Parameters
    ----------
    deleted : DataFrame
        See `genrefusion.explanation.deletion_test`.
    path : Path
        PNG file to write.
    """
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(figsize=(5, 3.6))
        for kind, style in (("random", "--o"), ("attended", "-s")):
            table = deleted[deleted["words"] == kind].pivot_table("probability", ["track_id", "genre"], "share")
            genres = np.unique(table.index.get_level_values("genre"), return_inverse=True)[1]
            ends = np.array([bootstrap_intervals(genres, table[[share]].to_numpy(), MEAN)["mean"] for share in table])
            (line,) = axes.plot(100 * table.columns, table.mean(), style, ms=4, label=f"{kind} words")
            axes.fill_between(100 * table.columns, ends[:, 0], ends[:, 1], alpha=0.2, color=line.get_color())
        axes.set(xlabel="words taken away in %", ylabel="probability of the predicted genre")
        axes.set_title(f"deletion test, {deleted['track_id'].nunique()} songs")
        axes.legend()
        save_figure(figure, path)


def _edges(centres: Array) -> Array:
    """Edges of cells around ordered centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _plain(text: str) -> str:
    """Text that matplotlib takes for text: a dollar sign begins a formula otherwise."""
    return text.replace("$", r"\$")
