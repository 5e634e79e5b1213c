from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genrefusion.evaluation.rows import adjust, difference, measure
from genrefusion.evaluation.statistics import bootstrap_intervals

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
    assert (gain["difference"], gain["difference_low"], gain["difference_high"]) == (-0.5, -1.0, 0.0)
    assert "p" not in gain


def test_p_is_that_of_the_binomial_test_on_the_tracks_that_differ() -> None:
    first, second = draw(0.8, seed=1), draw(0.6, seed=2)
    a, b = ((t["genre"] == t["predicted"]).to_numpy() for t in (first, second))
    expected = stats.binomtest(int((a & ~b).sum()), int((a != b).sum())).pvalue
    assert difference([first], [second])["p"] == pytest.approx(expected)


def test_systems_on_other_tracks_are_not_compared() -> None:
    first = draw(0.8, seed=1)
    assert difference([first], [first.assign(track_id=[f"u{i}" for i in range(len(first))])]) == {}


def test_pieces_of_a_song_are_drawn_together() -> None:
    songs = draw(0.7, seed=3, n=40)
    copies = pd.concat([songs.assign(track_id=songs["track_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    names = {track: track.split("#")[0] for track in copies["track_id"]}
    whole, pieces, apart = measure([songs]), measure([copies], songs=names), measure([copies])
    assert pieces["accuracy"] == whole["accuracy"]
    assert (pieces["accuracy_low"], pieces["accuracy_high"]) == pytest.approx(
        (whole["accuracy_low"], whole["accuracy_high"])
    )
    assert apart["accuracy_high"] - apart["accuracy_low"] < 0.7 * (whole["accuracy_high"] - whole["accuracy_low"])
    other = predictions(np.ones(40, bool))
    others = pd.concat([other.assign(track_id=other["track_id"] + f"#{i}") for i in range(4)], ignore_index=True)
    gain = difference([copies], [others], songs=names)
    assert gain == pytest.approx({k: v for k, v in difference([songs], [other]).items() if k != "p"})


def test_one_seed_has_the_interval_of_the_plain_bootstrap() -> None:
    run = draw(0.8, seed=1)
    hits = (run["genre"] == run["predicted"]).to_numpy(float)
    truth = np.array([GENRES.index(genre) for genre in run["genre"]])
    ends = bootstrap_intervals(truth, hits[:, None], {"mean": lambda _, drawn: float(drawn.mean())})["mean"]
    row = measure([run])
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(ends)


def test_p_values_are_adjusted_for_their_number() -> None:
    rows: list[dict[str, float]] = [{"p": 0.01}, {}, {"p": 0.04}, {"p": 0.5}]
    adjust(rows)
    assert [row.get("p_holm") for row in rows] == [pytest.approx(0.03), None, pytest.approx(0.08), 0.5]
