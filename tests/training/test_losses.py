from __future__ import annotations

import pytest
import torch
from torch import nn

from genrefusion.training.losses import classification_loss


class Keep(nn.Module):
    """Hands its inputs on as logits and remembers them."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.seen = inputs
        return inputs.flatten(1)[:, :3]


def test_without_options_it_is_cross_entropy() -> None:
    logits, classes = torch.randn(8, 3), torch.randint(0, 3, (8,))
    expected = nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(classification_loss()(Keep(), logits, classes), expected)


def test_mixup_mixes_pairs_of_inputs_and_their_losses_by_one_weight() -> None:
    torch.manual_seed(0)
    inputs, classes = torch.eye(3)[[0, 1, 2, 0]] * 5, torch.tensor([0, 1, 2, 0])
    network = Keep()
    loss = classification_loss(mixup=1.0)(network, inputs, classes)
    torch.testing.assert_close(network.seen.sum(dim=1), torch.full((4,), 5.0))
    assert network.seen.max() < 5 or torch.equal(network.seen, inputs)
    assert loss > nn.functional.cross_entropy(inputs, classes)


def test_specaugment_masks_bands_and_columns_and_keeps_the_shape() -> None:
    pytest.importorskip("torchaudio")
    torch.manual_seed(0)
    mel = torch.rand(6, 96, 200) + 10
    network = Keep()
    classification_loss(specaugment=True)(network, mel, torch.zeros(6, dtype=torch.long))
    masked = network.seen == mel.mean()
    assert network.seen.shape == mel.shape
    assert 0 < masked.float().mean() < 0.6
    torch.testing.assert_close(network.seen[~masked], mel[~masked])
