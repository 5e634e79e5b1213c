"""Features that were computed elsewhere: tables of numbers, and sequences of vectors."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import signature
from genrefusion.data.formats import EXTENSIONS
from genrefusion.data.tracks import Tracks
from genrefusion.settings.features import FeatureSettings, PrecomputedFeatures, TableFeatures

Array = npt.NDArray[np.float32]

_IDS = ("track_id", "filename")
_ENOUGH = 16  # different numbers by which a track is known without its id
_NO_FEATURES = ("length", "label", "genre", "split", "artist", "title")
_INDEX = re.compile(r"index|level_\d+", re.IGNORECASE)
"""What pandas calls the numbers of the rows where it makes a column of them."""
_TOO_MANY_FOR_CHANCE = 20
_FILES = 2
"""Files of ready features that stay in memory, as long as they do not change: a run asks for its own a dozen times."""


def read_feature_table(path: Path) -> pd.DataFrame:
    """Read a CSV file of features, one row a track; the table is shared by all who ask, and not to be changed.

    The column ``track_id``, or ``filename`` without its ending, names the track; the widely used GTZAN table of 57
    librosa features has the latter. Its columns ``length`` and ``label`` are no features and are left out.

    Returns
    -------
    DataFrame
        Numbers, indexed by track id.

    Raises
    ------
    UserError
        The file is missing, has no column of ids, doubled ids, a column that is not numeric, or one that numbers the
        rows: where a table is sorted by genre, it tells the genre.
    """
    if not path.is_file():
        raise UserError(f"features.path={path}: no such file.")
    return _feature_table(path, signature(path))


@functools.lru_cache(maxsize=_FILES)
def _feature_table(path: Path, _: tuple[int, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_IDS, str))
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table ({error}).") from error
    column = next((name for name in _IDS if name in table), None)
    if column is None:
        raise UserError(f"{path}: no column track_id or filename. There are: {', '.join(table.columns[:8])} …")
    endings = "|".join(ending.removeprefix(".") for ending in EXTENSIONS)
    ids = table[column].str.replace(rf"\.({endings})$", "", regex=True, case=False)
    table.index = pd.Index(ids, name="track_id")
    doubled = table.index[table.index.duplicated()]
    if len(doubled):
        raise UserError(f"{path}: tracks that are there twice:\n{bullet_list(doubled)}")
    no_features = [column, *(name for name in _NO_FEATURES if name in table)]
    _refuse_row_numbers(table, path, but=no_features)
    features = table.drop(columns=no_features)
    text = [str(name) for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    if text:
        raise UserError(f"{path}: columns that hold no numbers: {', '.join(text)}.")
    return features.astype(np.float32)


def _refuse_row_numbers(table: pd.DataFrame, path: Path, *, but: list[str]) -> None:
    for number, name in enumerate(table.columns):
        if name in but:
            continue
        nameless = not str(name).strip() or re.fullmatch(r"Unnamed: \d+(\.\d+)?", str(name))
        if nameless or _numbers_rows(table[name], named_so=bool(_INDEX.fullmatch(str(name)))):
            which = f"column {number + 1} has no name" if nameless else f"column '{name}' numbers the rows"
            raise UserError(
                f"{path}: {which}, as the index does that pandas writes; it is no feature. "
                "Save the table with to_csv(path, index=False), or take the column out."
            )


def _numbers_rows(column: pd.Series[Any], *, named_so: bool) -> bool:
    """Whether a column counts the rows: in order, shuffled (where there are too many for chance), or by its name."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column) or not len(column):
        return False
    values = column.to_numpy(np.float64)
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        return False
    in_order = len(values) >= 3 and bool((np.diff(values) == 1).all())
    shuffled = len(values) >= _TOO_MANY_FOR_CHANCE and bool((np.diff(np.sort(values)) == 1).all())
    return named_so or in_order or shuffled


