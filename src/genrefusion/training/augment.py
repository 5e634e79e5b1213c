"""Loss of a classifier, with the augmentations that change inputs and targets of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrefusion.training.loop import Loss

FREQUENCY_MASK = 16  # mel bands at most
TIME_MASK = 0.1  # share of the columns at most


def classification_loss(*, label_smoothing: float = 0.0, mixup: float = 0.0, specaugment: bool = False) -> Loss:
    """Cross-entropy, with options.

    Parameters
    ----------
    label_smoothing : float
        Share of the target that is spread over all classes (Szegedy et al. 2016).
    mixup : float
        Each batch is mixed with a shuffled copy of itself, by a weight from Beta(mixup, mixup) (Zhang et al. 2018);
        0 is off.
    specaugment : bool
        Two masks in frequency and two in time on inputs of shape (batch, bands, columns) (Park et al. 2019).
    """

    def loss(network: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        if specaugment:
            inputs = spectrogram_masks(inputs)
        if not mixup:
            return nn.functional.cross_entropy(network(inputs), classes, label_smoothing=label_smoothing)
        weight = torch.distributions.Beta(mixup, mixup).sample().to(inputs.device)
        order = torch.randperm(len(inputs), device=inputs.device)
        logits = network(weight * inputs + (1 - weight) * inputs[order])
        first = nn.functional.cross_entropy(logits, classes, label_smoothing=label_smoothing)
        second = nn.functional.cross_entropy(logits, classes[order], label_smoothing=label_smoothing)
        return weight * first + (1 - weight) * second

    return loss


def spectrogram_masks(mel: Tensor) -> Tensor:
    """Two masks in frequency and two in time on each spectrogram of a batch, filled with the mean of the batch.

    Widths are uniform up to `FREQUENCY_MASK` bands and `TIME_MASK` of the columns, places uniform over what is left
    (Park et al. 2019). The draws are those of torchaudio's ``FrequencyMasking`` and ``TimeMasking`` with
    ``iid_masks=True``, in their order.

    Parameters
    ----------
    mel : Tensor, shape (batch, bands, columns)

    Returns
    -------
    Tensor, shape (batch, bands, columns)
    """
    floor = float(mel.mean())
    columns = max(1, round(TIME_MASK * mel.shape[-1]))
    for _ in range(2):
        mel = mel.masked_fill(_stripe(mel, mel.shape[1], FREQUENCY_MASK).unsqueeze(2), floor)
        mel = mel.masked_fill(_stripe(mel, mel.shape[2], columns).unsqueeze(1), floor)
    return mel


def _stripe(mel: Tensor, size: int, widest: int) -> Tensor:
    """True on a stretch of random width and place in each row; shape (batch, size)."""
    width = torch.rand(len(mel), 1, device=mel.device, dtype=mel.dtype) * widest
    start = (torch.rand(len(mel), 1, device=mel.device, dtype=mel.dtype) * (size - width)).long()
    places = torch.arange(size, device=mel.device, dtype=mel.dtype)
    return (places >= start) & (places < start + width.long())
