"""One vector for each text: blocks of columns side by side, whatever is fitted is fitted on training texts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from genrefusion.core.errors import UserError
from genrefusion.core.files import require_file
from genrefusion.core.skops_files import load_skops, save_skops
from genrefusion.features.text import STYLE_NAMES, split_words, style_statistics
from genrefusion.features.text_encoder import TokenEncoder

Array = npt.NDArray[np.float32]
Columns = Any  # an Array, or a sparse matrix of SciPy, shape (texts, columns)


class Block(Protocol):
    """Some columns."""

    def fit(self, texts: Sequence[str]) -> None:
        """Learn from training texts, none of them empty."""

    def transform(self, texts: Sequence[str]) -> Columns:
        """Rows of the texts; zeros for an empty one."""

    def names(self, width: int) -> list[str]:
        """Names of the columns."""

    def save(self, directory: Path) -> None:
        """Write what was learned."""

    def load(self, directory: Path) -> None:
        """Read what `save` wrote."""


class TextVectors:
    """Blocks of columns side by side.

    Parameters
    ----------
    blocks : sequence of Block
        Dense if all of them are.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks

    def fit(self, texts: Sequence[str]) -> TextVectors:
        """Fit on the training texts that are not empty.

        Raises
        ------
        UserError
            All are empty.
        """
        known = [text for text in texts if text.strip()]
        if not known:
            raise UserError("No training track has lyrics.")
        for block in self.blocks:
            block.fit(known)
        return self

    def transform(self, texts: Sequence[str]) -> Columns:
        """Vectors of texts, shape (texts, columns): a float32 array, or a sparse matrix of float64."""
        parts = [block.transform(texts) for block in self.blocks]
        if any(sparse.issparse(part) for part in parts):
            return sparse.hstack(parts).tocsr()
        return np.hstack(parts).astype(np.float32)

    def names(self) -> list[str]:
        """Names of the columns."""
        return [name for block in self.blocks for name in block.names(block.transform([""]).shape[1])]

    def save(self, directory: Path) -> None:
        """Write what each block learned."""
        for block in self.blocks:
            block.save(directory)

    def load(self, directory: Path) -> TextVectors:
        """Read what `save` wrote."""
        for block in self.blocks:
            block.load(directory)
        return self


class Words:
    """TF-IDF of words and pairs of words, ``(1 + ln n) idf`` in rows of unit length.

    Parameters
    ----------
    characters : bool
        Groups of 3 to 5 characters within words too, in rows of unit length of their own.
    svd : int, optional
        Reduce to so many left singular vectors; otherwise the columns are sparse.
    """

    def __init__(self, *, characters: bool = False, svd: int | None = None) -> None:
        self.characters = characters
        self.svd = svd
        self.weights_: FeatureUnion | None = None
        self.topics_: TruncatedSVD | None = None

    def fit(self, texts: Sequence[str]) -> None:
        """Fit vocabulary, document frequencies and singular vectors; what occurs in one text only is left out."""
        rare = min(2, len(texts))
        parts = [("words", TfidfVectorizer(ngram_range=(1, 2), min_df=rare, sublinear_tf=True))]
        if self.characters:
            window = {"analyzer": "char_wb", "ngram_range": (3, 5)}
            parts.append(("characters", TfidfVectorizer(**window, min_df=min(3, len(texts)), sublinear_tf=True)))
        self.weights_ = FeatureUnion(parts)
        try:
            matrix = self.weights_.fit_transform(texts)
        except ValueError as error:  # no word is in two texts
            raise UserError(f"The training lyrics have no words in common ({error}).") from error
        rank = min(self.svd or 0, min(matrix.shape) - 1)
        self.topics_ = TruncatedSVD(rank, random_state=0).fit(matrix) if rank > 0 else None

    def transform(self, texts: Sequence[str]) -> Columns:
        """Sparse rows, or with `svd` dense ones."""
        matrix = cast(FeatureUnion, self.weights_).transform(texts)
        if self.svd is None:
            return matrix
        return matrix.toarray() if self.topics_ is None else self.topics_.transform(matrix)

    def names(self, width: int) -> list[str]:
        """Numbered: a singular vector is no word."""
        return [f"lyrics_{i}" for i in range(width)]

    def save(self, directory: Path) -> None:
        """Write ``words.skops`` and ``topics.skops``."""
        for name, part in (("words", self.weights_), ("topics", self.topics_)):
            if part is not None:
                save_skops(part, directory / f"{name}.skops")

    def load(self, directory: Path) -> None:
        """Read what `save` wrote."""
        self.weights_ = load_skops(directory / "words.skops")
        topics = directory / "topics.skops"
        self.topics_ = load_skops(topics) if topics.is_file() else None


