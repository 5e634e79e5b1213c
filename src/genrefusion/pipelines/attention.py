"""What trained co-attention networks say of songs, and what they look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrefusion.models.coattention import CoAttentionNetwork
from genrefusion.pipelines.sequences import Sequences, batches

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Attention:
    """What the networks looked at in one song, averaged over them.

    Attributes
    ----------
    track : str
        Its id.
    probabilities : Array, shape (classes,)
        What they made of it.
    over_words : Array, shape (positions, tokens)
        Attention of each position of the audio over the words, in the last layer; a row sums to 1 with what went to the
        vectors that stand for nothing.
    audio_weights, text_weights : Array, shapes (positions,) and (tokens,)
        Share of each position and token in the pooled vector of its side; they sum to 1.
    """

    track: str
    probabilities: Probabilities
    over_words: Probabilities
    audio_weights: Probabilities
    text_weights: Probabilities


@torch.inference_mode()
def predict(models: list[nn.Module], songs: Sequences) -> Probabilities:
    """Mean of the networks' probabilities, shape (songs, classes)."""
    rows = []
    order = np.argsort(songs.lengths, kind="stable")
    for pairs in batches(songs, order.tolist(), next(models[0].parameters()).device):
        members = [model(pairs).double().softmax(dim=1).cpu().numpy() for model in models]
        rows.append(np.mean(members, axis=0))
    return np.concatenate(rows)[np.argsort(order)]


@torch.inference_mode()
def attend(models: list[nn.Module], songs: Sequences, *, none: int) -> Iterator[Attention]:
    """What networks with `none` vectors for "nothing" look at in each song, averaged over them, without the padding."""
    first = 0
    for pairs in batches(songs, range(len(songs)), next(models[0].parameters()).device):
        readings = [cast(CoAttentionNetwork, model).read(pairs) for model in models]
        probabilities = _mean([reading.logits.double().softmax(dim=1) for reading in readings])
        over_words = _mean([reading.over_words[:, :, none:] for reading in readings])
        audio_weights = _mean([reading.audio_weights for reading in readings])
        text_weights = _mean([reading.text_weights for reading in readings])
        for row in range(len(probabilities)):
            there, read = (mask[row].cpu().numpy() for mask in (pairs.audio_mask, pairs.text_mask))
            yield Attention(
                songs.ids[first + row],
                probabilities[row],
                over_words[row][there][:, read],
                audio_weights[row][there],
                text_weights[row][read],
            )
        first += len(probabilities)


def _mean(tensors: list[Tensor]) -> Probabilities:
    return np.mean([tensor.double().cpu().numpy() for tensor in tensors], axis=0)  # type: ignore[no-any-return]
