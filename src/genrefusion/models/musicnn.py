"""The tag network musicnn (Pons and Serra, 2019, arXiv 1909.06654), trained on the Million Song Dataset.

Filters that are tall in frequency (timbre) and filters that are long in time (rhythm) lie side by side; of each the
maximum over the bands is kept, and three layers go through time. The weights are those of the wheel ``musicnn`` 0.1.0
on PyPI (ISC licence).
"""

from __future__ import annotations

import math
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
_EPSILON = 1e-3
_AT_ONCE = 1 << 21
"""Values that filters find before the maximum is taken of them: some megabytes, which stay near the processor."""


class Answers(NamedTuple):
    """What the network makes of patches.

    Attributes
    ----------
    log_tags : Tensor, shape (patches, 50)
        Natural logarithm of the probability of each of `TAGS`; finite however small that is.
    penultimate : Tensor, shape (patches, 200)
        What the last layer reads.
    pooled : Tensor, shape (patches, 1506)
        Maximum and mean over time of each channel, one after the other.
    """

    log_tags: Tensor
    penultimate: Tensor
    pooled: Tensor

    @property
    def tags(self) -> Tensor:
        """Probability of each tag, shape (patches, 50)."""
        return self.log_tags.exp()


class Musicnn(nn.Module):
    """The network, for prediction only.

    Batch normalisation comes after each rectifier. What a filter of the first layer sees wholly inside a patch it sees
    in every patch that has it, so that patches which overlap share it.
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

    def forward(self, mel: Tensor, starts: Sequence[int], dtype: torch.dtype = torch.float32) -> Answers:
        """What it makes of the patches of a spectrogram.

        Parameters
        ----------
        mel : Tensor, shape (columns, 96)
            See `genrefusion.features.musicnn.log_mel`.
        starts : sequence of int
            First column of each patch.
        dtype : torch.dtype
            In which the filters of the first layer are computed, which take nearly all the time; what they find goes
            on in single precision.
        """
        mel = self.input_norm(mel[:, None])[:, 0]
        banks = zip([*self.tall, *self.long], [*self.tall_norm, *self.long_norm], strict=True)
        return self._classify(torch.cat([_of_patches(mel, starts, *bank, dtype) for bank in banks], dim=2))

    def _classify(self, front: Tensor) -> Answers:
        """What comes after the first layer; that has found `front`, shape (patches, 187, 561)."""
        levels = [front]
        for conv, norm in zip(self.through_time, self.through_time_norm, strict=True):
            above = _normalised(torch.relu(_through_time(levels[-1], conv)), norm)
            levels.append(above if len(levels) == 1 else above + levels[-1])
        pooled = [torch.stack([level.amax(dim=1), level.mean(dim=1)], dim=2).flatten(1) for level in levels]
        vectors = torch.cat(pooled, dim=1)
        penultimate = self.hidden_norm(torch.relu(self.hidden(self.pooled_norm(vectors))))
        return Answers(nn.functional.logsigmoid(self.output(penultimate)), penultimate, vectors)


def _of_patches(mel: Tensor, starts: Sequence[int], conv: nn.Module, norm: nn.Module, dtype: torch.dtype) -> Tensor:
    """What a bank of filters finds in each column of each patch, shape (patches, 187, channels).

    A filter sees some columns before and some behind its own, and zeros beyond both ends of the patch. Only where it
    sees these does it find something else than in the whole spectrogram, which is looked through once where that is
    less work than each patch by itself.
    """
    assert isinstance(conv, nn.Conv2d)
    before, behind = (conv.kernel_size[0] - 1) // 2, conv.kernel_size[0] // 2
    reach, pad = before + behind, nn.functional.pad
    patches = torch.stack([mel[start : start + COLUMNS] for start in starts])
    if len(mel) + len(starts) * reach >= len(starts) * COLUMNS:
        return _highest(pad(patches, (0, 0, before, behind)), conv, norm, dtype)
    whole = _highest(mel[None], conv, norm, dtype)[0]
    inner = torch.stack([whole[start : start + COLUMNS - reach] for start in starts])
    begins = _highest(pad(patches[:, :reach], (0, 0, before, 0)), conv, norm, dtype)
    ends = _highest(pad(patches[:, -reach:], (0, 0, 0, behind)), conv, norm, dtype)
    return torch.cat([begins, inner, ends], dim=1)


def _highest(mels: Tensor, conv: nn.Conv2d, norm: nn.Module, dtype: torch.dtype) -> Tensor:
    """Maximum over the bands of ``norm(relu(conv(mel)))``, shape (mels, columns that the filters fit in, channels).

    Rectifier and normalisation rise or fall all the way, so they come after the maximum, or after the minimum of the
    channels whose scale is negative, and see but one value of a column.
    """
    assert isinstance(norm, nn.BatchNorm1d)
    assert conv.bias is not None
    sign = torch.where(norm.weight < 0, -1.0, 1.0)
    found = _maximum(mels.to(dtype), (conv.weight * sign[:, None, None, None]).to(dtype))
    return _normalised(torch.relu(found * sign + conv.bias), norm)


def _maximum(mels: Tensor, weight: Tensor) -> Tensor:
    """Maximum over the bands of ``conv(mel)``, some columns at once; shape (mels, columns, channels)."""
    reach, bands = weight.shape[2] - 1, mels.shape[2] - weight.shape[3] + 1
    columns, most = mels.shape[1] - reach, _AT_ONCE // (len(weight) * bands)
    length = math.ceil(columns / math.ceil(columns / most))  # as many for each piece, as nearly as can be
    # A copy, as one with a single input channel is said to lie that way already. Convolution and maximum are twice as
    # fast with the channels side by side.
    weight = weight.clone(memory_format=torch.channels_last)
    found = []
    for some in torch.split(mels, max(1, most // length)):
        pieces = [some[:, None, first : first + length + reach] for first in range(0, columns, length)]
        highest = [nn.functional.max_pool2d(nn.functional.conv2d(piece, weight), (1, bands)) for piece in pieces]
        found.append(torch.cat([each[..., 0].mT for each in highest], dim=1))
    return torch.cat(found).float()


def _through_time(rows: Tensor, conv: nn.Module) -> Tensor:
    """``conv`` along the columns of patches, shape (patches, columns, channels), whose channels stay side by side."""
    assert isinstance(conv, nn.Conv1d)
    weight = conv.weight[..., None].contiguous(memory_format=torch.channels_last)
    return nn.functional.conv2d(rows.mT[..., None], weight, conv.bias, padding=(conv.kernel_size[0] // 2, 0))[..., 0].mT


def _normalised(rows: Tensor, norm: nn.Module) -> Tensor:
    """Normalise the last axis of three."""
    found: Tensor = norm(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])
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
