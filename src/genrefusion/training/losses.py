"""Loss of a classifier, with the augmentations that change inputs and targets of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genrefusion.core.torchaudio_parts import import_torchaudio
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
    mask = _spectrogram_masks() if specaugment else None

    def loss(network: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        if mask is not None:
            inputs = mask(inputs)
        if not mixup:
            return nn.functional.cross_entropy(network(inputs), classes, label_smoothing=label_smoothing)
        weight = torch.distributions.Beta(mixup, mixup).sample().to(inputs.device)
        order = torch.randperm(len(inputs), device=inputs.device)
        logits = network(weight * inputs + (1 - weight) * inputs[order])
        first = nn.functional.cross_entropy(logits, classes, label_smoothing=label_smoothing)
        second = nn.functional.cross_entropy(logits, classes[order], label_smoothing=label_smoothing)
        return weight * first + (1 - weight) * second

    return loss


def _spectrogram_masks() -> Callable[[Tensor], Tensor]:
    transforms = import_torchaudio("transforms", "The masks of pipeline.specaugment come")

    def mask(mel: Tensor) -> Tensor:
        floor = float(mel.mean())
        columns = max(1, round(TIME_MASK * mel.shape[-1]))
        masked = mel.unsqueeze(1)
        for _ in range(2):
            masked = transforms.FrequencyMasking(FREQUENCY_MASK, iid_masks=True)(masked, floor)
            masked = transforms.TimeMasking(columns, iid_masks=True)(masked, floor)
        return masked.squeeze(1)

    return mask
