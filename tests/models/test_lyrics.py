"""Classifiers of lyrics as plain modules."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from genrefusion.features.text_encoder import load_pretrained
from genrefusion.models.lyrics import TunedTransformer


def gradients(network: nn.Module) -> tuple[dict[str, Tensor], int]:
    """Of each parameter, and how many values were kept for the backward pass."""
    kept = []
    torch.manual_seed(1)  # of the dropout
    network.zero_grad()
    ids = torch.arange(400).reshape(4, 100) + 1000
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.numel()), tensor)[1], lambda t: t):
        loss = nn.functional.cross_entropy(network.train()(ids, torch.ones_like(ids)), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}, sum(kept)


def test_what_is_computed_again_in_the_backward_pass_changes_no_gradient(tiny_encoder: Path) -> None:
    load_pretrained.cache_clear()
    encoder = load_pretrained(str(tiny_encoder))[1]
    network = TunedTransformer(encoder, 3, dropout=0.2)
    again, kept = gradients(network)
    encoder.gradient_checkpointing_disable()
    whole, kept_of_all = gradients(network)
    load_pretrained.cache_clear()
    assert kept < kept_of_all / 2
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)
