"""Batches of like lengths: every item once, shuffled, by the seed alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from genrefusion.training.order import LikeLengths

BATCH = 8
LENGTHS = np.random.default_rng(0).integers(10, 500, 300).tolist()


def order(*seeds: int, lengths: list[int] = LENGTHS) -> Iterator[list[int]]:
    """Of an epoch for each seed."""
    generator = torch.Generator()
    items = LikeLengths(lengths, BATCH, generator)
    for seed in seeds:
        generator.manual_seed(seed)
        yield list(items)


def padding(items: list[int]) -> float:
    """Share of the padded positions."""
    batches = [[LENGTHS[i] for i in items[first : first + BATCH]] for first in range(0, len(items), BATCH)]
    return 1 - sum(map(sum, batches)) / sum(len(batch) * max(batch) for batch in batches)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 65, 300])
def test_every_item_comes_once(count: int) -> None:
    (items,) = order(0, lengths=LENGTHS[:count])
    assert sorted(items) == list(range(count))


def test_the_seed_decides_the_order() -> None:
    first, second, again = order(0, 1, 0)
    assert first == again != second


def test_items_of_a_batch_have_like_lengths() -> None:
    (items,) = order(0)
    assert padding(items) < 0.15 < 0.35 < padding(list(range(len(LENGTHS))))


def test_batches_come_in_no_order_of_length_and_with_others_each_time() -> None:
    epochs = [[frozenset(items[i : i + BATCH]) for i in range(0, 296, BATCH)] for items in order(*range(20))]
    longest = [[max(LENGTHS[i] for i in batch) for batch in batches] for batches in epochs]
    assert abs(np.mean([np.corrcoef(lengths, range(37))[0, 1] for lengths in longest])) < 0.1
    assert len({batch for batches in epochs for batch in batches}) == 20 * 37


def test_what_is_left_for_a_last_batch_is_drawn_from_all() -> None:
    left = [LENGTHS[i] for items in order(*range(200)) for i in items[296:]]
    assert np.mean(left) == pytest.approx(np.mean(LENGTHS), rel=0.1)
