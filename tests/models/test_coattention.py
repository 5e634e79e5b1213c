"""The co-attention network against plain loops, its masks, its gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genrefusion.models.coattention import (
    AttentionPool,
    BidirectionalLstm,
    CoAttentionNetwork,
    DenseCoAttention,
    Pairs,
)

WIDTH, HEADS = 8, 2


@pytest.fixture(params=[3, 0])
def layer(request: pytest.FixtureRequest) -> DenseCoAttention:
    """With three "none" vectors of each side, and without any."""
    torch.manual_seed(0)
    return DenseCoAttention(WIDTH, HEADS, request.param, dropout=0.0).eval()


def sides(positions: int = 5, tokens: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Audio and text of two songs, the second of which is shorter on both sides."""
    torch.manual_seed(1)
    audio_mask, text_mask = torch.ones(2, positions, dtype=torch.bool), torch.ones(2, tokens, dtype=torch.bool)
    audio_mask[1, 2:] = False
    text_mask[1, 3:] = False
    return torch.randn(2, positions, WIDTH), torch.randn(2, tokens, WIDTH), audio_mask, text_mask


def slow_layer(layer: DenseCoAttention, audio: np.ndarray, text: np.ndarray) -> tuple[np.ndarray, ...]:
    """One song without padding, number by number, as the paper writes it; of nothing to look at, zeros are seen."""
    p = {name: value.detach().double().numpy() for name, value in layer.named_parameters()}
    every_audio = np.concatenate([p["none_audio"], audio])
    every_text = np.concatenate([p["none_text"], text])
    none, size = len(p["none_audio"]), WIDTH // HEADS
    over_words = np.zeros((len(audio), len(every_text)))
    over_audio = np.zeros((len(text), len(every_audio)))
    for head in range(HEADS):
        rows = slice(head * size, (head + 1) * size)
        affinity = np.zeros((len(every_audio), len(every_text)))
        for i, a in enumerate(every_audio):
            for j, t in enumerate(every_text):
                left, right = p["project_audio.weight"][rows] @ a, p["project_text.weight"][rows] @ t
                affinity[i, j] = sum(x * y for x, y in zip(left, right, strict=True)) / math.sqrt(size)
        for i in range(len(audio)):
            weights = np.exp(affinity[none + i])
            over_words[i] += weights / max(weights.sum(), 1e-300) / HEADS
        for j in range(len(text)):
            weights = np.exp(affinity[:, none + j])
            over_audio[j] += weights / max(weights.sum(), 1e-300) / HEADS
    new_audio, new_text = audio.copy(), text.copy()
    for i in range(len(audio)):
        seen = sum((over_words[i, j] * every_text[j] for j in range(len(every_text))), np.zeros(WIDTH))
        joined = p["merge_audio.weight"] @ np.concatenate([audio[i], seen]) + p["merge_audio.bias"]
        new_audio[i] = audio[i] + np.maximum(joined, 0)
    for j in range(len(text)):
        seen = sum((over_audio[j, i] * every_audio[i] for i in range(len(every_audio))), np.zeros(WIDTH))
        joined = p["merge_text.weight"] @ np.concatenate([text[j], seen]) + p["merge_text.bias"]
        new_text[j] = text[j] + np.maximum(joined, 0)
    return new_audio, new_text, over_words, over_audio


@pytest.mark.parametrize("missing", ["nothing", "audio", "text"])
def test_layer_agrees_with_plain_loops_masks_included(layer: DenseCoAttention, missing: str) -> None:
    none = len(layer.none_audio)
    audio, text, audio_mask, text_mask = sides()
    hidden = {"nothing": torch.zeros(0, 0), "audio": audio_mask, "text": text_mask}[missing]
    hidden[1:] = False  # of the second song
    with torch.no_grad():
        found = layer(audio, text, audio_mask, text_mask)
    for song in range(2):
        n, m = int(audio_mask[song].sum()), int(text_mask[song].sum())
        expected = slow_layer(layer, audio[song, :n].double().numpy(), text[song, :m].double().numpy())
        np.testing.assert_allclose(found[0][song, :n], expected[0], atol=1e-5)
        np.testing.assert_allclose(found[1][song, :m], expected[1], atol=1e-5)
        np.testing.assert_allclose(found[2][song, :n, : none + m], expected[2], atol=1e-5)
        np.testing.assert_allclose(found[3][song, :m, : none + n], expected[3], atol=1e-5)
        assert not found[2][song, :, none + m :].any()
        assert not found[3][song, :, none + n :].any()


def test_gradients_of_the_layer_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    layer = DenseCoAttention(4, 2, 1, dropout=0.0).double()
    mask = torch.tensor([[True, True, False]])
    audio, text = (torch.randn(1, 3, 4, dtype=torch.double, requires_grad=True) for _ in range(2))

    def real_outputs(a: Tensor, t: Tensor) -> Tensor:
        new_audio, new_text, *_ = layer(a, t, mask, mask)
        return torch.cat([new_audio[:, :2], new_text[:, :2]])

    assert torch.autograd.gradcheck(real_outputs, (audio, text))


