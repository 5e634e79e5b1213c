"""Dense co-attention of lyrics and spectrogram, after Nguyen and Okatani (CVPR 2018, arXiv 1804.00775).

Their network answers questions about images; here a song's audio takes the place of the image and its lyrics that of
the question. Each position of the audio looks at each word and back; vectors that stand for "nothing of the other side"
take up the attention where there is nothing to look at, and all of it where a side is missing. Without such vectors a
missing side is seen as zeros. It is trained in `genrefusion.pipelines.coattention`, where its loss is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genrefusion.models.dropout import Dropout


class Pairs(NamedTuple):
    """A batch of songs, padded.

    Attributes
    ----------
    audio : Tensor, shape (batch, positions, channels)
        Levels of the audio encoder side by side.
    places : Tensor, shape (batch, positions, 2)
        Number of the frame, and of the position in its frame.
    audio_mask : Tensor of bool, shape (batch, positions)
        False for padding, and all over where a song has no audio.
    text : Tensor, shape (batch, tokens, width)
        Token embeddings.
    text_mask : Tensor of bool, shape (batch, tokens)
        False for padding, and all over where a song has no lyrics.
    """

    audio: Tensor
    places: Tensor
    audio_mask: Tensor
    text: Tensor
    text_mask: Tensor


class Reading(NamedTuple):
    """What the network made of a batch, and what it looked at.

    Attributes
    ----------
    logits : Tensor, shape (batch, n_classes)
    over_words : Tensor, shape (batch, positions, none + tokens)
        Attention of each position of the audio over the "none" vectors and the words, in the last layer.
    over_audio : Tensor, shape (batch, tokens, none + positions)
        Attention of each word likewise.
    audio_weights, text_weights : Tensor, shapes (batch, positions) and (batch, tokens)
        Share of each position and word in the pooled vector of its side; rows sum to 1, or to 0 for a missing side.
    """

    logits: Tensor
    over_words: Tensor
    over_audio: Tensor
    audio_weights: Tensor
    text_weights: Tensor


class CoAttentionNetwork(nn.Module):
    """Both sides to one width, layers of dense co-attention, attention pooling, two linear layers.

    Parameters
    ----------
    n_classes : int
        Number of logits.
    levels : sequence of int
        Channels of each level of the audio encoder.
    text_width : int
        Width of the token embeddings.
    width : int
        Width d of everything within; 1024 as published.
    heads, none, layers : int
        Attention heads, "none" vectors for each side (0 does without), layers; 4, 3, 3 as published.
    dropout : float
        After every layer; .3 as published.
    join : str
        How the two pooled vectors become one: ``cat``, ``sum`` or ``prod``.
    """

    def __init__(
        self,
        n_classes: int,
        *,
        levels: Sequence[int],
        text_width: int,
        width: int = 128,
        heads: int = 4,
        none: int = 3,
        layers: int = 2,
        dropout: float = 0.3,
        join: str = "cat",
    ) -> None:
        super().__init__()
        self.join = join
        self.audio = AudioSide(levels, width, dropout)
        self.text = TextSide(text_width, width, dropout)
        self.layers = nn.ModuleList(DenseCoAttention(width, heads, none, dropout) for _ in range(layers))
        # A missing side begins as what changes nothing when the two are joined.
        absent = 1.0 if join == "prod" else 0.0
        self.audio_pool = AttentionPool(width, heads, absent)
        self.text_pool = AttentionPool(width, heads, absent)
        self.classify = nn.Sequential(
            Dropout(dropout),
            nn.Linear(2 * width if join == "cat" else width, width),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(width, n_classes),
        )

    def forward(self, *batches: Pairs) -> Tensor:
        """Logits of the songs of all batches, shape (songs, n_classes)."""
        return torch.cat([self.read(pairs).logits for pairs in batches])

    def read(self, pairs: Pairs) -> Reading:
        """Logits and all attention."""
        text, summary = self.text(pairs.text, pairs.text_mask)
        audio = self.audio(pairs.audio, pairs.places, summary)
        batch, positions, tokens = len(text), audio.shape[1], text.shape[1]
        over_words = audio.new_zeros(batch, positions, tokens)
        over_audio = audio.new_zeros(batch, tokens, positions)
        for layer in self.layers:
            audio, text, over_words, over_audio = layer(audio, text, pairs.audio_mask, pairs.text_mask)
        heard, audio_weights = self.audio_pool(audio, pairs.audio_mask)
        meant, text_weights = self.text_pool(text, pairs.text_mask)
        return Reading(self.classify(self._joined(heard, meant)), over_words, over_audio, audio_weights, text_weights)

    def _joined(self, audio: Tensor, text: Tensor) -> Tensor:
        if self.join == "cat":
            return torch.cat([audio, text], dim=1)
        return audio + text if self.join == "sum" else audio * text


class TextSide(nn.Module):
    """Bidirectional LSTM of two layers beside the embeddings that it read, brought to one width."""

    def __init__(self, text_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(text_width)
        self.lstm = nn.ModuleList([BidirectionalLstm(text_width, width // 2), BidirectionalLstm(width, width // 2)])
        self.dropout = Dropout(dropout)
        self.merge = nn.Linear(text_width + width, width)
        self.absent = nn.Parameter(torch.zeros(width))

    def forward(self, embeddings: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Words, shape (batch, tokens, width), and their mean, shape (batch, width)."""
        embeddings = self.norm(embeddings)
        lengths = mask.sum(dim=1)
        read = embeddings
        for layer in self.lstm:
            read = layer(self.dropout(read), lengths)
        words = self.merge(self.dropout(torch.cat([read, embeddings], dim=2)))
        mean = (words * mask[:, :, None]).sum(dim=1) / lengths.clamp(min=1)[:, None]
        return words, torch.where(lengths[:, None] > 0, mean, self.absent)