class _Fixed:
    """A block that learns nothing."""

    def fit(self, texts: Sequence[str]) -> None:
        """Nothing to learn."""

    def save(self, directory: Path) -> None:
        """Nothing was learned."""

    def load(self, directory: Path) -> None:
        """Nothing was learned."""


class MeanEmbedding(_Fixed):
    """Mean token embedding of a frozen transformer.

    Parameters
    ----------
    encoder : TokenEncoder
        Cached.
    """

    def __init__(self, encoder: TokenEncoder) -> None:
        self.encoder = encoder

    def transform(self, texts: Sequence[str]) -> Array:
        """Rows of the encoder's width."""
        return self.encoder.mean(texts)

    def names(self, width: int) -> list[str]:
        """Numbered."""
        return [f"embedding_{i}" for i in range(width)]


class MeanWordVector(_Fixed):
    """Mean vector of the words of a text that a file of word vectors has.

    Parameters
    ----------
    path : Path
        In the text format of word2vec, GloVe and fastText: a word and its numbers in each line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def vectors(self) -> dict[str, Array]:
        """Vectors by word."""
        return read_word_vectors(self.path)

    def transform(self, texts: Sequence[str]) -> Array:
        """Rows of the vectors' width."""
        nothing = np.zeros_like(next(iter(self.vectors.values())))
        found = ([self.vectors[word] for word in split_words(text) if word in self.vectors] for text in texts)
        return np.stack([np.mean(vectors, axis=0) if vectors else nothing for vectors in found])

    def names(self, width: int) -> list[str]:
        """Numbered."""
        return [f"word_vector_{i}" for i in range(width)]


class Style(_Fixed):
    """How a text is made, in ten numbers; see `genrefusion.features.text.style_statistics`."""

    def transform(self, texts: Sequence[str]) -> Array:
        """Ten columns."""
        return np.stack([style_statistics(text) for text in texts])

    def names(self, width: int) -> list[str]:
        """As in `STYLE_NAMES`."""
        return [f"style_{name}" for name in STYLE_NAMES]


class Scaled:
    """Another block, standardised, in rows of a set length on average: what it weighs beside TF-IDF rows of length 1.

    Parameters
    ----------
    block : Block
        Dense.
    length : float
        Root mean square length of the training rows.
    name : str
        Of the file that mean and deviation are written to.
    """

    def __init__(self, block: Block, length: float, name: str) -> None:
        self.block = block
        self.length = length
        self.name = name
        self.mean_: Array = np.zeros(0, np.float32)
        self.deviation_: Array = np.ones(0, np.float32)

    def fit(self, texts: Sequence[str]) -> None:
        """Fit the block, and mean and deviation of its columns."""
        self.block.fit(texts)
        rows = self.block.transform(texts)
        self.mean_ = rows.mean(axis=0)
        # A constant column would be noise of rounding, blown up.
        self.deviation_ = np.where(rows.std(axis=0) > 1e-6, rows.std(axis=0), np.inf)

    def transform(self, texts: Sequence[str]) -> Array:
        """Rows of about `length`."""
        rows = (self.block.transform(texts) - self.mean_) / self.deviation_
        return np.asarray(rows * (self.length / np.sqrt(rows.shape[1])), np.float32)

    def names(self, width: int) -> list[str]:
        """Those of the block."""
        return self.block.names(width)

    def save(self, directory: Path) -> None:
        """Write the block's files, and ``<name>.npz``."""
        self.block.save(directory)
        np.savez(directory / f"{self.name}.npz", mean=self.mean_, deviation=self.deviation_)

    def load(self, directory: Path) -> None:
        """Read what `save` wrote."""
        self.block.load(directory)
        path = directory / f"{self.name}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                self.mean_, self.deviation_ = file["mean"], file["deviation"]
        except (OSError, KeyError, ValueError) as error:
            raise UserError(f"{path}: missing or damaged.") from error


@functools.lru_cache(maxsize=1)
def read_word_vectors(path: Path) -> dict[str, Array]:
    """Read word vectors from a text file: a word and its numbers in each line, with or without a line of counts first.

    Raises
    ------
    UserError
        The file is missing, holds no vectors, or a line has another number of values than the others.
    """
    require_file(path, "text_encoder.model", "It is a text file: a word and its numbers in each line.")
    vectors: dict[str, Array] = {}
    width = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue  # counts of words and columns
            try:
                vector = np.array(values, np.float32)
            except ValueError:
                vector = np.zeros(0, np.float32)
            width = width or len(vector)
            if not len(vector) or len(vector) != width:
                raise UserError(f"{path}: line {number} is no word with {width or 'some'} numbers.")
            if not np.isfinite(vector).all():
                raise UserError(f"{path}: line {number} has values that are no numbers (NaN or infinite): {word}")
            vectors[word] = vector
    if not vectors:
        raise UserError(f"{path}: no word vectors.")
    return vectors