def test_layer_runs_under_autocast(layer: DenseCoAttention) -> None:
    expected = layer(*sides())[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(*sides())[0]
    assert found.isfinite().all()
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("side", ["audio", "text"])
def test_a_missing_side_leaves_gradients_that_are_numbers(side: str, autocast: bool) -> None:
    torch.manual_seed(0)
    network = CoAttentionNetwork(3, levels=[2, 3], text_width=6, width=8, heads=2, none=0)
    batch = pairs()
    getattr(batch, f"{side}_mask")[1:] = False
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        reading = network.read(batch)
        nn.functional.cross_entropy(reading.logits, torch.tensor([0, 1])).backward()
    assert all(value.isfinite().all() for value in reading)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_lstm_is_that_of_torch_on_packed_sequences() -> None:
    torch.manual_seed(0)
    ours, lengths = BidirectionalLstm(6, 5), torch.tensor([7, 3, 1])
    theirs = nn.LSTM(6, 5, bidirectional=True, batch_first=True)
    for direction, suffix in enumerate(("", "_reverse")):
        for name, value in ours.directions[direction].named_parameters():
            getattr(theirs, name + suffix).data.copy_(value.data)
    inputs = torch.randn(3, 7, 6)
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True)
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(inputs, lengths)
    for song, length in enumerate(lengths):
        torch.testing.assert_close(found[song, :length], expected[song, :length])


@pytest.fixture(params=[("cat", 3), ("sum", 3), ("prod", 3), ("cat", 0)], ids=str)
def network(request: pytest.FixtureRequest) -> CoAttentionNetwork:
    torch.manual_seed(0)
    join, none = request.param
    return CoAttentionNetwork(3, levels=[2, 3], text_width=6, width=8, heads=2, join=join, none=none).eval()


def pairs(positions: int = 4, tokens: int = 5) -> Pairs:
    torch.manual_seed(2)
    places = torch.stack([torch.zeros(positions), torch.arange(float(positions))], dim=1).expand(2, -1, -1)
    return Pairs(
        torch.randn(2, positions, 5),
        places,
        torch.ones(2, positions, dtype=torch.bool),
        torch.randn(2, tokens, 6),
        torch.ones(2, tokens, dtype=torch.bool),
    )


def test_padding_never_changes_a_prediction(network: CoAttentionNetwork) -> None:
    whole = pairs()
    noise = torch.full((2, 3, 1), 50.0)
    padded = Pairs(
        torch.cat([whole.audio, noise.expand(-1, -1, 5)], dim=1),
        torch.cat([whole.places, noise.expand(-1, -1, 2)], dim=1),
        torch.cat([whole.audio_mask, torch.zeros(2, 3, dtype=torch.bool)], dim=1),
        torch.cat([whole.text, noise.expand(-1, -1, 6)], dim=1),
        torch.cat([whole.text_mask, torch.zeros(2, 3, dtype=torch.bool)], dim=1),
    )
    torch.testing.assert_close(network(padded), network(whole), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["audio", "text"])
def test_a_missing_side_leaves_a_prediction_that_the_hidden_values_cannot_change(
    network: CoAttentionNetwork, side: str
) -> None:
    hidden = pairs()._replace(**{f"{side}_mask": torch.zeros_like(getattr(pairs(), f"{side}_mask"))})
    other = hidden._replace(**{side: torch.randn_like(getattr(hidden, side))})
    expected = network(hidden)
    assert expected.isfinite().all()
    torch.testing.assert_close(network(other), expected)
    remaining = "text" if side == "audio" else "audio"
    changed = hidden._replace(**{remaining: torch.randn_like(getattr(hidden, remaining))})
    assert not torch.allclose(network(changed), expected)


def test_both_sides_and_the_places_count(network: CoAttentionNetwork) -> None:
    whole = pairs()
    for name in ("audio", "text", "places"):
        value = getattr(whole, name)
        assert not torch.allclose(network(whole._replace(**{name: value.flip(1) + 1})), network(whole))


def test_attention_is_a_share(network: CoAttentionNetwork) -> None:
    reading = network.read(pairs())
    for weights in reading[1:]:
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))


def test_pool_of_nothing_is_a_learned_vector() -> None:
    pool = AttentionPool(4, 2, absent=0.7)
    pooled, weights = pool(torch.randn(1, 3, 4), torch.zeros(1, 3, dtype=torch.bool))
    torch.testing.assert_close(pooled, torch.full((1, 4), 0.7))
    assert not weights.any()


def test_the_default_network_stays_compact() -> None:
    network = CoAttentionNetwork(10, levels=[64, 128, 128, 128], text_width=384)
    assert sum(p.numel() for p in network.parameters()) < 3_000_000
