"""Figures: one message each, readable in grey, with n and protocol in the title.

They are made without pyplot, which chooses how a whole process draws: a notebook or a program keeps its own choice.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import auc, roc_curve

from genrefusion.core.files import atomic_path
from genrefusion.features.mel import DYNAMIC_RANGE, log_mel
from genrefusion.metrics.predictions import arrays, genre_columns
from genrefusion.metrics.scores import CALIBRATION_BINS, calibration_error, confidence_bins, confusion

STYLE = Path(__file__).with_name("style.mplstyle")
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200)  # seconds


def plot_confusion(predictions: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw the confusion matrix: share of each true genre's tracks, with the counts written in.

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.metrics.predictions`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    counts = confusion(predictions)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    size = 1.8 + 0.48 * len(counts)
    with matplotlib.style.context(STYLE):
        figure, axes = subplots(figsize=(size + 0.8, size))
        image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        for (row, column), n in np.ndenumerate(counts.to_numpy()):
            if n:
                axes.text(column, row, n, ha="center", va="center", color="white" if shares[row, column] > 0.5 else "k")
        axes.set_xticks(range(len(counts)), counts.columns, rotation=45, ha="right")
        axes.set_yticks(range(len(counts)), counts.index)
        axes.set(xlabel="predicted genre", ylabel="true genre", title=title)
        figure.colorbar(image, label="share of the true genre's tracks", shrink=0.8)
        save_figure(figure, path)


def plot_learning_curve(history: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw training loss and validation log loss, and validation accuracy, over epochs; kept epochs are marked.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, with ``fold`` and ``member``: see `genrefusion.training.loop.train_network`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    with matplotlib.style.context(STYLE):
        figure, (losses, accuracies) = subplots(1, 2, figsize=(9, 3.4))
        for number, (_, rows) in enumerate(history.groupby(["fold", "member"])):
            label = {} if number else {"train": "training loss", "val": "validation log loss", "best": "epoch kept"}
            best = rows[rows["best"]]
            losses.plot(rows["epoch"], rows["loss"], color="C0", ls="--", lw=1, label=label.get("train"))
            losses.plot(rows["epoch"], rows["val_log_loss"], color="C1", label=label.get("val"))
            losses.plot(best["epoch"], best["val_log_loss"], "o", color="C1", label=label.get("best"))
            accuracies.plot(rows["epoch"], rows["val_accuracy"], color="C1")
            accuracies.plot(best["epoch"], best["val_accuracy"], "o", color="C1")
        losses.set(xlabel="epoch", ylabel="nats", title=title)
        losses.legend()
        accuracies.set(xlabel="epoch", ylabel="validation accuracy, songs", ylim=(0, 1))
        save_figure(figure, path)


def plot_roc(predictions: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw the ROC curve of each genre against the rest, and their mean; the legend has the areas under them.

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.metrics.predictions`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    grid = np.linspace(0, 1, 201)
    rates, areas = [], []
    with matplotlib.style.context(STYLE):
        figure, axes = subplots(figsize=(6.4, 4.2))
        for number, genre in enumerate(genre_columns(predictions)):
            true = predictions["genre"] == genre
            if not true.any() or true.all():
                continue
            false_rate, true_rate, _ = roc_curve(true, predictions[genre])
            rates.append(np.interp(grid, false_rate, true_rate))
            areas.append(auc(false_rate, true_rate))
            style = ("-", "--", ":")[number // 8 % 3]
            axes.plot(false_rate, true_rate, style, color=f"C{number % 8}", lw=1, label=f"{genre} {areas[-1]:.2f}")
        if rates:
            axes.plot(grid, np.mean(rates, axis=0), "k", lw=2.5, label=f"mean of genres {np.mean(areas):.2f}")
            axes.legend(title="area under the curve", bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=8)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title, aspect="equal")
        save_figure(figure, path)


def plot_reliability(predictions: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw accuracy against confidence: how often predictions are right that were made with some probability.

    A point for each tenth of confidence that has tracks, at their mean confidence, with their number; the bar from it
    to the diagonal is how far the probabilities are off (Niculescu-Mizil and Caruana 2005).

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.metrics.predictions`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    truth, probabilities = arrays(predictions)
    bins, confidence = confidence_bins(probabilities)
    tracks = pd.DataFrame({"confidence": confidence, "right": probabilities.argmax(axis=1) == truth})
    means = tracks.groupby(bins).mean()
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)[means.index]
    error = calibration_error(truth, probabilities)
    with matplotlib.style.context(STYLE):
        figure, axes = subplots(figsize=(7.4, 4.6))
        axes.plot([0, 1], [0, 1], "k--", lw=1, label="right as often as they say")
        axes.vlines(means["confidence"], means["confidence"], means["right"], color="C4", lw=8)
        axes.plot(means["confidence"], means["right"], "o", color="C0", label="a tenth of confidence, n tracks")
        for x, y, n in zip(means["confidence"], means["right"], counts, strict=True):
            away, side = (-6, "top") if y < x else (6, "bottom")  # of the bar
            axes.annotate(f"{n}", (x, y), xytext=(0, away), textcoords="offset points", ha="center", va=side)
        axes.set(xlabel="probability of the predicted genre", ylabel="share that is right", title=title)
        axes.set(xlim=(0, 1.02), ylim=(-0.08, 1.08), aspect="equal")
        axes.legend(title=f"calibration error {error:.3f}", bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=8)
        save_figure(figure, path)


def plot_importance(importance: pd.DataFrame, path: Path, *, title: str, most: int = 15) -> None:
    """Draw the features with the highest gain, and for each genre how far they move its score (mean |SHAP|).

    Parameters
    ----------
    importance : DataFrame
        Columns ``feature``, ``gain``, ``fold`` and one for each genre; folds are averaged.
    path : Path
        PNG file to write.
    title : str
        Says corpus and protocol.
    most : int
        Number of features to show.
    """
    table = importance.drop(columns="fold").groupby("feature").mean().nlargest(most, "gain")
    genres = [str(name) for name in table.columns if name != "gain"]
    with matplotlib.style.context(STYLE):
        figure, (bars, image) = subplots(1, 2, figsize=(4.5 + 0.45 * len(genres), 1.6 + 0.28 * most), sharey=True)
        places = np.arange(len(table))
        bars.barh(places, table["gain"], color="C0")
        bars.set_yticks(places, [str(name) for name in table.index])
        bars.invert_yaxis()
        bars.set(xlabel="gain", title=title)
        shown = image.imshow(table[genres], aspect="auto", cmap="Blues", vmin=0)
        image.set_xticks(range(len(genres)), genres, rotation=45, ha="right")
        figure.colorbar(shown, label="mean |SHAP|, validation tracks")
        save_figure(figure, path)


def plot_song(
    genres: pd.Series, frames: list[tuple[tuple[float, float], pd.Series]], path: Path, *, title: str
) -> None:
    """Draw how the genres of a song share out its time, frame by frame, and the whole song as bars in the same order.

    Parameters
    ----------
    genres : Series
        Probability of each genre.
    frames : list of ((float, float), Series)
        Beginning and end of each frame in seconds, and its probabilities; where two overlap, the border lies in the
        middle. Without any, the bars stand alone.
    path : Path
        PNG file to write.
    title : str
        Names the song.
    """
    names = [str(genre) for genre in genres.index]
    looks = [{"color": f"C{i % 8}", "hatch": ("", "///", "...")[i // 8 % 3]} for i in range(len(names))]
    height = 1.4 + 0.24 * len(names)
    with matplotlib.style.context(STYLE):
        if frames:
            figure, (course, bars) = subplots(1, 2, figsize=(10, height), width_ratios=(5, 2))
            spans = np.array([span for span, _ in frames])
            inner = (spans[:-1, 1] + spans[1:, 0]) / 2
            edges = np.concatenate([spans[:1, 0], inner, spans[-1:, 1]])
            tops = np.cumsum([row.to_numpy() for _, row in frames], axis=1)
            below = np.zeros(len(frames))
            for top, look in zip(tops.T, looks, strict=True):
                course.stairs(
                    top,
                    edges,
                    baseline=below,
                    fill=True,
                    edgecolor="white",
                    lw=0.6,
                    facecolor=look["color"],
                    hatch=look["hatch"],
                )
                below = top
            mark_minutes(course, edges[-1])
            course.set(xlabel="minutes", ylabel="probability", ylim=(0, 1), xlim=(0, edges[-1]), title=title)
        else:
            figure, bars = subplots(figsize=(5, height))
            bars.set_title(title)
        places = np.arange(len(names))
        for place, p, look in zip(places, genres, looks, strict=True):
            bars.barh(place, p, edgecolor="white", **look)
            bars.annotate(f"{100 * p:.0f} %", (p, place), xytext=(3, 0), textcoords="offset points", va="center")
        bars.set_yticks(places, names)
        bars.set(xlabel="probability, whole song", xticks=(0, 0.5, 1), xlim=(0, 1.15))
        save_figure(figure, path)


def draw_spectrogram(audio: npt.NDArray[np.float32], *, sample_rate: int, title: str) -> Picture:
    """Draw the log mel-spectrogram of a clip, for a notebook to show.

    Parameters
    ----------
    audio : ndarray, shape (samples,)
        Mono.
    sample_rate : int
        In Hz.
    title : str
        Names the clip.
    """
    hop = sample_rate // 43  # some 23 ms
    mel = log_mel(audio, sample_rate=sample_rate, n_fft=2 * hop, hop=hop, n_mels=64)
    with matplotlib.style.context(STYLE):
        figure, axes = subplots(figsize=(9, 2.6))
        extent = (0, len(audio) / sample_rate, 0, len(mel))
        top = float(mel.max())
        image = axes.imshow(mel, origin="lower", aspect="auto", extent=extent, vmin=top - DYNAMIC_RANGE, vmax=top)
        axes.set(xlabel="time (s)", ylabel="mel band", title=title)
        figure.colorbar(image, label="dB")
    return figure


def mark_minutes(axis: Axes, seconds: float) -> None:
    """Mark an axis that begins at 0 s in minutes and seconds, as 1:30; eight marks at most up to so many seconds."""
    step = next((step for step in _TICKS if seconds <= 8 * step), _TICKS[-1])
    ticks = np.arange(0, seconds + 1, step)
    axis.set_xticks(ticks, [minutes(tick) for tick in ticks])


def minutes(seconds: float) -> str:
    """Time in a song as it is read, such as 1:30."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Picture(Figure):
    """A figure that a notebook shows, as it does those of pyplot."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        with missing_letters():
            self.savefig(content, format="png")
        return content.getvalue()


def subplots(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], **options: Any) -> tuple[Picture, Any]:
    """Figure and its axes as ``pyplot.subplots`` gives them, of which pyplot knows nothing."""
    figure = Picture(figsize=figsize)
    return figure, figure.subplots(rows, columns, **options)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with atomic_path(path) as temporary, missing_letters():
        figure.savefig(temporary, format="png")


@contextlib.contextmanager
def missing_letters() -> Iterator[None]:
    """Say nothing of letters that no font has: they become boxes, which is no news to the user."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*([Gg]lyph .*missing|does not support .* natively)")
        yield
