"""How often the 95 % intervals hold the truth, on simulated test sets whose artists have as many songs as Emotify's.

``python tests/metrics/test_coverage.py`` prints the whole table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from genrefusion.metrics.clusters import Groups, bonett_price, effective_n, effective_n_of_values, quantile, wilson
from genrefusion.metrics.comparisons import paired_difference
from genrefusion.metrics.intervals import bootstrap_intervals, seeds_interval
from genrefusion.metrics.predictions import with_truth
from genrefusion.metrics.resampling import REDUCED, count
from genrefusion.metrics.seeds import effective_hits

EMOTIFY = np.repeat([1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 17], [47, 27, 9, 7, 2, 1, 2, 3, 2, 2, 1, 3])
"""Songs of each of its 106 artists, 320 in all."""

SETS = ((12, 12), (12, 6), (30, 10), (61, 20), (100, 20), (320, 106))
"""Songs and artists of the simulated test sets."""

CORRELATIONS = (0, 0.1, 0.24, 0.5)
SHARES = (0.5, 0.75, 0.9, 0.97)
SYSTEMS = ((0.5, 0.5, 0.5), (0.75, 0.65, 0.8), (0.9, 0.9, 0.5), (0.97, 0.9, 0.8))
"""Accuracies of two systems, and the correlation of what makes them right."""
CONFUSED = np.array([1, 0.9, 1.1, 0.6])
"""How well each of four genres is told from the others."""


def artist_sizes(songs: int, artists: int) -> np.ndarray:
    """Songs of each artist, spread as Emotify's are."""
    if artists == len(EMOTIFY):
        return EMOTIFY.astype(float)
    shape = np.quantile(EMOTIFY, (np.arange(artists) + 0.5) / artists)
    sizes = np.maximum(1, np.floor(shape * songs / shape.sum())).astype(int)
    while sizes.sum() > songs:
        sizes[sizes.argmax()] -= 1
    for left in range(songs - sizes.sum()):
        sizes[artists - 1 - left % artists] += 1
    return sizes.astype(float)


