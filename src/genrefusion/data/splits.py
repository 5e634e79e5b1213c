"""Division of tracks into train, val and test: stratified by genre, grouped by artist or song, seeded."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.groups import Numbers, group_tracks, knows_artists
from genrefusion.data.table_rules import PARTS
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import SplitSettings

Groups = pd.Series  # number of each track's group, by track id


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
        With genres. What belongs together (`genrefusion.data.groups.group_tracks`) stays on one side.
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
        A part would lack a genre, the predefined parts share an artist or a recording or lack a part, or pieces of a
        song shall be on both sides and no song has two.
    """
    if not settings.by_song and len(np.unique(group_tracks(tracks.table, by_artist=False))) == len(tracks):
        raise UserError(
            f"split.by_song=false: no song of {tracks.corpus} has two pieces that could be on both sides.\n"
            "Cut the songs into (shorter) pieces: data.piece_seconds=SECONDS"
        )
    groups = pd.Series(_groups(tracks.table, settings), index=pd.Index(tracks.ids))
    if settings.kind == "predefined":
        folds = [_predefined(tracks, groups, settings, seed)]
    elif settings.kind == "kfold":
        folds = _kfold(tracks, groups, settings, seed)
    else:
        folds = [_holdout(tracks, groups, settings, seed)]
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


def genres_without(tracks: Tracks, split: Split) -> list[str]:
    """Name the genres that have no song in a part; figures say nothing of a genre that is not tested.

    Returns
    -------
    list of str
        A sentence for each part in which genres are lacking, with several folds with the numbers of the folds.
    """
    genre = dict(zip(tracks.ids, tracks.table["genre"], strict=True))
    lines = []
    for part in PARTS:
        lacking: dict[str, list[int]] = {}
        for number, fold in enumerate(split.folds, start=1):
            there = {genre[track] for track in getattr(fold, part)}
            for name in tracks.genres:
                if name not in there:
                    lacking.setdefault(name, []).append(number)
        if lacking:
            names = [f"{name}{_in_folds(numbers, len(split.folds))}" for name, numbers in sorted(lacking.items())]
            lines.append(f"no {part} song of: {', '.join(names)}")
    return lines


def _kfold(tracks: Tracks, groups: Groups, settings: SplitSettings, seed: int) -> list[Fold]:
    ids = tracks.ids
    folds: list[Fold] = []
    for test in _partition(tracks, groups, ids, settings.folds, settings, seed):
        rest = _without(ids, test)
        # A seed of its own for each fold: otherwise the same tracks would validate most folds.
        val = _take(tracks, groups, rest, settings.val_fraction * len(ids) / len(rest), settings, seed + 1 + len(folds))
        folds.append(Fold(_without(rest, val), val, test))
    return folds


def _holdout(tracks: Tracks, groups: Groups, settings: SplitSettings, seed: int) -> Fold:
    ids = tracks.ids
    test = _take(tracks, groups, ids, settings.test_fraction, settings, seed)
    rest = _without(ids, test)
    val = _take(tracks, groups, rest, settings.val_fraction * len(ids) / len(rest), settings, seed + 1)
    return Fold(_without(rest, val), val, test)


def _predefined(tracks: Tracks, groups: Groups, settings: SplitSettings, seed: int) -> Fold:
    if not tracks.has("split"):
        raise UserError(f"split=predefined needs a column 'split' (train, val, test), which {tracks.corpus} lacks.")
    parts = tracks.table["split"]
    train, val, test = ([str(track) for track in tracks.table.index[parts == part]] for part in PARTS)
    lacking = [part for part, ids in (("train", train), ("test", test)) if not ids]
    if lacking:
        raise UserError(f"split=predefined: no track of {tracks.corpus} is in the part {' or '.join(lacking)}.")
    if not val:
        val = _take(
            tracks, groups, train, settings.val_fraction * (len(train) + len(test)) / len(train), settings, seed
        )
        train = _without(train, val)
    fold = Fold(train, val, test)
    _require_separate_groups(tracks, fold, groups, settings)
    return fold


def _take(
    tracks: Tracks, groups: Groups, ids: list[str], fraction: float, settings: SplitSettings, seed: int
) -> list[str]:
    """Choose about a fraction of the ids: one of n equal shares, with n the nearest whole number."""
    n_shares = max(2, round(1 / min(fraction, 0.5)))
    # No more shares than artists or songs, or tracks of the largest genre: of a small corpus, a larger share is taken.
    table = tracks.table.loc[ids]
    n_shares = max(2, min(n_shares, groups[ids].nunique(), int(table["genre"].value_counts().max())))
    shares = _partition(tracks, groups, ids, n_shares, settings, seed)
    # Not always the first: the largest artist lies in it whatever the seed. Of a small corpus some shares lack genres,
    # or would leave none to the rest; the draw is among those that are best in that.
    kinds = [(table["genre"].drop(share).nunique(), table.loc[share, "genre"].nunique()) for share in shares]
    best = [share for share, kind in zip(shares, kinds, strict=True) if kind == max(kinds)]
    return best[int(np.random.default_rng(seed).integers(len(best)))]


