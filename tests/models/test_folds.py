"""Folds within training rows keep groups whole where every class allows it."""

from __future__ import annotations

import numpy as np
import pytest

from genrefusion.models.folds import inner_folds


def labelled(rows: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's (class, group)."""
    classes, groups = (np.unique(values, return_inverse=True)[1] for values in zip(*rows, strict=True))
    return classes, groups


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("artists", [2, 3, 8])
def test_folds_know_every_class_and_part_no_group(artists: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [(g, f"{g} {a}") for g in "abc" for a in range(artists) for _ in range(rng.integers(1, 5))]
    labels, groups = labelled([rows[i] for i in rng.permutation(len(rows))])
    folds = inner_folds(labels, [groups], most=5, seed=seed)
    assert 2 <= len(folds) <= 5
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(len(rows))), "each is held out once"
    for fitted, held in folds:
        assert set(labels[fitted]) == {0, 1, 2}
        assert not set(groups[fitted]) & set(groups[held])


def test_a_class_of_one_group_is_divided_by_the_next_grouping() -> None:
    labels, artists = labelled([("jazz", "Ann")] * 12 + [("rock", f"band {i // 2}") for i in range(12)])
    songs = np.arange(24) // 2
    folds = inner_folds(labels, [artists, songs], most=5, seed=0)
    assert folds
    for fitted, held in folds:
        assert set(labels[fitted]) == {0, 1}
        assert not set(songs[fitted]) & set(songs[held])


def test_a_class_of_one_row_leaves_no_folds() -> None:
    labels, groups = labelled([("jazz", "Ann")] + [("rock", f"band {i}") for i in range(12)])
    assert inner_folds(labels, [groups], most=5, seed=0) == []
