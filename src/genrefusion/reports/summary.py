"""Tables, metrics and pictures of a run folder, all from its predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.files import write_json
from genrefusion.core.terminal import Terminal
from genrefusion.data.groups import group_names
from genrefusion.data.tracks import Tracks
from genrefusion.metrics import scores
from genrefusion.metrics.clusters import Groups
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.intervals import folds_interval
from genrefusion.metrics.predictions import (
    TEXT,
    Prediction,
    frames_table,
    genre_columns,
    read_predictions,
    with_truth,
    worst_errors,
    write_predictions,
)
from genrefusion.reports.terminal_tables import metric_rows, metrics_table, weakest_genres, with_interval

_DRAWN = 6
"""Songs whose frames are drawn."""

_MOST_LETTERS = 12


def prediction_tables(prediction: Prediction, genres: pd.Series, part: str, *, fold: int) -> dict[str, pd.DataFrame]:
    """Lay a prediction out as the tables of a run folder.

    Parameters
    ----------
    prediction : Prediction
        Of one fold.
    genres : Series
        True genre by track id.
    part : str
        ``val`` or ``test``.
    fold : int
        Number to note.

    Returns
    -------
    dict of str to DataFrame
        By path in the folder: ``predictions/test.csv``, ``frames/test.csv``, ``views/<view>/test.csv``.
    """
    tables = {f"predictions/{part}.csv": with_truth(prediction.tracks, genres, fold=fold)}
    if prediction.frames is not None:
        tables[f"frames/{part}.csv"] = frames_table(prediction.frames, fold=fold)
    for view, table in prediction.views.items():
        tables[f"views/{view}/{part}.csv"] = with_truth(table, genres, fold=fold)
    return tables


def write_tables(tables: dict[str, pd.DataFrame], directory: Path) -> None:
    """Write tables to their paths in a folder."""
    for path, table in tables.items():
        write_predictions(table, directory / path)


def write_names(tracks: Tracks, directory: Path, *, of: set[str]) -> None:
    """Write artist and title of some tracks, the songs that pieces are of, and their group to ``tracks.csv``.

    The report shows names, and intervals draw groups: what was kept on one side of the split
    (`genrefusion.data.groups.group_tracks`). Without names, and with groups of one track each, there is no file.
    """
    columns = [column for column in ("artist", "title", "song") if tracks.has(column)]
    groups = group_names(tracks.table)
    if columns or len(set(groups)) < len(groups):
        names = tracks.table[columns].assign(group=groups).loc[[track for track in tracks.ids if track in of]]
        write_predictions(names.reset_index(), directory / "tracks.csv")


def gather_tables(folders: Sequence[Path], directory: Path) -> None:
    """Put the tables of the folds under each other in the run folder."""
    for name in sorted({str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*.csv")}):
        tables = [
            pd.read_csv(folder / name, dtype=TEXT, keep_default_na=False)
            for folder in folders
            if (folder / name).is_file()
        ]
        write_predictions(pd.concat(tables, ignore_index=True), directory / name)


def summarise(
    directory: Path, genres: pd.Series, *, title: str, terminal: Terminal, caution: str = ""
) -> dict[str, Any]:
    """Compute metrics and draw pictures of a run folder from its tables of predictions, and write them there.

    Parameters
    ----------
    directory : Path
        With ``predictions/`` and perhaps ``frames/``, and with ``tracks.csv`` where artists or songs are known.
    genres : Series
        True genre by track id, for frames.
    title : str
        Of the plots.
    terminal : Terminal
        Is told of letters that no font has.
    caution : str
        What has to be said beside the figures (`genrefusion.settings.features.FeatureSettings`).

    Returns
    -------
    dict
        ``val`` and, where it was predicted, ``test`` metrics over tracks; with folds pooled over all tracks, ``folds``
        lists each fold's test metrics, or else validation metrics, and ``folds_accuracy`` is their mean with
        ``folds_accuracy_ci95``.
    """
    groups = groups_of([directory])
    parts = [part for part in ("val", "test") if (directory / "predictions" / f"{part}.csv").is_file()]
    said = {"caution": caution} if caution else {}
    metrics: dict[str, Any] = {part: _part_metrics(directory, part, genres, groups) | said for part in parts}
    predictions = read_predictions(directory / "predictions" / f"{parts[-1]}.csv")  # a sweep's trial has val alone
    if predictions["fold"].max() > 0:
        metrics |= _folds_metrics(predictions)
    _say_without_font(metrics[parts[-1]]["genres"], terminal)
    _draw(directory, predictions if "test" in metrics else None, title)
    write_json(metrics, directory / "metrics.json")
    return metrics


def _part_metrics(directory: Path, part: str, genres: pd.Series, groups: Groups) -> dict[str, Any]:
    """Metrics of a part over its tracks; over their frames, and of views, where there are any."""
    metrics = scores.score(read_predictions(directory / "predictions" / f"{part}.csv"), groups=groups)
    frames = directory / "frames" / f"{part}.csv"
    if frames.is_file():
        metrics["frames"] = scores.score_frames(read_predictions(frames), genres, groups=groups)
    paths = sorted(directory.glob(f"views/*/{part}.csv"))
    views = {path.parent.name: scores.score(read_predictions(path), groups=groups) for path in paths}
    return metrics | ({"views": views} if views else {})


def _folds_metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Metrics of each fold, and the mean accuracy."""
    folds = [
        scores.score(rows, intervals=False) | {"fold": int(str(number))} for number, rows in predictions.groupby("fold")
    ]
    accuracies = [fold["accuracy"] for fold in folds]
    mean, ends = folds_interval(accuracies, test_share=1 / len(accuracies))
    return {"folds": folds, "folds_accuracy": mean, "folds_accuracy_ci95": list(ends)}


