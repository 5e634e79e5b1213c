"""Tables of probabilities: what every metric, table and ensemble is computed from.

A predictions file has one row a track: ``track_id, fold, genre, predicted``, then one column of probabilities for each
genre. A frames file has one row a frame: ``track_id, fold, frame``, then the probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import require_file, write_atomically

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

KEYS = ("track_id", "fold", "genre", "predicted")
TEXT = {"track_id": str, "genre": str, "predicted": str}
"""Types of the columns whose values may look like numbers."""
FRAME_KEYS = ("track_id", "fold", "frame")


@dataclass(frozen=True)
class Prediction:
    """Probabilities of genres.

    Attributes
    ----------
    tracks : DataFrame, shape (n_tracks, n_classes)
        Indexed by ``track_id``; columns are genres in sorted order; rows sum to 1.
    frames : DataFrame, shape (n_frames, n_classes), optional
        Indexed by ``(track_id, frame)``.
    views : dict of str to DataFrame
        By name, probabilities of some of the tracks from some of what is known of them, such as ``audio alone``; laid
        out as `tracks`.
    """

    tracks: pd.DataFrame
    frames: pd.DataFrame | None = None
    views: dict[str, pd.DataFrame] = field(default_factory=dict)


def with_truth(probabilities: pd.DataFrame, genres: pd.Series, *, fold: int = 0) -> pd.DataFrame:
    """Put fold, true genre and most probable genre before the probabilities.

    Parameters
    ----------
    probabilities : DataFrame, shape (n_tracks, n_classes)
        Indexed by ``track_id``.
    genres : Series
        True genre of each track, indexed by ``track_id``.
    fold : int
        Number to note.
    """
    ids = probabilities.index
    left = pd.DataFrame(
        {
            "track_id": ids,
            "fold": fold,
            "genre": genres.loc[ids].to_numpy(),
            "predicted": probabilities.idxmax(axis=1).to_numpy(),
        }
    )
    return pd.concat([left, probabilities.reset_index(drop=True)], axis=1)


def frames_table(frames: pd.DataFrame, *, fold: int = 0) -> pd.DataFrame:
    """Flatten the probabilities of frames, indexed by (track_id, frame), and note the fold."""
    table = frames.reset_index()
    table.insert(1, "fold", fold)
    return table


def genre_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns with probabilities."""
    return [str(c) for c in table.columns if c not in KEYS + FRAME_KEYS]


def arrays(predictions: pd.DataFrame, *, genres: Sequence[str] | None = None) -> tuple[Labels, Array]:
    """True classes, shape (n,), and probabilities, shape (n, genres), with columns taken by name.

    Parameters
    ----------
    predictions : DataFrame
        Predictions for tracks, as a run folder has them.
    genres : sequence of str, optional
        Genres in the wanted order: those that the table has, which is the default, in an order of its own.

    Raises
    ------
    UserError
        The table has other genres, a true genre has no column, or two rows are about one track.
    """
    has = genre_columns(predictions)
    names = has if genres is None else list(genres)
    require_same_genres(names, has)
    # A track may be predicted in several folds, once in each.
    keys = [column for column in ("track_id", "fold") if column in predictions]
    if (again := predictions.duplicated(keys)).any():
        twice = predictions["track_id"][again].unique()
        raise UserError(f"Predictions have more than one row for {len(twice)} tracks:\n{bullet_list(sorted(twice))}")
    truth = class_numbers(predictions["genre"], names)
    return truth, predictions[names].to_numpy(np.float64)


def class_numbers(genres: pd.Series, names: Sequence[str]) -> Labels:
    """Place of each genre in a list of names; one that is not there is refused."""
    found = pd.Index(names).get_indexer(pd.Index(genres)).astype(np.int64)
    if (found < 0).any():
        lacking = sorted({str(genre) for genre in genres[found < 0]})
        raise UserError(f"Tracks have genres that the predictions have no column for:\n{bullet_list(lacking)}")
    return found


def require_same_genres(names: Sequence[str], others: Sequence[str]) -> None:
    """Refuse predictions that are not about the same genres; says what differs."""
    if set(names) == set(others):
        return
    rows = [f"{genre}: in one of them only" for genre in sorted(set(names) ^ set(others))]
    raise UserError(f"Tables of predictions have other genres:\n{bullet_list(rows)}")


def worst_errors(table: pd.DataFrame, *, most: int = 15) -> pd.DataFrame:
    """List the wrongly predicted tracks, those with the most probable wrong genre first.

    Parameters
    ----------
    table : DataFrame
        Predictions for tracks.
    most : int
        Rows at most.

    Returns
    -------
    DataFrame
        Columns ``track_id``, ``genre``, ``p_genre``, ``predicted``, ``p_predicted``.
    """
    wrong = table[table["genre"] != table["predicted"]].reset_index(drop=True)
    rows = wrong.to_dict("records")
    found = wrong[["track_id", "genre", "predicted"]].copy()
    found.insert(2, "p_genre", [row.get(row["genre"]) for row in rows])
    found["p_predicted"] = [row[row["predicted"]] for row in rows]
    return found.sort_values(["p_predicted", "track_id"], ascending=[False, True], ignore_index=True).head(most)


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write a table of predictions."""
    write_atomically(path, as_text(table).encode())


def as_text(table: pd.DataFrame) -> str:
    """Table of predictions as it stands in its file; nine significant digits bring single precision back."""
    return str(table.to_csv(index=False, float_format="%.9g"))


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table of predictions and check that it is one.

    Raises
    ------
    UserError
        The file is missing, or its rows do not sum to 1.
    """
    require_file(path, hint="A finished run has it.")
    try:
        table = pd.read_csv(path, dtype=TEXT, keep_default_na=False)
        probabilities = table[genre_columns(table)].to_numpy(np.float64)
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a table of predictions ({str(error).strip()}).") from error
    if (
        "track_id" not in table
        or not len(table)
        or (probabilities < 0).any()
        or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    ):
        raise UserError(f"{path}: not a table of predictions (the probabilities of a row must sum to 1).")
    return table


def mean_prediction(predictions: list[Prediction]) -> Prediction:
    """Average the probabilities of several pipelines for the same tracks; frames too where all have the same ones."""
    frames = [p.frames for p in predictions if p.frames is not None]
    same = len(frames) == len(predictions) and all(f.index.equals(frames[0].index) for f in frames)
    views = {view: _mean([p.views[view] for p in predictions]) for view in predictions[0].views}
    return Prediction(_mean([p.tracks for p in predictions]), _mean(frames) if same else None, views)


def _mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    total = tables[0]
    for table in tables[1:]:
        total = total + table
    return total / len(tables)
