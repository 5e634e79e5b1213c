"""Three ways of reading lyrics.

An estimator on vectors of whole texts, a network on the token embeddings of a frozen transformer, or a transformer that
is trained itself.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from genrefusion.core.errors import UserError
from genrefusion.core.skops_files import load_skops, save_skops
from genrefusion.features.cache import LazyArray
from genrefusion.features.text_encoder import (
    Coverage,
    TokenEncoder,
    load_pretrained,
    minilm_encoder,
)
from genrefusion.features.text_vectors import MeanEmbedding, MeanWordVector, Scaled, Style, TextVectors, Words
from genrefusion.features.transformer import Transformer, window_spans
from genrefusion.metrics import scores
from genrefusion.models.folds import forget_folds, inner_folds
from genrefusion.models.lyrics import LyricsHead, TunedTransformer, make_estimator
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.frames import conditions, on_device
from genrefusion.pipelines.weights import load_modules, save_modules
from genrefusion.settings.pipelines import LyricsSettings
from genrefusion.training.loop import train_network

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Item = tuple[Tensor, Tensor]
Row = Tensor | LazyArray

_SVD = 300
_BESIDE = 0.5
"""Length of style and embedding beside TF-IDF rows of length 1: cross-validated inside training lyrics."""


class Reader(Protocol):
    """One way to classify texts."""

    def __init__(self, settings: LyricsSettings, context: Context) -> None:
        """Store the settings; compute nothing."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Compute and cache what depends on no other text."""

    def coverage(self, texts: Sequence[str]) -> str:
        """Say how much of the texts is read."""

    def fit(
        self, texts: Sequence[str], labels: Labels, val_texts: Sequence[str], val_labels: Labels, *, groups: Labels
    ) -> pd.DataFrame:
        """Train; returns a row for each epoch. Folds within the training texts keep `groups` of them on one side."""

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities, shape (texts, classes)."""

    def save(self, directory: Path) -> None:
        """Write what was trained."""

    def load(self, directory: Path, n_classes: int) -> None:
        """Read what `save` wrote."""

    def parameter_count(self) -> int:
        """Values that a prediction needs."""


class VectorReader:
    """Vectors of whole texts (TF-IDF, mean embedding, mean word vector) and an estimator of scikit-learn."""

    def __init__(self, settings: LyricsSettings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.vectors = TextVectors(self._blocks())
        self.estimator: Any = None

    def prepare(self, texts: Sequence[str]) -> None:
        """Embed, if an embedding is read."""
        for encoder in self._encoders():
            encoder.mean(texts)

    def coverage(self, texts: Sequence[str]) -> str:
        """All of it, or what the transformer reads."""
        if self.settings.encoder.kind == "transformer":
            return str(self._encoders()[0].coverage([text for text in texts if text]))
        return "all words are read"

    def fit(
        self, texts: Sequence[str], labels: Labels, val_texts: Sequence[str], val_labels: Labels, *, groups: Labels
    ) -> pd.DataFrame:
        """Fit vectors and estimator; the validation texts are not needed."""
        s = self.settings
        rows = self.vectors.fit(texts).transform(texts)
        machine = s.classifier == "linear_svm"
        folds = inner_folds(labels, [groups], most=3, seed=self.context.seed) if machine else []
        if machine and not folds:
            raise UserError("pipeline.classifier=linear_svm needs two training songs of every genre.")
        threads = self.context.trainer.threads
        self.estimator = make_estimator(s.classifier, c=s.c, seed=self.context.seed, folds=folds, threads=threads)
        weights = compute_sample_weight("balanced", labels) if s.balanced else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the perceptron's epochs are a setting, not a mistake
            self.estimator.fit(rows, labels, sample_weight=weights)
        vars(self.estimator).pop("_optimizer", None)  # moments of Adam: twice the weights, and done with
        forget_folds(self.estimator)
        return pd.DataFrame()

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of the estimator."""
        return np.asarray(self.estimator.predict_proba(self.vectors.transform(texts)), np.float64)

    def save(self, directory: Path) -> None:
        """Write skops files."""
        self.vectors.save(directory)
        save_skops(self.estimator, directory / "estimator.skops")

    def load(self, directory: Path, n_classes: int) -> None:
        """Read them."""
        self.vectors.load(directory)
        self.estimator = load_skops(directory / "estimator.skops")
        if len(self.estimator.classes_) != n_classes:
            raise UserError(f"{directory / 'estimator.skops'}: knows {len(self.estimator.classes_)} genres.")
        if self.settings.classifier == "random_forest":
            self.estimator.n_jobs = self.context.trainer.threads or -1

    def parameter_count(self) -> int:
        """Coefficients or nodes, and the values of the transformer."""
        encoders = sum(encoder.parameter_count() for encoder in self._encoders())
        return encoders + _size(self.estimator)

    def _encoders(self) -> list[TokenEncoder]:
        blocks = (getattr(block, "block", block) for block in self.vectors.blocks)
        return [block.encoder for block in blocks if isinstance(block, MeanEmbedding)]

    def _blocks(self) -> list[Any]:
        s, kind = self.settings, self.settings.encoder.kind
        blocks: list[Any] = []
        if kind == "tfidf":
            dense = s.classifier in ("random_forest", "mlp")  # hundreds of thousands of columns are too many for them
            blocks.append(Words(characters=s.encoder.characters, svd=_SVD if dense else None))
        elif kind == "vectors":
            blocks.append(Scaled(MeanWordVector(Path(s.encoder.model).expanduser()), 1.0, "word_vectors"))
        else:
            encoder = TokenEncoder(s.encoder, *self.context.for_encoders)
            blocks.append(Scaled(MeanEmbedding(encoder), 1.0, "mean_embedding"))
        if s.style:
            blocks.append(Scaled(Style(), _BESIDE, "style"))
        if s.embedding:
            encoder = minilm_encoder(*self.context.for_encoders)
            blocks.append(Scaled(MeanEmbedding(encoder), _BESIDE, "embedding"))
        return blocks


