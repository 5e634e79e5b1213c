from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from genrefusion.metrics.clusters import (
    ALONE,
    Groups,
    effective_groups,
    effective_n,
    effective_n_of_values,
    quantile,
    too_few,
    wilson,
)


def test_tracks_of_a_group_have_one_number_and_others_stand_alone() -> None:
    groups = Groups({"a": "x", "b": "y", "c": "x"}, "artists")
    assert groups.labels(["a", "b", "c", "d", "x", "y", "d"]).tolist() == [0, 1, 0, 2, 3, 4, 2]
    assert Groups().drawn == ALONE


def test_effective_groups_of_equal_ones_is_their_number() -> None:
    assert effective_groups(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_groups(np.array([8.0, 1, 1])) == pytest.approx(100 / 66)


def test_songs_of_lone_artists_count_in_full() -> None:
    assert effective_n(np.array([1.0, 0, 1, 1]), np.ones(4)) == pytest.approx(4)
    assert effective_n_of_values(np.array([0.3, 0.1, -1]), np.asarray(1.1), np.ones(3)) == pytest.approx(3)


@pytest.mark.parametrize("icc", [0.05, 0.2, 0.5])
def test_with_many_artists_the_design_effect_is_that_of_the_clustered_variance(icc: float) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, 5000).astype(float)
    hits = rng.binomial(sizes.astype(int), rng.beta(0.7 * (1 / icc - 1), 0.3 * (1 / icc - 1), 5000)).astype(float)
    n, share = sizes.sum(), hits.sum() / sizes.sum()
    slow = sum((h - share * m) ** 2 for h, m in zip(hits, sizes, strict=True)) * 5000 / 4999 / n**2
    expected = share * (1 - share) / slow
    assert effective_n(hits, sizes) == pytest.approx(expected, rel=0.08)
    assert effective_n_of_values(hits, np.asarray(hits.sum()), sizes) == pytest.approx(expected, rel=0.08)


def test_the_correlation_is_the_median_of_its_posterior_under_a_beta_binomial_model() -> None:
    hits, sizes = np.array([3.0, 0, 2, 5, 1]), np.array([3.0, 4, 2, 6, 1])
    share = (hits.sum() + 1) / (sizes.sum() + 2)
    grid = (np.arange(40) + 0.5) / 40
    likelihood = [
        scipy.stats.betabinom.pmf(hits, sizes, share * (1 / r - 1), (1 - share) * (1 / r - 1)).prod() for r in grid
    ]
    prior = 0.8 * np.diff(scipy.stats.beta.cdf(np.arange(41) / 40, 2, 4))
    none = 0.2 * scipy.stats.binom.pmf(hits, sizes, share).prod()
    posterior = np.concatenate([[none], prior * likelihood])
    median = np.concatenate([[0], grid])[np.searchsorted(np.cumsum(posterior) / posterior.sum(), 0.5)]
    kish = 1 + median * ((sizes**2).sum() / sizes.sum() - 1)
    assert effective_n(hits, sizes) == pytest.approx(sizes.sum() / kish)


def test_values_that_are_all_equal_are_worth_what_the_prior_says() -> None:
    sizes = np.array([4.0, 4, 4])
    worth = [float(effective_n_of_values(value * sizes, np.asarray(12 * value**2), sizes)) for value in (0.0, 0.3, 5.0)]
    assert worth == pytest.approx([worth[0]] * 3)
    assert 3 < worth[0] < 12


def test_many_sets_at_once_are_what_each_is_alone() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 20).astype(float)
    hits = rng.binomial(sizes.astype(int), 0.7, (5, 20)).astype(float)
    np.testing.assert_allclose(effective_n(hits, sizes), [effective_n(row, sizes) for row in hits])


def test_twelve_songs_that_are_all_right_do_not_prove_a_system_without_errors() -> None:
    low, high = wilson(1.0, effective_n(np.ones(12), np.ones(12)), quantile(11))
    assert (low, high) == (pytest.approx(12 / (12 + scipy.stats.t.ppf(0.975, 11) ** 2)), 1)


@pytest.mark.parametrize(
    ("clusters", "drawn", "said"),
    [
        (range(6), ALONE, "n = 6 songs: too few"),
        ([0, 0, 1, 1, 2, 2], "artists", "n = 6 songs of 3 artists: too few"),
        ([0] * 20, "artists", "n = 20 songs of 1 artist: too few"),
        ([0] * 20, "songs", "n = 20 tracks of 1 song: too few"),
        ([0] * 30 + list(range(6)), "artists", "n = 36 songs of 6 artists, most by a few of them: too few"),
        (range(10), ALONE, ""),
        ([0, 1, 2, 3, 4] * 2, "artists", ""),
    ],
)
def test_too_few_songs_or_artists_are_said_to_be(clusters: object, drawn: str, said: str) -> None:
    found = too_few(np.array(clusters), Groups({}, drawn))
    assert found.startswith(said)
    assert bool(found) == bool(said)
