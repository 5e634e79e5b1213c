"""Figures of runs and songs: one message each, readable in grey, with n and protocol in the title."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from sklearn.metrics import auc, roc_curve

from genrefusion.features.mel import DYNAMIC_RANGE, log_mel
from genrefusion.metrics.predictions import arrays, genre_columns
from genrefusion.metrics.scores import CALIBRATION_BINS, calibration_error, confidence_bins, confusion
from genrefusion.reports.drawing import (
    LINE,
    SHARES,
    WIDTH,
    Picture,
    drawing,
    in_lines,
    mark_minutes,
    most_lines,
    put_legend,
    put_title,
    save_figure,
    save_for_page,
    subplots,
    text_width,
)
from genrefusion.reports.palette import CYCLE, INK, PAGE, QUIET


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
    n = len(counts)
    cell = max(0.16, 2.4 / n, min(0.5, 4.4 / n))  # inches
    names = _broken(counts.columns, room=cell / 1.4)
    with drawing():
        beside = text_width(names)
        size = (max(WIDTH, cell * n + beside + 1.5), cell * n + 1.3 + 0.75 * max(beside, 0.8))
        figure, axes = subplots(figsize=size)
        image = axes.imshow(shares, vmin=0, vmax=1, cmap=SHARES, interpolation="none")
        axes.set_anchor("W")
        for (row, column), count in np.ndenumerate(counts.to_numpy()):
            if count:
                axes.text(column, row, count, ha="center", va="center", size=min(9.5, 36 * cell))
        axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), names)
        axes.set(xlabel="predicted genre", ylabel="true genre")
        for mark in (axes.set_xticks, axes.set_yticks):
            mark(np.arange(n - 1) + 0.5, minor=True)
        axes.grid(which="minor", color=QUIET, alpha=0.25, lw=0.5)
        axes.tick_params(which="minor", length=0)
        scale = axes.inset_axes((1.0 + 0.15 / (cell * n), 0, 0.15 / (cell * n), 1))
        figure.colorbar(image, cax=scale, label="share of the true genre's songs")
        put_title(figure, title)
        save_for_page(figure, path)


def plot_learning_curve(history: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw training loss and validation log loss, and validation accuracy, over epochs; kept epochs are marked.

    Each training, of a fold or a member, has a colour of its own as far as colours go.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, with ``fold`` and ``member``: see `genrefusion.training.loop.train_network`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    trainings = _trainings(history)
    many = len(trainings) > len(CYCLE)
    with drawing():
        figure, (losses, accuracies) = subplots(1, 2, figsize=(WIDTH, 3.3))
        for number, rows in enumerate(trainings.values()):
            look: dict[str, Any] = {"color": CYCLE[0 if many else number], "alpha": 0.5 if many else 1}
            kept = rows[rows["best"]]
            dot = look | {"marker": "o", "ms": 8, "mec": PAGE, "mew": 1.5, "ls": "", "zorder": 4, "clip_on": False}
            losses.plot(rows["epoch"], rows["loss"], ls="--", lw=1, **look)
            for axes, column in ((losses, "val_log_loss"), (accuracies, "val_accuracy")):
                axes.plot(rows["epoch"], rows[column], **look)
                axes.plot(kept["epoch"], kept[column], **dot)
        losses.set(xlabel="epoch", ylabel="loss (nats)")
        accuracies.set(xlabel="epoch", ylabel="validation accuracy, songs", ylim=(0, 1))
        for axes in (losses, accuracies):
            axes.xaxis.get_major_locator().set_params(integer=True)
        handles = [
            Line2D([], [], color=INK, ls="--", lw=1, label="training loss"),
            Line2D([], [], color=INK, label="validation"),
            Line2D([], [], color=INK, marker="o", ms=8, ls="", label="epoch that was kept"),
        ]
        if len(trainings) > 1 and not many:
            handles += [Line2D([], [], color=CYCLE[i], lw=4, label=name) for i, name in enumerate(trainings)]
        if many:
            handles.append(Line2D([], [], color=CYCLE[0], alpha=0.5, lw=4, label=f"{len(trainings)} trainings"))
        put_legend(figure, handles, [str(handle.get_label()) for handle in handles], most=3)
        put_title(figure, title)
        save_for_page(figure, path)


def _trainings(history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each training, by what it is called among the others."""
    differ = [what for what in ("fold", "member") if len(history[what].unique()) > 1]
    members = set(history["member"].astype(str))
    whole = len(members) > 1 and sum(member.isdigit() for member in members) == 1  # the others are parts with names
    called = {member: f"member {int(member) + 1}" if member.isdigit() else member for member in members}
    called |= {member: "whole network" for member in members if whole and member.isdigit()}
    found: dict[str, pd.DataFrame] = {}
    for _, rows in history.groupby(["fold", "member"]):
        names = {"fold": f"fold {rows['fold'].iloc[0] + 1}", "member": called[str(rows["member"].iloc[0])]}
        found[", ".join(names[what] for what in differ)] = rows
    return found


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
    genres = genre_columns(predictions)
    with drawing():
        beside = len(genres) < 22 and text_width(genres) < 2
        figure, axes = subplots(figsize=(WIDTH, max(4.2, 0.9 + 0.2 * len(genres)) if beside else 5))
        for number, genre in enumerate(genres):
            true = predictions["genre"] == genre
            if not true.any() or true.all():
                continue
            false_rate, true_rate, _ = roc_curve(true, predictions[genre])
            rates.append(np.interp(grid, false_rate, true_rate))
            areas.append(auc(false_rate, true_rate))
            style = ("-", "--", ":")[number // 8 % 3]
            axes.plot(false_rate, true_rate, style, color=f"C{number % 8}", lw=1.2, label=f"{genre} {areas[-1]:.2f}")
        if rates:
            axes.plot(grid, np.mean(rates, axis=0), color=INK, lw=2.8, label=f"mean of genres {np.mean(areas):.2f}")
            heading = "area under the curve"
            if beside:
                axes.legend(title=heading, bbox_to_anchor=(1.02, 1), loc="upper left", alignment="left")
            else:
                put_legend(figure, *axes.get_legend_handles_labels(), title=heading)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal", anchor="NW")
        put_title(figure, title)
        save_for_page(figure, path)


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
    with drawing():
        figure, axes = subplots(figsize=(WIDTH, 4.4))
        axes.plot([0, 1], [0, 1], color=INK, ls="--", lw=1, label="as often right as the\nprobability says")
        gap = axes.vlines(means["confidence"], means["confidence"], means["right"], color="C4", lw=8, alpha=0.45)
        gap.set_label("how far they are off")
        label = f"songs of each {100 // CALIBRATION_BINS} % of probability,\nand how many they are"
        axes.plot(means["confidence"], means["right"], "o", ms=7, color="C0", label=label)
        for x, y, n in zip(means["confidence"], means["right"], counts, strict=True):
            away, side = (-6, "top") if y < x else (6, "bottom")  # of the bar
            axes.annotate(f"{n}", (x, y), xytext=(0, away), textcoords="offset points", ha="center", va=side)
        axes.set(xlabel="probability of the predicted genre", ylabel="share that is right")
        axes.set(xlim=(0, 1.02), ylim=(-0.08, 1.08), aspect="equal", anchor="NW")
        axes.legend(
            title=f"calibration error {error:.3f}", bbox_to_anchor=(1.02, 1), loc="upper left", alignment="left"
        )
        put_title(figure, title)
        save_for_page(figure, path)


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
    share = min(0.75, 0.3 + 0.02 * len(genres))
    with drawing():
        names, below = [in_lines(str(name), 28) for name in table.index], text_width(genres)
        width = max(WIDTH, 2.8 + text_width(names) + 0.17 * len(genres))
        height = 1.2 + (0.08 + LINE * most_lines(names)) * len(table) + max(0.7, below)
        figure, (bars, image) = subplots(1, 2, figsize=(width, height), sharey=True, width_ratios=(1 - share, share))
        places = np.arange(len(table))
        bars.barh(places, table["gain"], color="C0", height=0.7)
        bars.set_yticks(places, names)
        bars.invert_yaxis()
        bars.set(xlabel="gain")
        shown = image.imshow(table[genres], aspect="auto", cmap=SHARES, vmin=0, interpolation="none")
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        image.set_xticks(range(len(genres)), genres, **(slanted if below < 1 else {"rotation": 90}))
        figure.colorbar(shown, label="mean |SHAP|,\nvalidation songs")
        put_title(figure, title)
        save_for_page(figure, path)


def plot_frames(
    songs: list[tuple[str, pd.DataFrame]], path: Path, *, title: str, genres: list[str], columns: int = 2
) -> None:
    """Draw how the genres of some songs share out their frames, one after the other.

    Parameters
    ----------
    songs : list of (str, DataFrame)
        What is said of each, and the probabilities of its frames, one row each.
    path : Path
        PNG file to write.
    title : str
        Says corpus and protocol.
    genres : list of str
        In the order in which they lie on each other.
    columns : int
        Of songs.
    """
    rows = -(-len(songs) // columns)
    said = [in_lines(name, 36) for name, _ in songs]
    with drawing():
        size = (WIDTH, 0.6 + rows * (1.4 + LINE * most_lines(said)))
        figure, axes = subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
        for axis in axes.flat[len(songs) :]:
            axis.set_axis_off()
        for axis, name, (_, frames) in zip(axes.flat, said, songs, strict=False):
            drawn = _stack(axis, frames[genres].to_numpy(), np.arange(len(frames) + 1) + 0.5)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set(title=name, xlim=(0.5, len(frames) + 0.5), ylim=(0, 1), yticks=(0, 0.5, 1))
        for axis in axes[:, 0]:
            axis.set_ylabel("probability")
        for axis in axes[-1]:
            axis.set_xlabel("frame of the song")
        put_legend(figure, drawn, genres)
        put_title(figure, title)
        save_for_page(figure, path)


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
    names = [in_lines(str(genre), 40) for genre in genres.index]
    looks = [_look(number) for number in range(len(names))]
    height = 1.5 + (0.07 + LINE * most_lines(names)) * len(names)
    with drawing():
        if frames:
            figure, (course, bars) = subplots(1, 2, figsize=(WIDTH, height), width_ratios=(5, 2))
            spans = np.array([span for span, _ in frames])
            inner = (spans[:-1, 1] + spans[1:, 0]) / 2
            edges = np.concatenate([spans[:1, 0], inner, spans[-1:, 1]])
            _stack(course, np.stack([row.to_numpy() for _, row in frames]), edges)
            mark_minutes(course, edges[-1])
            course.set(xlabel="minutes", ylabel="probability", ylim=(0, 1), xlim=(0, edges[-1]), yticks=(0, 0.5, 1))
        else:
            figure, bars = subplots(figsize=(WIDTH, height))
        places = np.arange(len(names))
        for place, p, look in zip(places, genres, looks, strict=True):
            bars.barh(place, p, edgecolor=PAGE, **look)
            bars.annotate(f"{100 * p:.0f} %", (p, place), xytext=(3, 0), textcoords="offset points", va="center")
        bars.set_yticks(places, names)
        bars.set(xlabel="probability,\nwhole song", xticks=(0, 0.5, 1), xlim=(0, 1.2))
        bars.spines["bottom"].set_bounds(0, 1)  # what is beyond is room for the figures
        put_title(figure, title)
        save_figure(figure, path)


def _broken(names: Iterable[str], *, room: float) -> list[str]:
    """Long names in lines, where these have room: so many inches for a name; names as they are where they have not."""
    broken = [in_lines(str(name), 22) for name in names]
    return broken if LINE * most_lines(broken) <= room else [str(name) for name in names]


def _look(number: int) -> dict[str, Any]:
    """Of a genre, by its number."""
    return {"color": f"C{number % 8}", "hatch": ("", "///", "...")[number // 8 % 3]}


def _stack(axes: Axes, shares: npt.NDArray[Any], edges: npt.NDArray[Any]) -> list[Any]:
    """Lay shares, shape (frames, genres), on each other between edges; returns what was drawn of each genre."""
    below, drawn = np.zeros(len(shares)), []
    for number, top in enumerate(np.cumsum(shares, axis=1).T):
        look = _look(number)
        area = axes.stairs(
            top,
            edges,
            baseline=below,
            fill=True,
            edgecolor=PAGE,
            lw=0.6,
            facecolor=look["color"],
            hatch=look["hatch"],
        )
        drawn.append(area)
        below = top
    return drawn


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
    with drawing():
        figure, axes = subplots(figsize=(WIDTH, 2.4))
        extent = (0, len(audio) / sample_rate, 0, len(mel))
        top = float(mel.max())
        image = axes.imshow(mel, origin="lower", aspect="auto", extent=extent, vmin=top - DYNAMIC_RANGE, vmax=top)
        axes.set(xlabel="time (s)", ylabel="mel band", title=title)
        figure.colorbar(image, label="dB")
    return figure
