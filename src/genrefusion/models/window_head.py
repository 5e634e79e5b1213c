"""A head on vectors of a frozen network, each of which stands for a few seconds of a song."""

from __future__ import annotations

from torch import Tensor, nn

_UNITS = 64


class WindowHead(nn.Module):
    """Normalisation, a hidden layer of 64 units with ELU, dropout, and a linear layer.

    Parameters
    ----------
    n_inputs : int
        Values of a vector.
    n_classes : int
        Number of logits.
    dropout : float
        Of the inputs and of the hidden units.
    """

    def __init__(self, n_inputs: int, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm1d(n_inputs, affine=False)
        self.hidden = nn.Linear(n_inputs, _UNITS)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(_UNITS, n_classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of vectors, shape (batch, n_inputs)."""
        logits: Tensor = self.output(self.dropout(self.embed(vectors)))
        return logits

    def embed(self, vectors: Tensor) -> Tensor:
        """Hidden units, shape (batch, 64)."""
        return nn.functional.elu(self.hidden(self.dropout(self.input_norm(vectors))))
