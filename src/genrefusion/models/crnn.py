"""The convolutional recurrent network of Choi, Fazekas, Sandler and Cho (2017, arXiv 1609.04243).

Four convolutions with max-pooling turn a mel-spectrogram into a short sequence of vectors; two gated recurrent layers
read the sequence; a linear layer decides. The layers compute what Keras 1 computed in 2016, so that the published
weights can be used (`genrefusion.models.msd`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MEL_BANDS = 96
POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))
LEAST_COLUMNS = math.prod(columns for _, columns in POOLS)
"""Shortest spectrogram of which pooling leaves a step."""

RECURRENT_UNITS = 32
PADDED_COLUMNS = 1440
"""The published network pads its 1366 columns on both sides to this many and normalises each column by itself."""


class Crnn(nn.Module):
    """Trunk and recurrent head in one.

    Parameters
    ----------
    n_classes : int
        Number of logits.
    width : int
        Channels of the first convolution; the other three have twice as many. 64 is the published size.
    column_norm : bool
        Normalise the input column by column, as the published network does (29.12 s frames only), instead of band by
        band.
    dropout : float
        Before the last layer; a third of it after each convolution, as published.
    """

    def __init__(self, n_classes: int, *, width: int = 64, column_norm: bool = False, dropout: float = 0.3) -> None:
        super().__init__()
        self.trunk = Trunk(width=width, column_norm=column_norm, dropout=dropout / 3)
        self.head = RecurrentHead(self.trunk.channels[-1], n_classes, dropout=dropout)

    def forward(self, mel: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of mel-spectrograms in dB, shape (batch, 96, columns)."""
        logits: Tensor = self.head(self.trunk(mel))
        return logits


