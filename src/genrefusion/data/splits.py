"""Division of tracks into train, val and test: stratified by genre, grouped by artist or song, seeded."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genrefusion.data.tracks import PARTS, Tracks
from genrefusion.errors import UserError, bullet_list
from genrefusion.settings import SplitSettings


@dataclass(frozen=True)
class Fold:
    """Track ids of the three parts of one fold."""

    train: list[str]
    val: list[str]
    test: list[str]


@dataclass(frozen=True)
class Split:
    """All folds (one for a holdout), and the protocol in words."""

    folds: list[Fold]
    protocol: str

    def to_table(self) -> pd.DataFrame:
        """One row for each fold and track: ``fold``, ``track_id``, ``part``."""
        rows = [
            (number, track, part)
            for number, fold in enumerate(self.folds)
            for part in PARTS
            for track in getattr(fold, part)
        ]
        return pd.DataFrame(rows, columns=["fold", "track_id", "part"])

    @property
    def tracks(self) -> set[str]:
        """Ids of all tracks in any part."""
        return {track for fold in self.folds for part in PARTS for track in getattr(fold, part)}

    @property
    def digest(self) -> str:
        """SHA-256 of the table, whatever the order of its rows."""
        rows = sorted(map(tuple, self.to_table().itertuples(index=False)))
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def split_tracks(tracks: Tracks, settings: SplitSettings, *, seed: int) -> Split:
    """Divide tracks as the settings say.

    Parameters
    ----------
    tracks : Tracks
        With genres; where an artist is unknown the pieces of a song, or else the track, are a group of their own.
    settings : SplitSettings
        `holdout`: about `test_fraction` and `val_fraction` of the tracks, each the nearest 1/n. `kfold`: each track in
        the test part of one fold. `predefined`: the column ``split``.
    seed : int
        Of the shuffling.

    Returns
    -------
    Split

    Raises
    ------
    UserError
        A part would lack a genre, the predefined parts share an artist or lack a part, or pieces of a song shall be on
        both sides and no song has two.
    """
    if not settings.by_song and not (tracks.has("song") and tracks.table["song"].dropna().duplicated().any()):
        raise UserError(
            f"split.by_song=false: no song of {tracks.corpus} has two pieces that could be on both sides.\n"
            "Cut the songs into (shorter) pieces: data.piece_seconds=SECONDS"
        )
    if settings.kind == "predefined":
        folds = [_predefined(tracks, settings, seed)]
    elif settings.kind == "kfold":
        folds = _kfold(tracks, settings, seed)
    else:
        folds = [_holdout(tracks, settings, seed)]
    for fold in folds:
        _check(tracks, fold)
    return Split(folds, _protocol(tracks, settings))


def read_split(table: pd.DataFrame, protocol: str) -> Split:
    """Rebuild a split from what `Split.to_table` wrote."""
    folds = [
        Fold(*(list(rows.loc[rows["part"] == part, "track_id"].astype(str)) for part in PARTS))
        for _, rows in table.groupby("fold", sort=True)
    ]
    return Split(folds, protocol)


def _kfold(tracks: Tracks, settings: SplitSettings, seed: int) -> list[Fold]:
    ids = tracks.ids
    folds: list[Fold] = []
    for test in _partition(tracks, ids, settings.folds, settings, seed):
        rest = _without(ids, test)
        # A seed of its own for each fold: otherwise the same tracks would validate most folds.
        val = _take(tracks, rest, settings.val_fraction * len(ids) / len(rest), settings, seed + 1 + len(folds))
        folds.append(Fold(_without(rest, val), val, test))
    return folds


def _holdout(tracks: Tracks, settings: SplitSettings, seed: int) -> Fold:
    ids = tracks.ids
    test = _take(tracks, ids, settings.test_fraction, settings, seed)
    rest = _without(ids, test)
    val = _take(tracks, rest, settings.val_fraction * len(ids) / len(rest), settings, seed + 1)
    return Fold(_without(rest, val), val, test)


def _predefined(tracks: Tracks, settings: SplitSettings, seed: int) -> Fold:
    if not tracks.has("split"):
        raise UserError(f"split=predefined needs a column 'split' (train, val, test), which {tracks.corpus} lacks.")
    parts = tracks.table["split"]
    train, val, test = ([str(track) for track in tracks.table.index[parts == part]] for part in PARTS)
    lacking = [part for part, ids in (("train", train), ("test", test)) if not ids]
    if lacking:
        raise UserError(f"split=predefined: no track of {tracks.corpus} is in the part {' or '.join(lacking)}.")
    if not val:
        val = _take(tracks, train, settings.val_fraction * (len(train) + len(test)) / len(train), settings, seed)
        train = _without(train, val)
    fold = Fold(train, val, test)
    _require_separate_groups(tracks, fold, settings)
    return fold


def _take(tracks: Tracks, ids: list[str], fraction: float, settings: SplitSettings, seed: int) -> list[str]:
    """Choose about a fraction of the ids: one of n equal shares, with n the nearest whole number."""
    n_shares = max(2, round(1 / min(fraction, 0.5)))
    # No more shares than artists or songs, or tracks of the largest genre: of a small corpus, a larger share is taken.
    table = tracks.table.loc[ids]
    n_groups = len(np.unique(_groups(table, settings)))
    n_shares = max(2, min(n_shares, n_groups, int(table["genre"].value_counts().max())))
    shares = _partition(tracks, ids, n_shares, settings, seed)
    # Not always the first: the largest artist lies in it whatever the seed. Of a small corpus some shares lack genres,
    # or would leave none to the rest; the draw is among those that are best in that.
    kinds = [(table["genre"].drop(share).nunique(), table.loc[share, "genre"].nunique()) for share in shares]
    best = [share for share, kind in zip(shares, kinds, strict=True) if kind == max(kinds)]
    return best[int(np.random.default_rng(seed).integers(len(best)))]


def _partition(tracks: Tracks, ids: list[str], n: int, settings: SplitSettings, seed: int) -> list[list[str]]:
    """Divide the ids into n shares with the same genres and, if asked for, whole artists or songs."""
    # Sorted, so that the division does not depend on the order of the table.
    ids = sorted(ids)
    table = tracks.table.loc[ids]
    groups = _groups(table, settings)
    if len(np.unique(groups)) < n:
        things = _kept_together(tracks, settings)
        cure = "\nOr leave artists on both sides (the figures will flatter): split.by_artist=false"
        raise UserError(
            f"{tracks.corpus} has {len(np.unique(groups))} {things} for {n} shares. Take fewer folds or a larger "
            f"fraction.{cure if things == 'artists' else ''}"
        )
    if table["genre"].value_counts().max() < n:
        raise UserError(
            f"{tracks.corpus}: no genre has {n} tracks to share out. Take fewer folds or a larger fraction."
        )
    from sklearn.model_selection import StratifiedGroupKFold  # a second's import: only where a corpus is divided

    folds = StratifiedGroupKFold(n, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        # A genre with fewer tracks than shares is missing from some of them; `_check` says where that is an error.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [[ids[i] for i in chosen] for _, chosen in folds.split(ids, table["genre"], groups)]


def artist_groups(table: pd.DataFrame) -> np.ndarray:
    """Number the artists of tracks (indexed by track id).

    Where an artist is unknown, each song of which the table has pieces gets a number of its own, or else each track.
    """
    if "artist" not in table and "song" not in table:
        return np.arange(len(table))
    unknown = [None] * len(table)
    known = zip(table.index, table.get("artist", unknown), table.get("song", unknown), strict=True)
    names = [
        f"artist {artist.strip().casefold()}" if artist else f"song {song}" if song else f"track {track}"
        for track, artist, song in known
    ]
    return np.unique(names, return_inverse=True)[1]


def _groups(table: pd.DataFrame, settings: SplitSettings) -> np.ndarray:
    """Number what stays on one side: artists, songs or single tracks."""
    if settings.by_artist:
        return artist_groups(table)
    if settings.by_song:
        return artist_groups(table.drop(columns="artist", errors="ignore"))
    return np.arange(len(table))


def _kept_together(tracks: Tracks, settings: SplitSettings) -> str:
    """What stays on one side, in a word."""
    if settings.by_artist and tracks.has("artist"):
        return "artists"
    return "songs" if settings.by_song and tracks.has("song") else "tracks"


def _require_separate_groups(tracks: Tracks, fold: Fold, settings: SplitSettings) -> None:
    """Refuse predefined parts that share what the settings keep on one side."""
    parts = {track: part for part in PARTS for track in getattr(fold, part)}
    table = tracks.table.loc[list(parts)]
    numbers = pd.Series(_groups(table, settings), index=table.index)
    names = table.reindex(columns=["artist", "song"] if settings.by_artist else ["song"]).bfill(axis=1).iloc[:, 0]
    rows = [
        f"{names[ids[0]]}  {', '.join(f'{track} in {parts[track]}' for track in ids[:3])}"
        for _, ids in numbers.groupby(numbers).groups.items()
        if len({parts[track] for track in ids}) > 1
    ]
    if rows:
        things = _kept_together(tracks, settings)
        cure = "split.by_artist=false" + (" split.by_song=false" if things == "songs" else "")
        raise UserError(
            f"split=predefined: {len(rows)} {things} of {tracks.corpus} are on several sides.\n"
            + bullet_list(rows)
            + f"\nMend the column 'split', or leave them there (the figures will flatter): {cure}"
        )


def _check(tracks: Tracks, fold: Fold) -> None:
    """Refuse parts without tracks, and a train part that lacks a genre.

    A small val or test part may lack one: its figures are computed over what is there.
    """
    empty = [part for part in PARTS if not getattr(fold, part)]
    if empty:
        raise UserError(
            f"The {' and the '.join(empty)} part of the split of {tracks.corpus} would hold no track: too few tracks "
            "or artists to share out."
        )
    genres = tracks.table["genre"]
    lacking = sorted(set(genres) - set(genres.loc[fold.train]))
    if lacking:
        rows = [f"{genre}  {(genres == genre).sum()} tracks" for genre in lacking]
        raise UserError(
            "The train part of the split lacks genres (too few artists or songs to share them out).\n"
            + bullet_list(rows)
            + "\nAdd tracks of other artists, or leave artists on both sides (the figures will flatter): "
            "split.by_artist=false"
        )


def _protocol(tracks: Tracks, settings: SplitSettings) -> str:
    kind = {"kfold": f"{settings.folds}-fold", "holdout": "holdout", "predefined": "predefined split"}[settings.kind]
    length = "" if tracks.piece_seconds is None else f"{tracks.piece_seconds:g} s"
    if not settings.by_song:  # a predefined column may keep them on one side all the same
        where = "not separated" if settings.kind == "predefined" else "on both sides"
        return f"{kind}, pieces of a song {where}" + (f", {length} each" if length else "")
    if not tracks.has("artist"):
        kind += ", artists unknown"
    elif not settings.by_artist:
        kind += ", artists not separated"
    elif settings.kind != "predefined":
        kind += " by artist"
    return kind + (f", pieces of {length}" if length else "")


def _without(ids: Sequence[str], taken: Sequence[str]) -> list[str]:
    gone = set(taken)
    return [track for track in ids if track not in gone]
