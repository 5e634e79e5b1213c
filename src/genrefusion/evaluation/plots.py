"""Figures: one message each, readable in grey, with n and protocol in the title."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display is needed

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from genrefusion.evaluation.metrics import confusion
from genrefusion.files import atomic_path

STYLE = Path(__file__).with_name("style.mplstyle")


def plot_confusion(predictions: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw the confusion matrix: share of each true genre's tracks, with the counts written in.

    Parameters
    ----------
    predictions : DataFrame
        See `genrefusion.evaluation.predictions`.
    path : Path
        PNG file to write.
    title : str
        Says corpus, protocol and n.
    """
    counts = confusion(predictions)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    size = 1.8 + 0.48 * len(counts)
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(figsize=(size + 0.8, size))
        image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        for (row, column), n in np.ndenumerate(counts.to_numpy()):
            if n:
                axes.text(column, row, n, ha="center", va="center", color="white" if shares[row, column] > 0.5 else "k")
        axes.set_xticks(range(len(counts)), counts.columns, rotation=45, ha="right")
        axes.set_yticks(range(len(counts)), counts.index)
        axes.set(xlabel="predicted genre", ylabel="true genre", title=title)
        figure.colorbar(image, label="share of the true genre's tracks", shrink=0.8)
        _save(figure, path)


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
    with plt.style.context(STYLE):
        figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(9, 3.4))
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
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    plt.close(figure)