class Trunk(nn.Module):
    """Input normalisation and four blocks of convolution, batch normalisation, max-pooling, ELU and dropout."""

    def __init__(self, *, width: int = 64, column_norm: bool = False, dropout: float = 0.1) -> None:
        super().__init__()
        self.channels = (width, 2 * width, 2 * width, 2 * width)
        self.column_norm = column_norm
        self.input_norm = nn.BatchNorm1d(PADDED_COLUMNS if column_norm else MEL_BANDS, eps=1e-3)
        inputs = (1, *self.channels[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(below, above, 3, padding=1),
                nn.BatchNorm2d(above, eps=1e-3),
                # Published as ELU, then pooling: ELU only rises, so this order gives the same values for less work.
                nn.MaxPool2d(pool),
                nn.ELU(inplace=True),
                nn.Dropout(dropout),
            )
            for below, above, pool in zip(inputs, self.channels, POOLS, strict=True)
        )

    def forward(self, mel: Tensor) -> Tensor:
        """Sequence of vectors, shape (batch, columns // 96, channels), of (batch, 96, columns) dB."""
        return self.levels(mel)[-1].squeeze(2).transpose(1, 2)

    def sequence(self, mel: Tensor) -> Tensor:
        """All four levels side by side, shape (batch, steps, n_channels), of (batch, 96, columns) dB.

        Each level is averaged over its bands, and over time to the steps of the last one. The last level comes last.
        """
        maps = self.levels(mel)
        steps = maps[-1].shape[-1]
        pooled = [nn.functional.adaptive_avg_pool2d(level, (1, steps)).squeeze(2) for level in maps]
        return torch.cat(pooled, dim=1).transpose(1, 2)

    def step_edges(self, columns: int) -> list[float]:
        """Where each step of `sequence` begins in a spectrogram of that many columns, and where the last one ends.

        The average over time spreads a level evenly over the steps. The last level alone leaves out what remains of
        the columns after the last multiple of 96.
        """
        width = PADDED_COLUMNS if self.column_norm else columns
        steps, before = width // LEAST_COLUMNS, (width - columns) // 2
        return [min(max(step * width / steps - before, 0.0), float(columns)) for step in range(steps + 1)]

    @property
    def n_channels(self) -> int:
        """Channels of all levels together."""
        return sum(self.channels)

    def levels(self, mel: Tensor) -> list[Tensor]:
        """Outputs of the four blocks, each of shape (batch, channels, bands, columns) with fewer bands and columns."""
        maps: list[Tensor] = []
        below = self._normalise(mel).unsqueeze(1)
        for block in self.blocks:
            below = block(below)
            maps.append(below)
        return maps

    def _normalise(self, mel: Tensor) -> Tensor:
        if not self.column_norm:
            normalised: Tensor = self.input_norm(mel)
            return normalised
        missing = PADDED_COLUMNS - mel.shape[-1]
        padded = nn.functional.pad(mel, (missing // 2, missing - missing // 2))
        by_column: Tensor = self.input_norm(padded.transpose(1, 2))
        return by_column.transpose(1, 2)


class RecurrentHead(nn.Module):
    """Two gated recurrent layers over a sequence of vectors, dropout and a linear layer on the last state."""

    def __init__(self, n_inputs: int, n_classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        self.gru1 = KerasGru(n_inputs, RECURRENT_UNITS)
        self.gru2 = KerasGru(RECURRENT_UNITS, RECURRENT_UNITS)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(RECURRENT_UNITS, n_classes)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of a sequence, shape (batch, steps, n_inputs)."""
        logits: Tensor = self.output(self.dropout(self.embed(sequence)))
        return logits

    def embed(self, sequence: Tensor) -> Tensor:
        """Last state of the second layer, shape (batch, 32)."""
        states: Tensor = self.gru2(self.gru1(sequence))
        return states[:, -1]


class FrameClassifier(nn.Module):
    """Trunk, and a head that reads all of its levels: what the multi-frame pipeline trains.

    Transfer from all levels was found better than from the last by Choi et al. (2017, "Transfer learning for music
    classification and regression tasks", arXiv 1703.09179); so it was here (see the README).

    Parameters
    ----------
    n_classes : int
        Number of logits.
    width, column_norm
        As in `Trunk`.
    dropout : float
        Before the last layer; a third of it in the trunk.
    """

    def __init__(self, n_classes: int, *, width: int, column_norm: bool, dropout: float) -> None:
        super().__init__()
        self.trunk = Trunk(width=width, column_norm=column_norm, dropout=dropout / 3)
        self.head = LevelsHead(self.trunk.n_channels, n_classes, dropout=dropout)

    def forward(self, mel: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of mel-spectrograms in dB, shape (batch, 96, columns)."""
        logits: Tensor = self.head(self.trunk.sequence(mel))
        return logits

    def embed(self, mel: Tensor) -> Tensor:
        """Vector of each spectrogram before the last layer; see `LevelsHead.embed`."""
        embedding: Tensor = self.head.embed(self.trunk.sequence(mel))
        return embedding

    def copy_published(self, published: Crnn) -> None:
        """Take over trunk and recurrent layers; inputs that the published layers lack begin at zero."""
        self.trunk.load_state_dict(published.trunk.state_dict())
        self.head.gru2.load_state_dict(published.head.gru2.state_dict())
        gru = published.head.gru1.state_dict()
        kernel = torch.zeros_like(self.head.gru1.kernel)
        kernel[-gru["kernel"].shape[0] :] = gru["kernel"]
        self.head.gru1.load_state_dict(gru | {"kernel": kernel})


class LevelsHead(nn.Module):
    """Recurrent state beside mean and deviation over time, normalised, then a linear layer."""

    def __init__(self, n_inputs: int, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm1d(n_inputs, affine=False)
        self.gru1 = KerasGru(n_inputs, RECURRENT_UNITS)
        self.gru2 = KerasGru(RECURRENT_UNITS, RECURRENT_UNITS)
        self.embedding_norm = nn.BatchNorm1d(RECURRENT_UNITS + 2 * n_inputs)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(RECURRENT_UNITS + 2 * n_inputs, n_classes)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of a sequence, shape (batch, steps, n_inputs)."""
        return self.classify(self.embed(sequence))

    def embed(self, sequence: Tensor) -> Tensor:
        """Vector of each sequence, shape (batch, 32 + 2 n_inputs)."""
        sequence = self.input_norm(sequence.transpose(1, 2)).transpose(1, 2)
        state = self.gru2(self.gru1(sequence))[:, -1]
        deviation = sequence.std(dim=1, correction=0) if sequence.shape[1] > 1 else torch.zeros_like(sequence[:, 0])
        embedding: Tensor = self.embedding_norm(torch.cat([state, sequence.mean(dim=1), deviation], dim=1))
        return embedding

    def classify(self, embedding: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of what `embed` gives."""
        logits: Tensor = self.output(self.dropout(embedding))
        return logits


class KerasGru(nn.Module):
    """Gated recurrent layer as Keras 1 computed it.

    The gates use the hard sigmoid ``clip(0.2 x + 0.5, 0, 1)`` and the reset gate multiplies the state *before* the
    recurrent matrix; `torch.nn.GRU` has the logistic sigmoid and multiplies after it, so published weights give other
    results there.

    Parameters
    ----------
    n_inputs, n_units : int
        Width of the inputs and of the state.
    """

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.n_units = n_units
        self.kernel = nn.Parameter(torch.empty(n_inputs, 3 * n_units))
        self.recurrent = nn.Parameter(torch.empty(n_units, 3 * n_units))
        self.bias = nn.Parameter(torch.zeros(3 * n_units))
        for gate in range(3):
            columns = slice(gate * n_units, (gate + 1) * n_units)
            nn.init.xavier_uniform_(self.kernel.data[:, columns])
            nn.init.orthogonal_(self.recurrent.data[:, columns])

    def forward(self, sequence: Tensor) -> Tensor:
        """States, shape (batch, steps, n_units), of inputs, shape (batch, steps, n_inputs); the first state is 0."""
        gates = 2 * self.n_units
        update_reset, candidate = self.recurrent[:, :gates], self.recurrent[:, gates:]
        inputs = sequence @ self.kernel + self.bias
        state = inputs.new_zeros(sequence.shape[0], self.n_units)
        states: list[Tensor] = []
        for step in inputs.unbind(dim=1):
            update, reset = hard_sigmoid(step[:, :gates] + state @ update_reset).chunk(2, dim=1)
            proposal = torch.tanh(step[:, gates:] + (reset * state) @ candidate)
            state = update * state + (1 - update) * proposal
            states.append(state)
        return torch.stack(states, dim=1)


def hard_sigmoid(x: Tensor) -> Tensor:
    """``clip(0.2 x + 0.5, 0, 1)``, Keras's piecewise linear sigmoid; torch's own has the slope 1/6."""
    return (0.2 * x + 0.5).clamp(0, 1)
