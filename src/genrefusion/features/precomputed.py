"""Features that were computed elsewhere: tables of numbers, and sequences of vectors."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import require_file, signature
from genrefusion.data.formats import EXTENSIONS
from genrefusion.data.table_files import read_numbers
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import Extractor, LazyArray
from genrefusion.features.sources import AudioSource
from genrefusion.settings.features import FeatureSettings, PrecomputedFeatures, TableFeatures

Array = npt.NDArray[np.float32]

_IDS = ("track_id", "filename")
_ENOUGH = 16  # different numbers by which a track is known without its id
_NO_FEATURES = ("length", "label", "genre", "split", "artist", "title")
_INDEX = re.compile(r"index|level_\d+", re.IGNORECASE)
"""What pandas calls the numbers of the rows where it makes a column of them."""
_TOO_MANY_FOR_CHANCE = 20
_CHANCE = 1e-3
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
    require_file(path, "features.path")
    return _feature_table(path, signature(path))


@functools.lru_cache(maxsize=_FILES)
def _feature_table(path: Path, _: tuple[int, ...]) -> pd.DataFrame:
    table = read_numbers(path, "features.path")
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
    with np.errstate(over="ignore"):  # `require_numbers` names what becomes infinite
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
    require_file(path, "features.path")
    return _sequences(path, signature(path))


@functools.lru_cache(maxsize=_FILES)
def _sequences(path: Path, _: tuple[int, ...]) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, frames, offsets = (_array(file, name, path) for name in ("track_id", "frames", "offsets"))
    except (KeyError, ValueError, OSError, BadZipFile, EOFError) as error:
        raise UserError(f"{path}: not an .npz file with track_id, frames and offsets ({error}).") from error
    divide = ids.ndim == offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) == len(ids) + 1
    if not divide or frames.ndim != 2 or frames.dtype.kind not in "fiu":
        shapes = ", ".join(f"{a.shape} of {a.dtype}" for a in (ids, frames, offsets))
        raise UserError(
            f"{path}: track_id, frames and offsets are arrays {shapes}; they have to be (n,) of text, (m, d) of "
            "numbers, (n + 1,) of whole numbers."
        )
    if offsets[0] != 0 or offsets[-1] != len(frames) or (np.diff(offsets.astype(np.int64)) < 1).any():
        raise UserError(f"{path}: offsets do not divide {len(frames)} frames into {len(ids)} sequences.")
    names = np.char.decode(ids, "utf-8").tolist() if ids.dtype.kind == "S" else list(map(str, ids.tolist()))
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise UserError(f"{path}: tracks that are there twice:\n{bullet_list(twice)}")
    with np.errstate(over="ignore"):  # `require_numbers` names what becomes infinite
        frames = frames.astype(np.float32, copy=False)
    frames.setflags(write=False)
    return {track: frames[a:b] for track, a, b in zip(names, offsets, offsets[1:], strict=False)}


def _array(file: Any, name: str, path: Path) -> npt.NDArray[Any]:
    """An array of an .npz file, whose objects are read as nothing else than numbers and text."""
    try:
        array: npt.NDArray[Any] = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        kind = "dtype=str" if name == "track_id" else "dtype=np.float32" if name == "frames" else "dtype=np.int64"
        raise UserError(
            f"{path}: {name} is an array of Python objects, which only a pickle can hold, and none is loaded. Save it "
            f"as np.array({name}, {kind})."
        ) from error
    return array


class ReadySequences(AudioSource):
    """Sequences from a file; see `read_sequences`."""

    features: PrecomputedFeatures

    @property
    def channels(self) -> Sequence[str]:
        """Their numbers."""
        return [str(channel) for channel in range(_width(self._known))]

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """The file does not say."""
        return []

    def parameters(self) -> int:
        """None: what computed the vectors is not here."""
        return 0

    def extractor(self) -> Extractor:
        """There is none."""
        raise UserError(f"{self.features.path}: vectors of other songs have to be computed as these were.")

    def load(self) -> None:
        """Read the file."""
        _ = self._known

    def noted(self) -> PrecomputedFeatures:
        """With the number of values in a vector."""
        known = self.features.channels is not None or not Path(str(self.features.path)).is_file()
        return self.features if known else replace(self.features, channels=len(self.channels))

    def ids(self, tracks: Tracks) -> list[str]:
        """Tracks that the file has."""
        return [track for track in tracks.ids if track in self._known]

    def require(self, tracks: Tracks) -> None:
        """Refuse tracks that the file lacks."""
        require_tracks(tracks, self._known, str(self.features.path))

    def sequences(self, tracks: Tracks) -> dict[str, LazyArray]:
        """Read them; the file is in memory once."""
        return {track: self._known[track] for track in self.ids(tracks)}

    @property
    def _known(self) -> Mapping[str, Array]:
        """What is in the file, whose vectors have to be as wide as those that a run was trained on."""
        known, trained = read_sequences(Path(str(self.features.path))), self.features.channels
        if trained is not None and known and _width(known) != trained:
            raise UserError(
                f"features.path={self.features.path}: holds vectors of {_width(known)} values; the run was trained on "
                f"vectors of {trained}. Compute them as those were."
            )
        return known


def _width(sequences: Mapping[str, Array]) -> int:
    return int(next(iter(sequences.values())).shape[1])


def require_tracks(tracks: Tracks, known: Container[str], where: str) -> None:
    """Refuse tracks that a file of features lacks."""
    missing = [track for track in tracks.ids if track not in known]
    if missing:
        raise UserError(f"{where} lacks {len(missing)} of {len(tracks)} tracks:\n{bullet_list(missing)}")


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


def require_numbers(tracks: Tracks, features: Iterable[Any]) -> None:
    """Refuse ready features of the tracks that hold no numbers, whichever part they are in.

    Of features `with_gaps` single values may be missing.

    Raises
    ------
    UserError
        Names the file and the first tracks.
    """
    for settings in features:
        ready = _ready(settings)
        spoilt = [track for track in tracks.ids if track in ready and _is_spoilt(ready[track], settings)]
        if spoilt:
            raise UserError(
                f"{settings.path}: {len(spoilt)} of {len(tracks)} tracks have values that are no numbers (NaN or "
                f"infinite):\n{bullet_list(spoilt)}\nCompute them again, or take these tracks out of the corpus."
            )


def _is_spoilt(values: Array, settings: FeatureSettings) -> bool:
    if settings.with_gaps:
        return bool(np.isinf(values).any() or np.isnan(values).all())
    return not np.isfinite(values).all()


def refuse_genre_columns(tracks: Tracks, features: Iterable[Any]) -> None:
    """Refuse a table of features with columns that tell the genre: the same number in all tracks of each genre.

    Where that may be by chance, as of few tracks, nothing is refused: of a column of two numbers it is with a
    probability of ``2 ** (genres - tracks)``.

    Raises
    ------
    UserError
        Names the file and the columns.
    """
    for settings in features:
        if not isinstance(settings, TableFeatures):
            continue
        table = read_feature_table(Path(str(settings.path)))
        genres = tracks.table["genre"][tracks.table.index.isin(table.index)]
        rows = table.loc[genres.index].groupby(genres.to_numpy())
        if not len(genres) or 2.0 ** (rows.ngroups - len(genres)) * table.shape[1] > _CHANCE:
            continue
        least, most = rows.min(), rows.max()
        telling = (least == most).all() & (least != least.iloc[0]).any()
        if telling.any():
            names = ", ".join(f"'{name}'" for name in table.columns[telling])
            raise UserError(
                f"{settings.path}: {names} has one number for all tracks of a genre, and others for other genres: "
                "that tells the genre and is no feature. Take it out."
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