def read_sequences(path: Path) -> Mapping[str, Array]:
    """Read one sequence of vectors for each track from an ``.npz`` file; they are shared by all who ask.

    Arrays: ``track_id`` (n,), ``frames`` (m, d), ``offsets`` (n + 1,); the sequence of track i is
    ``frames[offsets[i]:offsets[i + 1]]``. No pickled object is loaded.

    Returns
    -------
    mapping of str to Array
        Shape (frames, d) each, read-only.

    Raises
    ------
    UserError
        The file is missing or of another layout.
    """
    if not path.is_file():
        raise UserError(f"features.path={path}: no such file.")
    return _sequences(path, signature(path))


@functools.lru_cache(maxsize=_FILES)
def _sequences(path: Path, _: tuple[int, ...]) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, frames, offsets = (file[name] for name in ("track_id", "frames", "offsets"))
    except (KeyError, ValueError, OSError, BadZipFile, EOFError) as error:
        raise UserError(f"{path}: not an .npz file with track_id, frames and offsets ({error}).") from error
    if frames.ndim != 2 or len(offsets) != len(ids) + 1 or offsets[-1] != len(frames) or (np.diff(offsets) < 1).any():
        raise UserError(f"{path}: offsets do not divide {len(frames)} frames into {len(ids)} sequences.")
    frames = frames.astype(np.float32, copy=False)
    frames.setflags(write=False)
    return {str(track): frames[a:b] for track, a, b in zip(ids, offsets, offsets[1:], strict=False)}


def ready_tracks(features: FeatureSettings) -> set[str] | None:
    """Tracks that a file of ready features has; None where features are computed."""
    return None if features.ready_file is None else set(_ready(features))


def with_digests(tracks: Tracks, features: Iterable[object]) -> Tracks:
    """Note in the column ``features_sha256`` what ready features each track has, by which it is known again.

    Parameters
    ----------
    tracks : Tracks
    features : iterable of object
        Settings of features; those that are computed are passed over. Several digests stand side by side.
    """
    found: dict[str, set[str]] = {}
    for settings in features:
        for track, values in _ready(settings).items():
            # A few numbers, or many equal ones, may be those of another track too.
            name = "" if len(np.unique(values)) >= _ENOUGH else track
            found.setdefault(track, set()).add(hashlib.sha256(name.encode() + values.tobytes()).hexdigest())
    if not found:
        return tracks
    column = [" ".join(sorted(found.get(track, ()))) or None for track in tracks.ids]
    return replace(
        tracks, table=tracks.table.assign(features_sha256=pd.Series(column, tracks.table.index, dtype=object))
    )


def write_ready(features: object, ids: Iterable[str], folder: Path) -> Path:
    """Write the ready features of some tracks, as far as they are there, into a file of their own.

    Parameters
    ----------
    features : TableFeatures or PrecomputedFeatures
        Where they are.
    ids : iterable of str
        Of the tracks.
    folder : Path
        Is made.

    Returns
    -------
    Path
        The file, of the same kind.
    """
    folder.mkdir()
    if isinstance(features, TableFeatures):
        table = read_feature_table(Path(str(features.path)))
        table[table.index.isin(list(ids))].to_csv(folder / "table.csv")
        return folder / "table.csv"
    assert isinstance(features, PrecomputedFeatures)
    every = read_sequences(Path(str(features.path)))
    known = [track for track in ids if track in every]  # none of them if a song has lyrics alone
    frames = [every[track] for track in known] or [next(iter(every.values()))[:0]]
    offsets = np.cumsum([0, *(len(every[track]) for track in known)])
    np.savez(folder / "vectors.npz", track_id=known, frames=np.concatenate(frames), offsets=offsets)
    return folder / "vectors.npz"


def _ready(features: object) -> Mapping[str, Array]:
    """Numbers of each track in a file of ready features; nothing where features are computed."""
    if isinstance(features, PrecomputedFeatures):
        return read_sequences(Path(str(features.path)))
    if isinstance(features, TableFeatures):
        table = read_feature_table(Path(str(features.path)))
        return dict(zip(map(str, table.index), table.to_numpy(np.float32), strict=True))
    return {}


def summarise_sequence(sequence: Array) -> Array:
    """Mean, deviation and maximum over time, shape (3 d,), of a sequence, shape (frames, d)."""
    return np.concatenate([sequence.mean(axis=0), sequence.std(axis=0), sequence.max(axis=0)])