class BidirectionalLstm(nn.Module):
    """One layer of `torch.nn.LSTM` in each direction, with learned initial states.

    The backward one reads each text from its own end. Done by turning texts round and not by packing them, which takes
    four times as long on a CPU.

    Parameters
    ----------
    n_inputs, n_units : int
        Width of the inputs, and of the state of each direction.
    """

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.directions = nn.ModuleList(nn.LSTM(n_inputs, n_units, batch_first=True) for _ in range(2))
        self.first = nn.Parameter(torch.zeros(2, 2, n_units))  # direction; hidden state and cell

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """States, shape (batch, tokens, 2 n_units), of padded inputs, shape (batch, tokens, n_inputs)."""
        batch, tokens = inputs.shape[:2]
        place = torch.arange(tokens, device=inputs.device).expand(batch, -1)
        # Turns what is there round and leaves the padding behind it; done twice, everything is where it was.
        turned = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
        rows = (turned + tokens * torch.arange(batch, device=inputs.device)[:, None]).flatten()
        forth, back = self._run(0, inputs), self._run(1, _in_order(inputs, rows))
        return torch.cat([forth, _in_order(back, rows)], dim=2)

    def _run(self, direction: int, inputs: Tensor) -> Tensor:
        hidden, cell = self.first[direction].to(inputs.dtype).expand(len(inputs), -1, -1).unbind(1)
        states: Tensor = self.directions[direction](inputs, (hidden[None].contiguous(), cell[None].contiguous()))[0]
        return states


def _in_order(values: Tensor, rows: Tensor) -> Tensor:
    """Positions of all songs in another order, copied row by row, which is faster than `gather`."""
    return values.flatten(0, 1).index_select(0, rows).view_as(values)


class AudioSide(nn.Module):
    """Levels of the audio encoder, each brought to one width and to unit length, mixed as the text asks for."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, levels: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        self.levels = list(levels)
        self.register_buffer("mean", torch.zeros(sum(levels)))
        self.register_buffer("deviation", torch.ones(sum(levels)))
        self.dropout = Dropout(dropout)
        # A 1 x 1 convolution is a linear layer on the channels.
        self.project = nn.ModuleList(nn.Linear(channels, width) for channels in levels)
        self.steer = nn.Linear(width, len(self.levels))
        self.scale = nn.Parameter(torch.tensor(math.sqrt(width)))
        self.place = nn.Linear(2 * PLACE_WIDTH, width, bias=False)

    def set_scale(self, mean: Tensor, deviation: Tensor) -> None:
        """Standardise the channels by mean and deviation over the training songs."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.clamp(min=1e-5))

    def forward(self, audio: Tensor, places: Tensor, text: Tensor) -> Tensor:
        """Positions, shape (batch, positions, width), of levels side by side and the text's mean."""
        audio = self.dropout((audio - self.mean) / self.deviation)
        parts = zip(self.project, torch.split(audio, self.levels, dim=2), strict=True)
        units = torch.stack([nn.functional.normalize(layer(level), dim=2) for layer, level in parts], dim=3)
        weights: Tensor = self.steer(text).softmax(dim=1)
        mixed: Tensor = (units * weights[:, None, None, :]).sum(dim=3)
        where: Tensor = self.place(torch.cat([sinusoids(places[:, :, i]) for i in (0, 1)], dim=2))
        return self.scale * mixed + where


PLACE_WIDTH = 16


