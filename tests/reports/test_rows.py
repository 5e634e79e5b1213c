from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.metrics.clusters import ALONE, Groups
from genrefusion.metrics.comparisons import paired_difference
from genrefusion.metrics.intervals import bootstrap_intervals
from genrefusion.metrics.predictions import arrays
from genrefusion.reports.rows import adjust, difference, measure

GENRES = ["jazz", "rock"]


def predictions(hits: list[bool] | np.ndarray) -> pd.DataFrame:
    """A table in which the given tracks are right; genres alternate."""
    genres = [GENRES[i % 2] for i in range(len(hits))]
    named = [genre if hit else GENRES[1 - GENRES.index(genre)] for genre, hit in zip(genres, hits, strict=True)]
    sure = [[0.9 if name == genre else 0.1 for genre in GENRES] for name in named]
    table = pd.DataFrame({"track_id": [f"t{i}" for i in range(len(hits))], "fold": 0, "genre": genres})
    return pd.concat([table.assign(predicted=named), pd.DataFrame(sure, columns=GENRES)], axis=1)


def draw(p: float, *, seed: int, n: int = 80) -> pd.DataFrame:
    return predictions(np.random.default_rng(seed).random(n) < p)


def test_a_row_is_the_mean_over_its_seeds() -> None:
    runs = [draw(0.8, seed=1), draw(0.6, seed=2)]
    row = measure(runs)
    means = [(run["genre"] == run["predicted"]).mean() for run in runs]
    assert row["accuracy"] == pytest.approx(np.mean(means))
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert (row["n"], row["seeds"]) == (80, 2)


def test_a_difference_is_paired_by_track_and_not_by_row() -> None:
    first, second = draw(0.8, seed=1), draw(0.7, seed=2)
    shuffled = second.sample(frac=1, random_state=0)
    assert difference([first], [shuffled]) == difference([first], [second])
    gain = (first["genre"] == first["predicted"]).mean() - (second["genre"] == second["predicted"]).mean()
    assert difference([first], [second])["difference"] == pytest.approx(gain)


def test_a_difference_over_seeds_has_their_spread_too() -> None:
    best, worst = predictions(np.ones(40, bool)), predictions(np.zeros(40, bool))
    gain = difference([best, worst], [best, best])
    assert (gain["difference"], gain["difference_low"]) == (-0.5, -1.0)
    assert gain["difference_high"] > 0
    assert gain["p"] > 0.05


def test_p_is_that_of_the_interval_and_draws_artists() -> None:
    first, second = draw(0.8, seed=1), draw(0.5, seed=2)
    truth, one = arrays(first)
    assert difference([first], [second])["p"] == paired_difference(truth, one, arrays(second)[1]).p
    artists = Groups({track: str(number // 8) for number, track in enumerate(first["track_id"])}, "artists")
    assert difference([first], [second], groups=artists)["p"] > difference([first], [second])["p"]


def test_systems_with_other_genres_are_refused() -> None:
    first = draw(0.8, seed=1)
    other = first.assign(folk=0.0)
    with pytest.raises(UserError, match="folk: in one of them only"):
        difference([first], [other])
    with pytest.raises(UserError, match="folk: in one of them only"):
        measure([first, other])


def test_columns_in_another_order_are_read_by_name() -> None:
    first = draw(0.8, seed=1)
    turned = first[["track_id", "fold", "genre", "predicted", "rock", "jazz"]]
    assert difference([first], [turned])["difference"] == 0
    assert measure([first, turned]) == measure([first, first])


def test_a_row_says_what_was_drawn_and_where_that_is_too_little() -> None:
    row = measure([draw(0.8, seed=1, n=6)])
    assert row["drawn"] == ALONE
    assert row["too_few"].startswith("n = 6 songs: too few")
    assert measure([draw(0.8, seed=1)], groups=Groups({}, "artists")) | {"too_few": ""} == measure(
        [draw(0.8, seed=1)]
    ) | {"drawn": "artists"}


def test_systems_on_other_tracks_are_not_compared() -> None:
    first = draw(0.8, seed=1)
    assert difference([first], [first.assign(track_id=[f"u{i}" for i in range(len(first))])]) == {}


def test_pieces_of_a_song_are_drawn_together() -> None:
    songs = draw(0.7, seed=3, n=40)
    copies = pd.concat([songs.assign(track_id=songs["track_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    groups = Groups({track: track.split("#")[0] for track in copies["track_id"]}, "songs")
    whole, pieces, apart = measure([songs]), measure([copies], groups=groups), measure([copies])
    width, of_pieces, of_apart = (row["accuracy_high"] - row["accuracy_low"] for row in (whole, pieces, apart))
    assert pieces["accuracy"] == whole["accuracy"]
    assert of_pieces == pytest.approx(width, rel=0.06)
    assert of_apart < 0.7 * width
    other = predictions(np.ones(40, bool))
    others = pd.concat([other.assign(track_id=other["track_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    gain, expected = difference([copies], [others], groups=groups), difference([songs], [other])
    assert gain["difference"] == expected["difference"]
    assert gain["difference_low"] == pytest.approx(expected["difference_low"], abs=0.05)


def test_one_seed_has_the_interval_of_its_predictions() -> None:
    run = draw(0.8, seed=1)
    ends = bootstrap_intervals(*arrays(run), ["accuracy"])["accuracy"]
    row = measure([run])
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(ends)


def test_p_values_are_adjusted_for_their_number() -> None:
    rows: list[dict[str, float]] = [{"p": 0.01}, {}, {"p": 0.04}, {"p": 0.5}]
    adjust(rows)
    assert [row.get("p_holm") for row in rows] == [pytest.approx(0.03), None, pytest.approx(0.08), 0.5]
