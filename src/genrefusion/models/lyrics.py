"""Classifiers of lyrics: a head on frozen token embeddings, a transformer that is trained, estimators on vectors."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from genrefusion.models.coattention import AttentionPool
from genrefusion.models.folds import Folds, platt


class LyricsHead(nn.Module):
    """Attention pooling of frozen token embeddings beside their mean, two linear layers.

    Parameters
    ----------
    text_width : int
        Width of the embeddings.
    n_classes : int
        Number of logits.
    width, heads : int
        Width within, and attention heads.
    dropout : float
        Before every layer.
    """

    def __init__(self, text_width: int, n_classes: int, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            nn.LayerNorm(text_width), nn.Dropout(dropout), nn.Linear(text_width, width), nn.ReLU()
        )
        self.pool = AttentionPool(width, heads, 0.0)
        self.leave = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, n_classes),
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of embeddings, shape (batch, tokens, text_width)."""
        words = self.enter(tokens)
        pooled, _ = self.pool(words, mask)
        mean = (words * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        logits: Tensor = self.leave(torch.cat([pooled, mean], dim=1))
        return logits


class TunedTransformer(nn.Module):
    """A transformer and a linear layer on the mean of its outputs; all of it is trained.

    Of each of its layers only the inputs are kept for the backward pass, which computes the rest again (Chen et al.
    2016, arXiv 1604.06174): that takes a third more time, and less than half of the memory.

    Parameters
    ----------
    encoder : Module
        From Hugging Face's transformers.
    n_classes : int
        Number of logits.
    dropout : float
        Before the linear layer.
    """

    def __init__(self, encoder: Any, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        if encoder.supports_gradient_checkpointing:
            # The second name is that of transformers before 5.
            enable = getattr(encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable)
            enable({"use_reentrant": False})
        self.leave = nn.Sequential(nn.Dropout(dropout), nn.Linear(int(encoder.config.hidden_size), n_classes))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits, shape (windows, n_classes), of token ids, shape (windows, tokens)."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        logits: Tensor = self.leave(mean)
        return logits


def make_estimator(kind: str, *, c: float, seed: int, folds: Folds, threads: int | None = None) -> Any:
    """Build an estimator of scikit-learn for vectors of texts.

    Parameters
    ----------
    kind : str
        ``logistic``, ``naive_bayes`` (complement naive Bayes: Rennie et al., ICML 2003), ``linear_svm`` (probabilities
        by Platt's sigmoid on out-of-fold decisions), ``random_forest`` or ``mlp``.
    c : float
        Inverse strength of regularisation of the linear ones.
    seed : int
        Of everything random.
    folds : list of (ndarray, ndarray)
        Fitted and held-out training rows of each fold, for ``linear_svm``.
    threads : int, optional
        Of ``random_forest``; as many as there are cores if they are not said.
    """
    if kind == "logistic":
        return LogisticRegression(C=c, max_iter=2000)
    if kind == "naive_bayes":
        return ComplementNB(alpha=0.3)
    if kind == "linear_svm":
        return platt(LinearSVC(C=c, random_state=seed), folds)
    if kind == "random_forest":
        return RandomForestClassifier(500, random_state=seed, n_jobs=threads or -1)
    return MLPClassifier((128,), alpha=1e-3, max_iter=100, random_state=seed)