class NetworkReader:
    """What the two networks have in common: their training, and their weights in one file."""

    network: nn.Module

    def __init__(self, settings: LyricsSettings, context: Context) -> None:
        self.settings = settings
        self.context = context

    def fit(
        self, texts: Sequence[str], labels: Labels, val_texts: Sequence[str], val_labels: Labels, *, groups: Labels
    ) -> pd.DataFrame:
        """Train with AdamW; the epoch with the lowest log loss over the validation texts is kept."""
        s, n_classes = self.settings, int(labels.max()) + 1
        torch.manual_seed(self.context.seed)
        self.network = self._new_network(n_classes)
        balance = compute_class_weight("balanced", classes=np.arange(n_classes), y=labels)
        weights = torch.tensor(balance if s.balanced else np.ones(n_classes), dtype=torch.float32)

        def loss(model: nn.Module, inputs: tuple[Tensor, Tensor], classes: Tensor) -> Tensor:
            logits = model(*inputs)
            return nn.functional.cross_entropy(
                logits, classes, weight=weights.to(logits.device), label_smoothing=s.label_smoothing
            )

        def validate(model: nn.Module) -> dict[str, float]:
            found = self._apply(model, held)
            return {"accuracy": scores.accuracy(val_labels, found), "log_loss": scores.log_loss(val_labels, found)}

        held = self._rows(val_texts)
        rows = [(row, torch.tensor(int(labels[song]))) for song, row in self._rows(texts)]
        history = train_network(
            self.network,
            _Rows(rows),
            loss=loss,
            validate=validate,
            settings=s,
            conditions=conditions(self.context, "network", seed=self.context.seed),
            collate=self._collate,
        )
        return history.assign(member="0")

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of the network; of a text in several rows, their mean."""
        return self._apply(on_device(self.network, self.context), self._rows(texts))

    def save(self, directory: Path) -> None:
        """Write the weights."""
        save_modules({"network": self.network}, directory)

    def load(self, directory: Path, n_classes: int) -> None:
        """Read them."""
        self.network = self._new_network(n_classes)
        load_modules({"network": self.network}, directory)

    @torch.inference_mode()
    def _apply(self, model: nn.Module, rows: list[tuple[int, Row]]) -> Probabilities:
        device = next(model.parameters()).device
        found = []
        for first in range(0, len(rows), self.settings.batch_size):
            batch = [(_read(row), torch.tensor(-1)) for _, row in rows[first : first + self.settings.batch_size]]
            inputs, _ = self._collate(batch)
            found.append(model(*(tensor.to(device) for tensor in inputs)).double().softmax(dim=1).cpu().numpy())
        table = pd.DataFrame(np.concatenate(found)).groupby(np.array([song for song, _ in rows])).mean()
        return table.to_numpy()

    def _new_network(self, n_classes: int) -> nn.Module:
        raise NotImplementedError

    def _rows(self, texts: Sequence[str]) -> list[tuple[int, Row]]:
        raise NotImplementedError

    def _collate(self, items: Sequence[Item]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        raise NotImplementedError


class HeadReader(NetworkReader):
    """A head on the cached token embeddings of a frozen transformer; a row is a whole text."""

    def __init__(self, settings: LyricsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.encoder = TokenEncoder(settings.encoder, *context.for_encoders)

    def prepare(self, texts: Sequence[str]) -> None:
        """Embed, and load the transformer: a fit asks it for its width."""
        self.encoder.embed(texts)
        _ = self.encoder.transformer

    def coverage(self, texts: Sequence[str]) -> str:
        """Tokens that are read."""
        return str(self.encoder.coverage([text for text in texts if text]))

    def parameter_count(self) -> int:
        """Values of the head and of the transformer."""
        return self.encoder.parameter_count() + sum(p.numel() for p in self.network.parameters())

    def _new_network(self, n_classes: int) -> nn.Module:
        s = self.settings
        return LyricsHead(self.encoder.width, n_classes, width=s.width, heads=s.heads, dropout=s.dropout)

    def _rows(self, texts: Sequence[str]) -> list[tuple[int, Row]]:
        return list(enumerate(self.encoder.embed(texts)))

    def _collate(self, items: Sequence[Item]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Pad texts to the longest one."""
        texts, classes = zip(*items, strict=True)
        lengths = torch.tensor([len(text) for text in texts])
        padded = pad_sequence(list(texts), batch_first=True).float()
        return (padded, torch.arange(padded.shape[1]) < lengths[:, None]), torch.stack(classes)