def _partition(
    tracks: Tracks, groups: Groups, ids: list[str], n: int, settings: SplitSettings, seed: int
) -> list[list[str]]:
    """Divide the ids into n shares with the same genres and whole groups."""
    # Sorted, so that the division does not depend on the order of the table.
    ids = sorted(ids)
    table = tracks.table.loc[ids]
    n_groups = groups[ids].nunique()
    advice = "Take fewer folds or a larger fraction." if n > 2 else f"Of its {len(tracks)} tracks none can be held out."
    if n_groups < n:
        things = _kept_together(tracks, settings)
        cure = "\nOr leave artists on both sides (the figures will flatter): split.by_artist=false"
        copies = " (copies of one song, and songs with the same lyrics, count once)" if things == "tracks" else ""
        count = f"{n_groups} {things if n_groups > 1 else things.removesuffix('s')}{copies}"
        raise UserError(f"{tracks.corpus} has {count} for {n} shares. {advice}{cure if things == 'artists' else ''}")
    if table["genre"].value_counts().max() < n:
        raise UserError(f"{tracks.corpus}: no genre has {n} tracks to share out. {advice}")
    from sklearn.model_selection import StratifiedGroupKFold  # a second's import: only where a corpus is divided

    folds = StratifiedGroupKFold(n, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        # A genre with fewer tracks than shares is missing from some of them; `_check` says where that is an error.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [[ids[i] for i in chosen] for _, chosen in folds.split(ids, table["genre"], groups[ids])]


def _groups(table: pd.DataFrame, settings: SplitSettings) -> Numbers:
    """Number what stays on one side: artists, recordings or single tracks."""
    if settings.by_song:
        return group_tracks(table, by_artist=settings.by_artist)
    return np.arange(len(table))


def _kept_together(tracks: Tracks, settings: SplitSettings) -> str:
    """What stays on one side, in a word."""
    if settings.by_artist and knows_artists(tracks.table):
        return "artists"
    return "songs" if settings.by_song and tracks.has("song") else "tracks"


def _require_separate_groups(tracks: Tracks, fold: Fold, groups: Groups, settings: SplitSettings) -> None:
    """Refuse predefined parts that share what the settings keep on one side."""
    parts = {track: part for part in PARTS for track in getattr(fold, part)}
    artists = _crossing(tracks, parts, groups, "artist")
    songs = _crossing(tracks, parts, pd.Series(group_tracks(tracks.table, by_artist=False), index=groups.index), "song")
    if not artists or not settings.by_song:
        return
    # What one recording is shared by would be shared without artists too.
    rows, things, cure = (artists, "artists", "split.by_artist=false")
    if songs:
        rows, things, cure = songs, "songs", "split.by_artist=false split.by_song=false"
    raise UserError(
        f"split=predefined: {len(rows)} {things} of {tracks.corpus} are on several sides.\n"
        + bullet_list(rows)
        + f"\nMend the column 'split', or leave them there (the figures will flatter): {cure}"
    )


def _crossing(tracks: Tracks, parts: dict[str, str], groups: Groups, column: str) -> list[str]:
    """Name the groups that have tracks in several parts, and some of these."""
    own = groups[list(parts)]
    names = tracks.table.get(column, pd.Series(None, index=tracks.table.index, dtype=object))
    rows = []
    for _, ids in own.groupby(own, sort=True).groups.items():
        shown = _one_of_each([str(track) for track in ids], parts)
        if len(shown) > 1:
            where = ", ".join(f"{track} in {parts[track]}" for track in shown)
            known = next((name for name in names[shown] if isinstance(name, str) and name.strip()), "one song")
            rows.append(f"{known}  {where}")
    return rows


def _one_of_each(ids: Sequence[str], parts: dict[str, str]) -> list[str]:
    """The first track in each part."""
    return list({parts[track]: track for track in reversed(ids)}.values())[::-1]


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
    if not knows_artists(tracks.table):
        kind += ", artists unknown"
    elif not settings.by_artist:
        kind += ", artists not separated"
    elif settings.kind != "predefined":
        kind += " by artist"
    return kind + (f", pieces of {length}" if length else "")


def _without(ids: Sequence[str], taken: Sequence[str]) -> list[str]:
    gone = set(taken)
    return [track for track in ids if track not in gone]


def _in_folds(numbers: list[int], count: int) -> str:
    if len(numbers) == count:
        return "" if count == 1 else " (in no fold)"
    return f" (fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))})"
