"""In which order a network sees items of different lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

_GROUP = 8  # batches whose items are sorted by length: with more of them the same items would always be together


class LikeLengths(Sampler[int]):
    """Random order in which the items of a batch have about one length, so that little of it is padding.

    Items are shuffled, those of a few batches at a time sorted by length, and the batches shuffled. A last batch that
    is not full is drawn from all.

    Parameters
    ----------
    lengths : sequence of int
        Of each item.
    batch_size : int
        Items of a batch.
    generator : Generator
        Decides the order; with the same seed it is the same.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, generator: torch.Generator) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self.lengths), generator=self.generator).tolist()
        full = len(order) - len(order) % self.batch_size
        batches: list[list[int]] = []
        for first in range(0, full, _GROUP * self.batch_size):
            group = sorted(order[first : min(first + _GROUP * self.batch_size, full)], key=self.lengths.__getitem__)
            batches += [group[i : i + self.batch_size] for i in range(0, len(group), self.batch_size)]
        for number in torch.randperm(len(batches), generator=self.generator).tolist():
            yield from batches[number]
        yield from order[full:]