class TunedReader(NetworkReader):
    """A transformer that is trained along; a row is a window of a text, and the text's label is that of its windows."""

    def __init__(self, settings: LyricsSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._transformer: Transformer | None = None

    @property
    def transformer(self) -> Transformer:
        """Tokenizer, and a network with the weights that it begins with, of which each fit trains a copy."""
        if self._transformer is None:
            tokenizer, network = load_pretrained(self.settings.encoder.model)
            self._transformer = Transformer(self.settings.encoder, tokenizer, network)
        return self._transformer

    def prepare(self, texts: Sequence[str]) -> None:
        """Find out early that there is no such transformer."""
        _ = self.transformer

    def coverage(self, texts: Sequence[str]) -> str:
        """Tokens that are read."""
        counts = [len(self.transformer.tokens(text)) for text in texts]
        return str(Coverage(sum(min(n, self.settings.encoder.max_tokens) for n in counts), sum(counts)))

    def parameter_count(self) -> int:
        """Values of the transformer and of the layer behind it."""
        return sum(p.numel() for p in self.network.parameters())

    def _new_network(self, n_classes: int) -> nn.Module:
        encoder = copy.deepcopy(self.transformer.network)
        # Without gradients there, distributed training would wait for them.
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        return TunedTransformer(encoder, n_classes, dropout=self.settings.dropout)

    def _rows(self, texts: Sequence[str]) -> list[tuple[int, Row]]:
        s = self.settings.encoder
        rows: list[tuple[int, Row]] = []
        for song, text in enumerate(texts):
            tokens = self.transformer.tokens(text)[: s.max_tokens]
            rows += [(song, torch.tensor(tokens[a:b])) for a, b in window_spans(len(tokens), s.window - 2, s.overlap)]
        return rows

    def _collate(self, items: Sequence[Item]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Put the special tokens around the windows and pad them to the longest one."""
        windows, classes = zip(*items, strict=True)
        return self.transformer.pad([window.tolist() for window in windows]), torch.stack(classes)


READERS: dict[str, type[Reader]] = {"head": HeadReader, "fine_tuned": TunedReader}
"""Readers by `pipeline.classifier`; the other classifiers are estimators on vectors."""


class _Rows(torch.utils.data.Dataset[Item]):
    """A list of items, which are read from the cache where they are asked for."""

    def __init__(self, rows: list[tuple[Row, Tensor]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Item:
        """Row and class."""
        row, label = self.rows[number]
        return _read(row), label


def _read(row: Row) -> Tensor:
    return row if isinstance(row, Tensor) else torch.from_numpy(np.array(row))


def _size(estimator: Any) -> int:
    """Trained values of an estimator of scikit-learn."""
    if hasattr(estimator, "calibrated_classifiers_"):
        return sum(_size(each.estimator) for each in estimator.calibrated_classifiers_)
    if hasattr(estimator, "estimators_"):
        return sum(2 * tree.tree_.node_count for tree in estimator.estimators_)
    if hasattr(estimator, "coefs_"):
        return sum(array.size for array in (*estimator.coefs_, *estimator.intercepts_))
    if hasattr(estimator, "feature_log_prob_"):
        return int(estimator.feature_log_prob_.size)
    return int(estimator.coef_.size + estimator.intercept_.size)