def _draw(directory: Path, test: pd.DataFrame | None, title: str) -> None:
    """Draw what there is: predictions of test tracks, importance of features, the course of a training."""
    from genrefusion.reports import plots  # matplotlib takes half a second to import

    figures = directory / "figures"
    if test is not None:
        count = f"{title}, n = {len(test)}"
        plots.plot_confusion(test, figures / "confusion.png", title=count)
        plots.plot_roc(test, figures / "roc.png", title=count)
        plots.plot_reliability(test, figures / "reliability.png", title=count)
        _draw_frames(directory, test, title)
    importance = directory / "importance.csv"
    if importance.is_file():
        plots.plot_importance(pd.read_csv(importance), figures / "importance.png", title=title)
    history = directory / "history.csv"
    if history.is_file():
        plots.plot_learning_curve(pd.read_csv(history), figures / "learning_curve.png", title=title)


def _draw_frames(directory: Path, test: pd.DataFrame, title: str) -> None:
    """Draw the frames of some songs: of the surest errors, then of songs that are right; nothing without frames."""
    from genrefusion.reports import plots

    path = directory / "frames" / "test.csv"
    if not path.is_file():
        return
    frames = read_predictions(path)
    several = frames["track_id"].value_counts()
    test = test[test["track_id"].isin(several.index[several > 1])].drop_duplicates("track_id")
    wrong = worst_errors(test, most=_DRAWN)
    right = test[test["genre"] == test["predicted"]].drop_duplicates("genre")
    chosen = [*wrong["track_id"][: _DRAWN - min(2, len(right))], *right["track_id"]][:_DRAWN]
    named = test.set_index("track_id")
    songs = [
        (_said(track, named.loc[track, "genre"], named.loc[track, "predicted"]), frames[frames["track_id"] == track])
        for track in chosen
    ]
    if songs:
        genres = genre_columns(test)
        plots.plot_frames(songs, directory / "figures" / "frames.png", title=f"{title}: frames", genres=genres)


def _said(track: str, genre: str, predicted: str) -> str:
    return f"{track}: {genre}" if genre == predicted else f"{track}: {genre}, taken for {predicted}"


def _say_without_font(genres: Collection[str], terminal: Terminal) -> None:
    """Name the letters of genres that come out as boxes, and the cure."""
    if all(genre.isascii() for genre in genres):
        return
    from genrefusion.reports.drawing import without_font

    if letters := without_font(genres):
        shown = letters[:_MOST_LETTERS] + ("…" if len(letters) > _MOST_LETTERS else "")
        terminal.say(
            "note",
            f"no font here has {shown}: boxes stand for them in figures/*.png, not in the report. Noto fonts have them "
            "(Debian: apt install fonts-noto-cjk fonts-noto-core)",
        )


def show_metrics(metrics: dict[str, Any], terminal: Terminal) -> None:
    """Print the table of a run's metrics."""
    terminal.table(metrics_table(metric_rows(metrics)))
    if "folds" in metrics:
        each = ", ".join(f"{fold['accuracy']:.3f}" for fold in metrics["folds"])
        terminal.say("folds", f"accuracy {each}   mean {with_interval(metrics, 'folds_accuracy')}")
    weakest = weakest_genres(metrics["test" if "test" in metrics else "val"])
    if weakest:
        terminal.say("weakest", weakest)