def sinusoids(numbers: Tensor) -> Tensor:
    """Sines and cosines of numbers at wavelengths from 2 pi to some 1,000, one more axis of `PLACE_WIDTH`.

    Vaswani et al. (2017, "Attention is all you need"), for songs of at most a few hundred positions.
    """
    rates = torch.exp(torch.arange(PLACE_WIDTH // 2, device=numbers.device) * (-math.log(200.0) / (PLACE_WIDTH // 2)))
    angles = numbers[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class DenseCoAttention(nn.Module):
    """Each position of one side attends to all of the other, and is changed by what it found.

    With audio ``a``, text ``t`` and k learned "none" vectors before each, the affinity of head i is
    ``(U_i a)(V_i t)' / sqrt(d / heads)``. Its softmax over the text, averaged over the heads, weighs the *unprojected*
    text for each position of the audio; its softmax over the audio likewise. Then
    ``a + dropout(relu(W [a; attended text] + b))``, and the same for the text (equations 4 to 12 of the paper).

    Parameters
    ----------
    width : int
        d; a multiple of `heads`.
    heads, none : int
        Attention heads; "none" vectors of each side. With 0 of them attention over a missing side is 0 all over.
    dropout : float
        On what is added.
    """

    def __init__(self, width: int, heads: int, none: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.none_audio = nn.Parameter(torch.randn(none, width) / math.sqrt(width))
        self.none_text = nn.Parameter(torch.randn(none, width) / math.sqrt(width))
        self.project_audio = nn.Linear(width, width, bias=False)
        self.project_text = nn.Linear(width, width, bias=False)
        self.merge_audio = nn.Linear(2 * width, width)
        self.merge_text = nn.Linear(2 * width, width)
        self.dropout = Dropout(dropout)

    def forward(
        self, audio: Tensor, text: Tensor, audio_mask: Tensor, text_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Changed audio and text, and attention (see `Reading`) of audio over words and of words over audio.

        Parameters
        ----------
        audio, text : Tensor, shapes (batch, positions, width) and (batch, tokens, width)
        audio_mask, text_mask : Tensor of bool
            False where there is padding.
        """
        none = len(self.none_audio)
        all_audio, audio_there = _with_none(self.none_audio, audio, audio_mask)
        all_text, text_there = _with_none(self.none_text, text, text_mask)
        affinity = self._in_heads(self.project_audio(all_audio)) @ self._in_heads(
            self.project_text(all_text)
        ).transpose(2, 3)
        affinity = affinity / math.sqrt(audio.shape[2] / self.heads)
        over_words = _attend(affinity[:, :, none:], text_there)
        over_audio = _attend(affinity.transpose(2, 3)[:, :, none:], audio_there)
        seen_text, seen_audio = over_words @ all_text, over_audio @ all_audio
        new_audio = audio + self.dropout(self.merge_audio(torch.cat([audio, seen_text], dim=2)).relu())
        new_text = text + self.dropout(self.merge_text(torch.cat([text, seen_audio], dim=2)).relu())
        return new_audio, new_text, over_words, over_audio

    def _in_heads(self, projected: Tensor) -> Tensor:
        """Shape (batch, heads, positions, width / heads)."""
        return projected.reshape(*projected.shape[:2], self.heads, -1).transpose(1, 2)


class AttentionPool(nn.Module):
    """Weighted mean over positions, by weights of a small network for each head; the heads' vectors are averaged."""

    def __init__(self, width: int, heads: int, absent: float) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, heads))
        self.absent = nn.Parameter(torch.full((width,), absent))

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled vector, shape (batch, width), and weights, shape (batch, positions).

        Where nothing is there to pool, a learned vector and zeros.
        """
        there = mask.any(dim=1, keepdim=True)
        scores = self.score(values).masked_fill(~(mask | ~there)[:, :, None], -math.inf)
        weights = scores.softmax(dim=1).mean(dim=2) * mask
        pooled = (weights[:, None].to(values.dtype) @ values).squeeze(1)
        return torch.where(there, pooled, self.absent.to(pooled.dtype)), weights


def _with_none(none: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Put the "none" vectors before the positions; they are always there."""
    every = torch.cat([none.to(values.dtype).expand(len(values), -1, -1), values], dim=1)
    return every, torch.cat([mask.new_ones(len(mask), len(none)), mask], dim=1)


def _attend(affinity: Tensor, there: Tensor) -> Tensor:
    """Softmax over the last axis where something is there, averaged over the heads; zeros where nothing is."""
    nothing = ~there.any(dim=1, keepdim=True)  # a softmax over nothing would be no number, and neither its gradient
    scores = affinity.masked_fill(~(there | nothing)[:, None, None, :], -math.inf)
    weights = scores.softmax(dim=3).mean(dim=1) * there[:, None, :]
    return weights.to(affinity.dtype)
