"""The tag network musicnn (Pons and Serra, 2019, arXiv 1909.06654), trained on the Million Song Dataset.

Filters that are tall in frequency (timbre) and filters that are long in time (rhythm) lie side by side; of each the
maximum over the bands is kept, and three layers go through time. The weights are those of the wheel ``musicnn`` 0.1.0
on PyPI (ISC licence).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from genrefusion.models.msd import TAGS

BANDS = 96
COLUMNS = 187
"""Of a patch: 3 s at 16 kHz and a hop of 256 samples."""

_TALL = ((7, 38), (7, 67))  # columns x bands
_LONG = (128, 64, 32)  # columns
_EDGE = 3  # columns at both ends of a patch that a tall filter sees together with zeros beyond it
_EPSILON = 1e-3


class Answers(NamedTuple):
    """What the network makes of patches.

    Attributes
    ----------
    tags : Tensor, shape (patches, 50)
        Probability of each of `TAGS`.
    penultimate : Tensor, shape (patches, 200)
        What the last layer reads.
    pooled : Tensor, shape (patches, 1506)
        Maximum and mean over time of each channel, one after the other.
    """

    tags: Tensor
    penultimate: Tensor
    pooled: Tensor


class Musicnn(nn.Module):
    """The network, for prediction only.

    What the tall filters see is computed once for a song, however close its patches lie: all but three columns at both
    ends of a patch are the same for every patch that has them. Batch normalisation comes after each rectifier.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm1d(1, eps=_EPSILON)
        self.tall = nn.ModuleList(nn.Conv2d(1, 204, shape) for shape in _TALL)
        self.tall_norm = nn.ModuleList(nn.BatchNorm1d(204, eps=_EPSILON) for _ in _TALL)
        self.long = nn.ModuleList(nn.Conv2d(1, 51, (columns, 1)) for columns in _LONG)
        self.long_norm = nn.ModuleList(nn.BatchNorm1d(51, eps=_EPSILON) for _ in _LONG)
        inputs = (2 * 204 + 3 * 51, 64, 64)
        self.through_time = nn.ModuleList(nn.Conv1d(channels, 64, 7, padding=3) for channels in inputs)
        self.through_time_norm = nn.ModuleList(nn.BatchNorm1d(64, eps=_EPSILON) for _ in inputs)
        self.pooled_norm = nn.BatchNorm1d(2 * (inputs[0] + 3 * 64), eps=_EPSILON)
        self.hidden = nn.Linear(self.pooled_norm.num_features, 200)
        self.hidden_norm = nn.BatchNorm1d(200, eps=_EPSILON)
        self.output = nn.Linear(200, len(TAGS))
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, mel: Tensor, starts: Sequence[int]) -> Answers:
        """What it makes of the patches of a spectrogram.

        Parameters
        ----------
        mel : Tensor, shape (columns, 96)
            See `genrefusion.features.musicnn.log_mel`.
        starts : sequence of int
            First column of each patch.
        """
        mel = self.input_norm(mel[:, None])[:, 0]
        patches = torch.stack([mel[start : start + COLUMNS] for start in starts])
        inner = self._tall(mel[None])[0]
        tall = torch.stack([inner[:, start : start + COLUMNS - 2 * _EDGE] for start in starts])
        begins = self._tall(nn.functional.pad(patches[:, : 2 * _EDGE], (0, 0, _EDGE, 0)))
        ends = self._tall(nn.functional.pad(patches[:, -2 * _EDGE :], (0, 0, 0, _EDGE)))
        return self._classify(torch.cat([torch.cat([begins, tall, ends], dim=2), self._long(patches)], dim=1))

    def _tall(self, mels: Tensor) -> Tensor:
        """Shape (patches, 408, columns - 6)."""
        layers = zip(self.tall, self.tall_norm, strict=True)
        return torch.cat([_highest(mels, conv, norm) for conv, norm in layers], dim=1)

    def _long(self, patches: Tensor) -> Tensor:
        """Shape (patches, 153, columns), with zeros beyond both ends, one more behind than before."""
        found = []
        for conv, norm, columns in zip(self.long, self.long_norm, _LONG, strict=True):
            padded = nn.functional.pad(patches, (0, 0, columns // 2 - 1, columns // 2))
            found.append(torch.cat([_highest(patch[None], conv, norm) for patch in padded]))
        return torch.cat(found, dim=1)

    def _classify(self, front: Tensor) -> Answers:
        levels = [front]
        for conv, norm in zip(self.through_time, self.through_time_norm, strict=True):
            above = norm(torch.relu(conv(levels[-1])))
            levels.append(above if len(levels) == 1 else above + levels[-1])
        channels = torch.cat(levels, dim=1)
        pooled = torch.stack([channels.amax(dim=2), channels.mean(dim=2)], dim=2).flatten(1)
        penultimate = self.hidden_norm(torch.relu(self.hidden(self.pooled_norm(pooled))))
        return Answers(torch.sigmoid(self.output(penultimate)), penultimate, pooled)


def _highest(mels: Tensor, conv: nn.Module, norm: nn.Module, *, columns: int = 64) -> Tensor:
    """Maximum over the bands of ``norm(relu(conv(mel)))``, shape (patches, channels, columns that the filters fit in).

    Rectifier and normalisation rise or fall all the way, so they come after the maximum, or after the minimum of the
    channels whose scale is negative, and see but one value of a column. A few columns at once stay near the processor.
    """
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm1d)
    assert conv.bias is not None
    sign = torch.where(norm.weight < 0, -1.0, 1.0)
    weight = (conv.weight * sign[:, None, None, None]).contiguous(memory_format=torch.channels_last)
    length = conv.kernel_size[0] - 1
    pieces = [
        nn.functional.conv2d(mels[:, None, first : first + columns + length], weight).amax(dim=3)
        for first in range(0, mels.shape[1] - length, columns)
    ]
    highest = torch.cat(pieces, dim=2) * sign[:, None] + conv.bias[:, None]
    found: Tensor = norm(torch.relu(highest))
    return found


def from_published(tensors: Mapping[str, npt.NDArray[np.float32]]) -> Musicnn:
    """Build the network of the tensors of the published checkpoint.

    Raises
    ------
    KeyError, RuntimeError
        They are others.
    """
    network = Musicnn()
    convs: list[Any] = [*network.tall, *network.long, *network.through_time]
    norms = [network.input_norm, *network.tall_norm, *network.long_norm, *network.through_time_norm]
    state: dict[str, Tensor] = {}
    names = {module: name for name, module in network.named_modules()}

    def layer(kind: str, number: int) -> str:
        return kind if number == 0 else f"{kind}_{number}"

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.array(tensors[name], dtype=np.float32))

    for number, norm in enumerate([*norms, network.pooled_norm, network.hidden_norm]):
        published = layer("batch_normalization", number)
        parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
        state |= {f"{names[norm]}.{own}": tensor(f"{published}/{theirs}") for own, theirs in parts.items()}
        state[f"{names[norm]}.num_batches_tracked"] = torch.tensor(0)
    for number, conv in enumerate(convs):
        kernel = tensor(f"{layer('conv2d', number)}/kernel").permute(3, 2, 0, 1)  # columns, bands, inputs, channels
        state[f"{names[conv]}.weight"] = kernel[:, 0].transpose(1, 2) if isinstance(conv, nn.Conv1d) else kernel
        state[f"{names[conv]}.bias"] = tensor(f"{layer('conv2d', number)}/bias")
    for number, dense in enumerate([network.hidden, network.output]):
        state[f"{names[dense]}.weight"] = tensor(f"{layer('dense', number)}/kernel").T
        state[f"{names[dense]}.bias"] = tensor(f"{layer('dense', number)}/bias")
    network.load_state_dict(state)
    return network
