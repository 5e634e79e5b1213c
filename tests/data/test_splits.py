from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.data.splits import Fold, Split, _check, read_split, split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import SplitSettings

KINDS = ("holdout", "kfold", "predefined")
SEEDS = range(6)


def make(rows: list[tuple[str, str | None]], *, split: list[str | None] | None = None) -> Tracks:
    """Tracks of (genre, artist)."""
    table = pd.DataFrame(rows, columns=["genre", "artist"], dtype=object)
    table.index = pd.Index([f"t{number:03}" for number in range(len(rows))], name="track_id")
    if split is not None:
        table["split"] = pd.Series(split, index=table.index, dtype=object)
    return Tracks(table, "small")


def random_corpus(seed: int) -> Tracks:
    """Genres of 6 to 14 artists of 1 to 6 tracks, one in ten of an unknown artist, in mixed order."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str | None]] = []
    parts: list[str | None] = []
    for genre in range(rng.integers(2, 7)):
        for number in range(rng.integers(6, 15)):
            part = "test" if number < 2 else "train" if number < 5 else str(rng.choice(["train", "val", "test"]))
            for _ in range(rng.integers(1, 7)):
                rows.append((f"genre {genre}", f"artist {genre} {number}" if rng.random() > 0.1 else None))
                parts.append(part)
    order = rng.permutation(len(rows))
    return make([rows[i] for i in order], split=[parts[i] for i in order])


@functools.cache
def random_split(kind: str, seed: int) -> tuple[Tracks, Split]:
    """Such a corpus and its split, which takes long and is only looked at."""
    tracks = random_corpus(seed)
    return tracks, split_tracks(tracks, SplitSettings(kind=kind), seed=seed)


def even_corpus(*, genres: int = 5, artists: int = 20, songs: int = 2) -> Tracks:
    return make([(f"g{g}", f"a{g} {a}") for g in range(genres) for a in range(artists) for _ in range(songs)])


@functools.cache
def even_split(kind: str, seed: int) -> Split:
    return split_tracks(even_corpus(), SplitSettings(kind=kind), seed=seed)


def parts(fold: Fold) -> tuple[list[str], list[str], list[str]]:
    return fold.train, fold.val, fold.test


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_artist_is_on_two_sides_of_a_split(kind: str, seed: int) -> None:
    tracks, split = random_split(kind, seed)
    for fold in split.folds:
        artists = [set(tracks.table.loc[part, "artist"].dropna()) for part in parts(fold)]
        assert not artists[0] & artists[1]
        assert not artists[0] & artists[2]
        assert not artists[1] & artists[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_each_track_is_in_one_part_of_a_fold(kind: str, seed: int) -> None:
    tracks, split = random_split(kind, seed)
    for fold in split.folds:
        assert sorted([*fold.train, *fold.val, *fold.test]) == sorted(tracks.ids)
        assert all(parts(fold))


@pytest.mark.parametrize("seed", SEEDS)
def test_kfold_tests_each_track_once(seed: int) -> None:
    tracks = random_corpus(seed)
    folds = split_tracks(tracks, SplitSettings(kind="kfold", folds=4), seed=seed).folds
    assert len(folds) == 4
    assert sorted(track for fold in folds for track in fold.test) == sorted(tracks.ids)


def test_kfold_validates_on_other_tracks_in_each_fold() -> None:
    folds = even_split("kfold", 0).folds
    assert len({tuple(sorted(fold.val)) for fold in folds}) == len(folds)


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
@pytest.mark.parametrize("seed", SEEDS)
def test_genres_have_the_same_shares_in_each_part(kind: str, seed: int) -> None:
    tracks = even_corpus()
    fold = even_split(kind, seed).folds[0]
    for part in parts(fold):
        shares = tracks.table.loc[part, "genre"].value_counts(normalize=True)
        np.testing.assert_allclose(shares.reindex(tracks.genres, fill_value=0), 0.2, atol=0.05)


@pytest.mark.parametrize(("test_fraction", "val_fraction"), [(0.2, 0.1), (0.1, 0.1), (0.5, 0.1), (0.25, 0.25)])
def test_parts_are_about_as_large_as_asked_for(test_fraction: float, val_fraction: float) -> None:
    tracks = even_corpus()
    settings = SplitSettings(kind="holdout", test_fraction=test_fraction, val_fraction=val_fraction)
    fold = split_tracks(tracks, settings, seed=0).folds[0]
    assert len(fold.test) / len(tracks) == pytest.approx(test_fraction, abs=0.05)
    assert len(fold.val) / len(tracks) == pytest.approx(val_fraction, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_split(kind: str) -> None:
    first, second = (split_tracks(random_corpus(0), SplitSettings(kind=kind), seed=3) for _ in range(2))
    assert first == second
    assert first.digest == second.digest


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
def test_other_seeds_give_other_splits(kind: str) -> None:
    digests = {even_split(kind, seed).digest for seed in SEEDS}
    assert len(digests) == len(SEEDS)


def test_the_seed_decides_the_part_of_an_artist_far_larger_than_the_others() -> None:
    rows: list[tuple[str, str | None]] = [("jazz", "giant")] * 30
    tracks = make(rows + [(genre, f"{genre} {i}") for genre in ("jazz", "rock", "rock") for i in range(20)])
    folds = [split_tracks(tracks, SplitSettings(kind="holdout"), seed=seed).folds[0] for seed in range(10)]
    tested = ["t000" in fold.test for fold in folds]
    assert 2 <= sum(tested) <= 8
    assert len({tuple(sorted(fold.test)) for fold in folds}) == len(folds)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**40])
def test_any_seed_that_is_not_negative_will_do(seed: int) -> None:
    assert len(split_tracks(even_corpus(), SplitSettings(kind="kfold"), seed=seed).folds) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_does_not_depend_on_the_order_of_the_table(kind: str) -> None:
    tracks = random_corpus(1)
    settings = SplitSettings(kind=kind)
    shuffled = tracks.subset(list(np.random.default_rng(0).permutation(tracks.ids)))
    assert split_tracks(tracks, settings, seed=0).digest == split_tracks(shuffled, settings, seed=0).digest


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
def test_a_corpus_without_artists_is_split_by_tracks(kind: str) -> None:
    tracks = make([(f"g{i % 3}", None) for i in range(60)])
    without = Tracks(tracks.table.drop(columns="artist"), "small")
    split = split_tracks(without, SplitSettings(kind=kind), seed=0)
    assert split.protocol.endswith("artists unknown")
    assert split.digest == split_tracks(tracks, SplitSettings(kind=kind), seed=0).digest


def test_artists_are_not_separated_where_that_is_asked_for() -> None:
    tracks = make([(f"g{i % 2}", f"only artist of g{i % 2}") for i in range(40)])
    split = split_tracks(tracks, SplitSettings(kind="holdout", by_artist=False), seed=0)
    assert split.protocol == "holdout, artists not separated"
    assert len(split.folds[0].test) == 8


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [("holdout", "holdout by artist"), ("kfold", "5-fold by artist"), ("predefined", "predefined split")],
)
def test_the_protocol_is_said_in_words(kind: str, protocol: str) -> None:
    assert split_tracks(random_corpus(0), SplitSettings(kind=kind), seed=0).protocol == protocol


def test_a_predefined_split_is_the_column_of_the_table() -> None:
    tracks = random_corpus(2)
    fold = split_tracks(tracks, SplitSettings(kind="predefined"), seed=0).folds[0]
    for name, part in zip(("train", "val", "test"), parts(fold), strict=True):
        assert set(tracks.table.loc[part, "split"]) == {name}


def test_tracks_without_a_predefined_part_are_left_out() -> None:
    tracks = make([("jazz", None)] * 6, split=["train", "train", "val", "test", None, None])
    fold = split_tracks(tracks, SplitSettings(kind="predefined"), seed=0).folds[0]
    assert parts(fold) == (["t000", "t001"], ["t002"], ["t003"])


def test_a_predefined_split_without_val_holds_out_part_of_train() -> None:
    tracks = even_corpus()
    column = ["test" if i % 40 < 8 else "train" for i in range(len(tracks))]
    tracks = Tracks(tracks.table.assign(split=column), "small")
    fold = split_tracks(tracks, SplitSettings(kind="predefined", val_fraction=0.1), seed=0).folds[0]
    assert len(fold.test) == 40
    assert len(fold.val) / len(tracks) == pytest.approx(0.1, abs=0.05)
    assert set(tracks.table.loc[fold.val, "split"]) == {"train"}
    assert not set(tracks.table.loc[fold.val, "artist"]) & set(tracks.table.loc[fold.train, "artist"])


def test_a_predefined_split_that_shares_an_artist_is_refused() -> None:
    rows: list[tuple[str, str | None]] = [("jazz", "Ann"), ("jazz", "Bob"), ("jazz", "Bob"), ("jazz", "ann")]
    tracks = make(rows, split=["train", "train", "val", "test"])
    with pytest.raises(
        UserError, match=r"2 artists of small are on several sides.*\n  Ann  t000 in train, t003 in test"
    ):
        split_tracks(tracks, SplitSettings(kind="predefined"), seed=0)
    fold = split_tracks(tracks, SplitSettings(kind="predefined", by_artist=False), seed=0).folds[0]
    assert fold.test == ["t003"]


def test_a_predefined_split_without_its_column_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"split=predefined needs a column 'split' \(train, val, test\), which small lacks"
    ):
        split_tracks(even_corpus(), SplitSettings(kind="predefined"), seed=0)


@pytest.mark.parametrize(("column", "lacking"), [("train", "test"), ("test", "train"), ("val", "train or test")])
def test_a_predefined_split_without_a_part_is_refused(column: str, lacking: str) -> None:
    tracks = make([("jazz", None)] * 4, split=[column] * 4)
    with pytest.raises(UserError, match=f"no track of small is in the part {lacking}"):
        split_tracks(tracks, SplitSettings(kind="predefined"), seed=0)


def test_a_genre_that_would_be_missing_from_train_is_refused_by_name() -> None:
    tracks = make(
        [("jazz", None)] * 6 + [("rock", None)] * 3,
        split=["train", "train", "val", "test", "test", "test"] + ["test"] * 3,
    )
    with pytest.raises(UserError, match=r"train part of the split lacks genres.*\n  rock  3 tracks\n.*by_artist=false"):
        split_tracks(tracks, SplitSettings(kind="predefined"), seed=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_genre_of_one_artist_cannot_be_tested_and_trained(seed: int) -> None:
    rows: list[tuple[str, str | None]] = [("jazz", "Ann")] * 10 + [("rock", f"band {i}") for i in range(10)]
    with pytest.raises(UserError, match="jazz  10 tracks"):
        split_tracks(make(rows), SplitSettings(kind="kfold"), seed=seed)


def test_fewer_artists_than_folds_are_refused_with_the_cure() -> None:
    tracks = make([(f"g{i % 2}", f"artist {i % 4}") for i in range(40)])
    with pytest.raises(UserError, match=r"small has 4 artists for 5 shares.*fewer folds(.|\n)*by_artist=false"):
        split_tracks(tracks, SplitSettings(kind="kfold"), seed=0)


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
def test_a_corpus_of_one_artist_is_refused_with_the_cure(kind: str) -> None:
    tracks = make([(f"g{i % 2}", "Ann") for i in range(40)])
    with pytest.raises(UserError, match=r"small has 1 artist (.|\n)*by_artist=false"):
        split_tracks(tracks, SplitSettings(kind=kind), seed=0)


@pytest.mark.parametrize("by_artist", [True, False])
def test_more_folds_than_tracks_of_the_largest_genre_are_refused(by_artist: bool) -> None:
    tracks = even_corpus(genres=3, artists=4, songs=1)
    with pytest.raises(UserError, match=r"small: no genre has 5 tracks to share out\. Take fewer folds"):
        split_tracks(tracks, SplitSettings(kind="kfold", by_artist=by_artist), seed=0)
    settings = SplitSettings(kind="kfold", folds=4, by_artist=by_artist)
    assert len(split_tracks(tracks, settings, seed=0).folds) == 4


@pytest.mark.parametrize("empty", ["val", "test"])
def test_a_part_without_tracks_is_refused_by_name(empty: str) -> None:
    tracks = make([("jazz", None)] * 4)
    fold = {"train": tracks.ids[:2], "val": tracks.ids[2:3], "test": tracks.ids[3:]} | {empty: []}
    with pytest.raises(UserError, match=f"The {empty} part of the split of small would hold no track"):
        _check(tracks, Fold(**fold))


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_that_was_written_is_read_back(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    split = split_tracks(random_corpus(3), SplitSettings(kind=kind), seed=0)
    path = tmp_path_factory.mktemp("split") / "splits.csv"
    split.to_table().to_csv(path, index=False)
    assert read_split(pd.read_csv(path, dtype={"track_id": str}), split.protocol) == split


def test_the_table_has_a_row_for_each_fold_and_track() -> None:
    table = Split([Fold(["b", "a"], ["c"], ["d"])], "holdout").to_table()
    assert table.to_numpy().tolist() == [
        [0, "b", "train"],
        [0, "a", "train"],
        [0, "c", "val"],
        [0, "d", "test"],
    ]


def test_the_digest_knows_the_parts_and_not_their_order() -> None:
    digest = Split([Fold(["a", "b"], ["c"], ["d"])], "holdout").digest
    assert digest == Split([Fold(["b", "a"], ["c"], ["d"])], "in other words").digest
    assert digest != Split([Fold(["a", "b"], ["d"], ["c"])], "holdout").digest


def piece_corpus(*, artists: bool = True, songs: int = 3, pieces: int = 3) -> Tracks:
    """Pieces of the songs of 24 artists of 2 genres, as `data.piece_seconds` makes them."""
    rows = [
        (f"{artist:02}-{song}#{piece}", f"g{artist % 2}", f"artist {artist}", f"{artist:02}-{song}")
        for artist in range(24)
        for song in range(songs)
        for piece in range(pieces)
    ]
    table = pd.DataFrame(rows, columns=["track_id", "genre", "artist", "song"], dtype=object).set_index("track_id")
    return Tracks(table if artists else table.drop(columns="artist"), "small", piece_seconds=29.12)


def crossing(tracks: Tracks, split: Split, column: str) -> list[float]:
    """For each fold, the share of the test tracks whose artist or song is in train or val too."""
    names = tracks.table[column]
    return [float(names[fold.test].isin(names[[*fold.train, *fold.val]]).mean()) for fold in split.folds]


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
@pytest.mark.parametrize("seed", SEEDS)
def test_neither_artists_nor_songs_cross_unless_that_is_asked_for(kind: str, seed: int) -> None:
    tracks = piece_corpus()
    split = split_tracks(tracks, SplitSettings(kind=kind), seed=seed)
    assert max(crossing(tracks, split, "artist")) == 0
    assert max(crossing(tracks, split, "song")) == 0


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
@pytest.mark.parametrize("seed", SEEDS)
def test_songs_stay_whole_where_artists_cross(kind: str, seed: int) -> None:
    tracks = piece_corpus()
    split = split_tracks(tracks, SplitSettings(kind=kind, by_artist=False), seed=seed)
    assert max(crossing(tracks, split, "song")) == 0
    assert min(crossing(tracks, split, "artist")) > 0.5
    for fold in split.folds:
        assert not set(tracks.table.loc[fold.train, "song"]) & set(tracks.table.loc[fold.val, "song"])


@pytest.mark.parametrize("kind", ["holdout", "kfold"])
@pytest.mark.parametrize("seed", SEEDS)
def test_pieces_of_a_song_do_cross_where_that_is_asked_for(kind: str, seed: int) -> None:
    tracks = piece_corpus()
    split = split_tracks(tracks, SplitSettings(kind=kind, by_artist=False, by_song=False), seed=seed)
    assert min(crossing(tracks, split, "song")) > 0.5


@pytest.mark.parametrize("by_artist", [True, False])
def test_songs_stay_whole_where_artists_are_unknown(by_artist: bool) -> None:
    tracks = piece_corpus(artists=False)
    split = split_tracks(tracks, SplitSettings(kind="kfold", by_artist=by_artist), seed=0)
    assert max(crossing(tracks, split, "song")) == 0


@pytest.mark.parametrize(
    ("settings", "artists", "protocol"),
    [
        ({}, True, "5-fold by artist, pieces of 29.12 s"),
        ({}, False, "5-fold, artists unknown, pieces of 29.12 s"),
        ({"by_artist": False}, True, "5-fold, artists not separated, pieces of 29.12 s"),
        ({"by_artist": False, "by_song": False}, True, "5-fold, pieces of a song on both sides, 29.12 s each"),
        ({"by_artist": False, "by_song": False}, False, "5-fold, pieces of a song on both sides, 29.12 s each"),
    ],
)
def test_the_protocol_says_that_units_are_pieces(settings: dict[str, bool], artists: bool, protocol: str) -> None:
    tracks = piece_corpus(artists=artists)
    assert split_tracks(tracks, SplitSettings(kind="kfold", **settings), seed=0).protocol == protocol


def test_a_predefined_split_that_shares_a_song_is_refused_unless_that_is_asked_for() -> None:
    tracks = piece_corpus(songs=1, pieces=4)
    tracks = Tracks(tracks.table.assign(split=["train", "train", "val", "test"] * 24), "small")
    with pytest.raises(UserError, match=r"24 songs of small.*\n  00-0  00-0#0 in train, (.|\n)*split.by_song=false"):
        split_tracks(tracks, SplitSettings(kind="predefined", by_artist=False), seed=0)
    split = split_tracks(tracks, SplitSettings(kind="predefined", by_artist=False, by_song=False), seed=0)
    assert split.protocol == "predefined split, pieces of a song not separated"


def test_pieces_on_both_sides_with_artists_apart_are_a_contradiction() -> None:
    with pytest.raises(UserError, match=r"split.by_song=false: .*its artist.*\nAdd split.by_artist=false"):
        SplitSettings(kind="kfold", by_song=False)


@pytest.mark.parametrize("tracks", [even_corpus(), piece_corpus(pieces=1)], ids=["songs", "one piece each"])
def test_pieces_on_both_sides_are_refused_where_no_song_has_two(tracks: Tracks) -> None:
    with pytest.raises(UserError, match=r"no song of small has two pieces.*\n.*data.piece_seconds=SECONDS"):
        split_tracks(tracks, SplitSettings(kind="kfold", by_artist=False, by_song=False), seed=0)


def test_a_song_without_a_name_on_two_sides_is_called_one() -> None:
    rows: list[tuple[str, str | None]] = [(genre, f"{genre} {i}") for genre in ("jazz", "rock") for i in range(6)]
    tracks = make(rows, split=["train", "train", "train", "val", "test", "test"] * 2)
    shared = tracks.table.assign(sha256=[None if i not in (0, 5) else "ab" for i in range(12)])
    with pytest.raises(
        UserError, match=r"1 songs of small are on several sides.\n  one song  t000 in train, t005 in test"
    ):
        split_tracks(Tracks(shared, "small"), SplitSettings(kind="predefined"), seed=0)