def by_artist(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sums of the last axis, songs in the order of their artists."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    return np.add.reduceat(values.astype(float), starts, axis=-1)


def proportion_interval(hits: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `bootstrap_intervals` says of accuracy, of many test sets at once; `hits` has shape (..., artists)."""
    return wilson(hits.sum(axis=-1) / sizes.sum(), effective_n(hits, sizes), quantile(len(sizes) - 1))


def seeds_proportion_interval(hits: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """What `seeds_interval` says of accuracy; both have shape (seeds, artists)."""
    n, freedom = effective_hits(hits, sizes)
    return wilson((hits.sum(axis=1) / sizes.sum(axis=1)).mean(), n, quantile(freedom))


def accuracy_coverage(songs: int, artists: int, icc: float, share: float, *, sets: int = 2000) -> float:
    """Of an accuracy; artists are right on shares of their songs that are beta distributed."""
    rng = np.random.default_rng(0)
    sizes = artist_sizes(songs, artists)
    of_artist = np.full((sets, artists), share)
    if icc:
        of_artist = rng.beta(share * (1 / icc - 1), (1 - share) * (1 / icc - 1), (sets, artists))
    low, high = proportion_interval(rng.binomial(sizes.astype(int), of_artist).astype(float), sizes)
    return float(np.mean((low <= share) & (share <= high)))


def difference_coverage(
    songs: int, artists: int, icc: float, system: tuple[float, float, float], *, sets: int = 2000
) -> float:
    """Of the difference of two accuracies; what makes songs easy is normal, in part shared by artist and by system."""
    rng = np.random.default_rng(0)
    sizes = artist_sizes(songs, artists)
    first, second, alike = system
    artist, song = (
        alike**0.5 * rng.normal(size=(sets, 1, n)) + (1 - alike) ** 0.5 * rng.normal(size=(sets, 2, n))
        for n in (artists, songs)
    )
    ease = icc**0.5 * artist.repeat(sizes.astype(int), axis=2) + (1 - icc) ** 0.5 * song
    right = ease < norm.ppf([[first], [second]])
    gains = right[:, 0].astype(float) - right[:, 1]
    n = effective_n_of_values(by_artist(gains, sizes), (gains**2).sum(axis=1), sizes)
    middle, error = bonett_price((gains > 0).mean(axis=1), (gains < 0).mean(axis=1), n)
    return float(np.mean(np.abs(middle - (first - second)) <= quantile(artists - 1) * error))


def seeds_coverage(
    songs: int, artists: int, icc: float, share: float, *, seeds: int, spread: float, same: bool, sets: int = 300
) -> float:
    """Of the mean accuracy of several seeds on the same songs, or each on those of 0.4 of the artists.

    Seven tenths of what makes a song easy are the same for all seeds; `spread` is the deviation of the seeds, in those
    of ease: .1 are 3 points of accuracy at .75.
    """
    rng = np.random.default_rng(0)
    sizes = artist_sizes(songs, artists)
    covered = 0
    for _ in range(sets):
        artist, song = (
            0.7**0.5 * rng.normal(size=(1, n)) + 0.3**0.5 * rng.normal(size=(seeds, n)) for n in (artists, songs)
        )
        ease = icc**0.5 * artist.repeat(sizes.astype(int), axis=1) + (1 - icc) ** 0.5 * song
        right = ease + spread * rng.normal(size=(seeds, 1)) < norm.ppf(share) * (1 + spread**2) ** 0.5
        tested = np.tile(sizes, (seeds, 1))
        if not same:
            for row in tested:
                row[rng.permutation(artists)[int(0.4 * artists) :]] = 0
        hits = by_artist(right, sizes) * (tested > 0)
        met = tested.sum(axis=0) > 0
        low, high = seeds_proportion_interval(hits[:, met], tested[:, met])
        covered += low <= share <= high
    return covered / sets


@pytest.mark.parametrize("seed", range(8))
def test_what_is_simulated_is_what_is_printed(seed: int) -> None:
    """The simulations take many sets at once; runs and tables ask for one."""
    rng = np.random.default_rng(seed)
    sizes = artist_sizes(40, 15)
    clusters = np.repeat(np.arange(15), sizes.astype(int))
    truth = rng.integers(3, size=40)
    systems = [np.eye(3)[np.where(rng.random(40) < 0.7, truth, rng.integers(3, size=40))] for _ in range(3)]
    right = np.array([system.argmax(axis=1) == truth for system in systems])
    printed = bootstrap_intervals(truth, systems[0], ["accuracy"], clusters=clusters)["accuracy"]
    assert printed == pytest.approx(proportion_interval(by_artist(right[0], sizes), sizes))
    gains = right[0].astype(float) - right[1]
    n = effective_n_of_values(by_artist(gains, sizes), np.asarray((gains**2).sum()), sizes)
    middle, error = bonett_price((gains > 0).mean(), (gains < 0).mean(), n)
    ends = paired_difference(truth, systems[0], systems[1], clusters=clusters).ends
    assert ends == pytest.approx((middle - quantile(14) * error, middle + quantile(14) * error))
    ids = pd.Index([f"t{i}" for i in range(40)], name="track_id")
    genres = pd.Series(np.array([*"abc"])[truth], ids)
    runs = [with_truth(pd.DataFrame(system, ids, [*"abc"]), genres) for system in systems]
    groups = Groups(dict(zip(ids, map(str, clusters), strict=True)))
    hits = np.array([by_artist(row, sizes) for row in right])
    simulated = seeds_proportion_interval(hits, np.tile(sizes, (3, 1)))
    assert seeds_interval(runs, "accuracy", groups=groups)[1] == pytest.approx(simulated)


def confused(sizes: np.ndarray, icc: float, strength: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """True classes of four genres, probabilities, and artists, each of whom has one genre."""
    clusters = np.repeat(np.arange(len(sizes)), sizes.astype(int))
    truth = rng.integers(4, size=len(sizes))[clusters]
    scores = icc**0.5 * rng.normal(size=(len(sizes), 4))[clusters]
    scores += (1 - icc) ** 0.5 * rng.normal(size=(len(truth), 4))
    scores[np.arange(len(truth)), truth] += strength * CONFUSED[truth]
    odds = np.exp(1.5 * scores)
    return truth, odds / odds.sum(axis=1, keepdims=True), clusters


def resampled_coverage(songs: int, artists: int, icc: float, strength: float, *, sets: int = 300) -> dict[str, float]:
    """Of the figures that draw artists."""
    names = ["macro_f1", "balanced_accuracy", "log_loss"]
    truth, probabilities, _ = confused(np.ones(300_000), 0, strength, np.random.default_rng(1))
    expected = {name: float(REDUCED[name](count(truth, probabilities))) for name in names}
    rng = np.random.default_rng(0)
    covered = dict.fromkeys(names, 0)
    for _ in range(sets):
        truth, probabilities, clusters = confused(artist_sizes(songs, artists), icc, strength, rng)
        for name, (low, high) in bootstrap_intervals(truth, probabilities, names, clusters=clusters, draws=300).items():
            covered[name] += low <= expected[name] <= high
    return {name: times / sets for name, times in covered.items()}


@pytest.mark.parametrize(("songs", "artists"), SETS)
def test_the_interval_of_accuracy_covers_93_of_100_at_least(songs: int, artists: int) -> None:
    for icc, share in ((0.1, 0.5), (0.24, 0.75), (0.5, 0.9), (0.5, 0.97)):
        assert accuracy_coverage(songs, artists, icc, share) >= 0.925  # 2,000 sets are sure to .006


@pytest.mark.long
@pytest.mark.parametrize("icc", CORRELATIONS)
@pytest.mark.parametrize(("songs", "artists"), SETS)
def test_the_interval_of_accuracy_covers_no_less_and_no_more(songs: int, artists: int, icc: float) -> None:
    covered = [accuracy_coverage(songs, artists, icc, share, sets=4000) for share in SHARES]
    assert min(covered) >= 0.927
    if songs >= 100:  # that songs of an artist are not alike at all is hard to see of 20 artists
        assert max(covered) <= (0.973 if icc else 0.982)


@pytest.mark.parametrize(("songs", "artists"), SETS)
def test_the_interval_of_a_paired_difference_covers_93_of_100_at_least(songs: int, artists: int) -> None:
    for icc in (0, 0.24):
        for system in SYSTEMS:
            assert difference_coverage(songs, artists, icc, system, sets=1000) >= 0.925


def test_intervals_that_take_songs_of_an_artist_for_independent_cover_too_little() -> None:
    sizes = artist_sizes(320, 106)
    rng = np.random.default_rng(0)
    hits = rng.binomial(sizes.astype(int), rng.beta(0.65 * 3.17, 0.35 * 3.17, (1000, 106)))
    share = hits.sum(axis=1) / 320
    assert np.mean(np.abs(share - 0.65) <= 1.96 * (share * (1 - share) / 320) ** 0.5) < 0.85


def test_the_interval_over_seeds_covers_93_of_100_at_least() -> None:
    for same in (True, False):
        assert seeds_coverage(61, 20, 0.24, 0.75, seeds=3, spread=0.1, same=same) >= 0.93


@pytest.mark.long
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0, 0.1])
@pytest.mark.parametrize("same", [True, False])
def test_the_interval_over_seeds_covers_in_all_settings(seeds: int, spread: float, same: bool) -> None:
    for songs, artists in ((30, 10), (100, 20), (320, 106)):
        for icc in (0, 0.24):
            assert seeds_coverage(songs, artists, icc, 0.75, seeds=seeds, spread=spread, same=same, sets=600) >= 0.92


@pytest.mark.parametrize(("songs", "artists", "icc", "strength"), [(12, 12, 0.24, 1), (61, 20, 0.24, 3)])
def test_intervals_that_draw_artists_cover_91_of_100_at_least(
    songs: int, artists: int, icc: float, strength: float
) -> None:
    assert min(resampled_coverage(songs, artists, icc, strength).values()) >= 0.91


@pytest.mark.long
@pytest.mark.parametrize("strength", [1, 3])
@pytest.mark.parametrize(("songs", "artists"), SETS)
def test_intervals_that_draw_artists_cover_in_all_settings(songs: int, artists: int, strength: float) -> None:
    for icc in (0, 0.24, 0.5):
        assert min(resampled_coverage(songs, artists, icc, strength, sets=1000).values()) >= 0.9


def print_table() -> None:
    """Print coverage by method and setting."""
    for songs, artists in SETS:
        at = f"{songs:4} songs {artists:4} artists"
        for icc in CORRELATIONS:
            found = " ".join(f"{accuracy_coverage(songs, artists, icc, p, sets=4000):.3f}" for p in SHARES)
            print(f"accuracy   {at}  icc {icc:<4}  {found}", flush=True)
        for icc in CORRELATIONS:
            found = " ".join(f"{difference_coverage(songs, artists, icc, s, sets=4000):.3f}" for s in SYSTEMS)
            print(f"difference {at}  icc {icc:<4}  {found}", flush=True)
        for icc in (0, 0.24, 0.5):
            for strength in (1, 3):
                found = resampled_coverage(songs, artists, icc, strength, sets=1000)
                said = " ".join(f"{name} {value:.3f}" for name, value in found.items())
                print(f"resampled  {at}  icc {icc:<4}  strength {strength}  {said}", flush=True)
        for same in (True, False):
            for seeds in (2, 3, 5):
                values = [
                    seeds_coverage(songs, artists, icc, 0.75, seeds=seeds, spread=spread, same=same, sets=600)
                    for icc in (0, 0.24)
                    for spread in (0, 0.1, 0.3)
                ]
                found = " ".join(f"{value:.3f}" for value in values)
                print(f"seeds      {at}  {seeds} {'same' if same else 'part'}  {found}", flush=True)


if __name__ == "__main__":
    print_table()
