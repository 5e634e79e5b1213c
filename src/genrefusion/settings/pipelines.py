"""Every setting of a pipeline and of what it reads lyrics with, with its type and default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.checks import check_choice, check_range


@dataclass
class KnnSettings:
    """Vote of the nearest training frames."""

    space: str = "probabilities"  # probabilities | embedding
    neighbours: int = 15

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("pipeline.knn.space", self.space, ("probabilities", "embedding"))
        check_range("pipeline.knn.neighbours", self.neighbours, 1, 10000)


@dataclass
class PipelineSettings:
    """What the settings of all pipelines answer, before the pipeline is imported.

    Attributes
    ----------
    joins_runs : bool
        Whether finished runs are joined and nothing is trained.
    has_convolutions : bool
        Whether published weights can be named in ``weights``.
    takes_text_encoder : bool
        Whether ``encoder`` holds the choice of the group ``text_encoder``.
    """

    name: str = MISSING
    joins_runs: ClassVar[bool] = False
    has_convolutions: ClassVar[bool] = False
    takes_text_encoder: ClassVar[bool] = False

    @property
    def trains_network(self) -> bool:
        """Whether a network is trained, in several processes if a launcher starts them."""
        return False


@dataclass
class NetworkSettings(PipelineSettings):
    """How a network is trained; shared by every pipeline that has one."""

    name: str = MISSING
    epochs: int = 30
    patience: int = 10  # epochs without a better validation figure
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.1  # share of the steps in which the rate climbs; then it falls as a cosine
    label_smoothing: float = 0.0
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_range("pipeline.epochs", self.epochs, 1, 100_000)
        check_range("pipeline.patience", self.patience, 1, 100_000)
        check_range("pipeline.batch_size", self.batch_size, 2, 1_000_000)
        check_range("pipeline.lr", self.lr, 1e-9, 10)
        check_range("pipeline.weight_decay", self.weight_decay, 0, 100)
        check_range("pipeline.clip_norm", self.clip_norm, 1e-6, 1e6)
        check_range("pipeline.warmup", self.warmup, 0, 1)
        check_range("pipeline.label_smoothing", self.label_smoothing, 0, 0.9)

    @property
    def trains_network(self) -> bool:
        """As the settings of its training are here."""
        return True


@dataclass
class MultiframeSettings(NetworkSettings):
    """The multi-frame CRNN."""

    has_convolutions: ClassVar[bool] = True
    name: str = "multiframe"
    weights: str = "none"  # none | msd | path of the published file
    freeze: bool = True  # keep published convolutions as they are
    width: int = 16  # channels of the first convolution when there are no weights; they have 64
    dropout: float = 0.3
    vote: str = "mean"  # mean | knn
    knn: KnnSettings = field(default_factory=KnnSettings)
    specaugment: bool = False
    mixup: float = 0.0  # alpha of the Beta distribution; 0 is off
    members: int = 1  # networks with seeds of their own whose probabilities are averaged

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        check_choice("pipeline.vote", self.vote, ("mean", "knn"))
        check_range("pipeline.width", self.width, 1, 512)
        check_range("pipeline.dropout", self.dropout, 0, 0.95)
        check_range("pipeline.mixup", self.mixup, 0, 10)
        check_range("pipeline.members", self.members, 1, 100)


@dataclass
class TextEncoderSettings:
    """How lyrics become numbers."""

    name: str = "minilm"
    kind: str = "transformer"  # transformer | tfidf | vectors (mean of word vectors)
    model: str = "minilm"  # transformer: minilm, bert, distilbert, a Hugging Face name, a folder; vectors: a text file
    max_tokens: int = 512  # of a song; the run says what share of the tokens that is
    window: int = 256  # tokens that the transformer reads at once, two special ones among them
    overlap: int = 32  # tokens that a window shares with the next
    characters: bool = True  # tfidf: groups of 3 to 5 characters beside words and pairs of words

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("text_encoder.kind", self.kind, ("transformer", "tfidf", "vectors"))
        check_range("text_encoder.max_tokens", self.max_tokens, 1, 1_000_000)
        check_range("text_encoder.window", self.window, 8, 100_000)
        check_range("text_encoder.overlap", self.overlap, 0, self.window - 4)


def _text_encoder(value: Any, pipeline: str) -> TextEncoderSettings:
    """Settings of the encoder that a pipeline reads lyrics with; as a plain mapping they come from a saved pipeline."""
    if value is None:
        raise UserError(f"pipeline={pipeline} reads lyrics: choose text_encoder=minilm, bert, distilbert …")
    return value if isinstance(value, TextEncoderSettings) else TextEncoderSettings(**value)


@dataclass
class TrunkSettings:
    """Convolutions that are trained on the audio alone before the network that reads both sides; without weights."""

    width: int = 16
    epochs: int = 6
    lr: float = 3e-3

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_range("pipeline.trunk.width", self.width, 1, 512)
        check_range("pipeline.trunk.epochs", self.epochs, 1, 100_000)
        check_range("pipeline.trunk.lr", self.lr, 1e-9, 10)


@dataclass
class CoattentionSettings(NetworkSettings):
    """Dense co-attention of lyrics and audio."""

    has_convolutions: ClassVar[bool] = True
    takes_text_encoder: ClassVar[bool] = True
    name: str = "coattention"
    encoder: Any = None  # TextEncoderSettings: the group text_encoder
    sides: str = "both"  # both | audio | lyrics: what the network reads
    weights: str = "none"  # of the convolutions: none | msd | path of the published file
    trunk: TrunkSettings = field(default_factory=TrunkSettings)
    levels: str = "all"  # all | last: which of the four levels of the convolutions the network reads
    width: int = 128  # d; 1024 as published
    heads: int = 4
    none: int = 3  # vectors of each side that stand for "nothing to look at"; 0: a missing side is seen as zeros
    layers: int = 2  # 3 as published
    dropout: float = 0.3
    join: str = "cat"  # cat | sum | prod: how the two sides become one vector
    drop_side: float = 0.3  # probability in training that a song with both sides loses one of them
    members: int = 1  # networks with seeds of their own whose probabilities are averaged

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        self.encoder = _text_encoder(self.encoder, self.name)
        check_choice("pipeline.sides", self.sides, ("both", "audio", "lyrics"))
        check_choice("pipeline.levels", self.levels, ("all", "last"))
        check_choice("pipeline.join", self.join, ("cat", "sum", "prod"))
        check_range("pipeline.width", self.width, 2, 8192)
        check_range("pipeline.heads", self.heads, 1, 64)
        if self.width % self.heads or self.width % 2:
            raise UserError(f"pipeline.width={self.width}: not an even multiple of pipeline.heads={self.heads}.")
        check_range("pipeline.none", self.none, 0, 100)
        check_range("pipeline.layers", self.layers, 1, 24)
        check_range("pipeline.dropout", self.dropout, 0, 0.95)
        check_range("pipeline.drop_side", self.drop_side, 0, 0.95)
        check_range("pipeline.members", self.members, 1, 100)
        if self.encoder.kind != "transformer":
            raise UserError(f"text_encoder={self.encoder.name}: the network reads token embeddings. Take minilm, bert.")


CLASSIFIERS = ("logistic", "naive_bayes", "linear_svm", "random_forest", "mlp", "head", "fine_tuned")


@dataclass
class LyricsSettings(NetworkSettings):
    """The lyrics alone."""

    takes_text_encoder: ClassVar[bool] = True
    name: str = "lyrics"
    encoder: Any = None  # TextEncoderSettings: the group text_encoder
    classifier: str = (
        "logistic"  # logistic | naive_bayes | linear_svm | random_forest | mlp: on vectors of whole texts;
    )
    # head (network on frozen token embeddings) | fine_tuned (the transformer is trained too)
    style: bool = False  # lengths, repetition, vocabulary, rhyme beside the vectors
    embedding: bool = False  # mean token embedding of MiniLM beside the vectors
    balanced: bool = True  # weigh songs so that all genres count the same
    c: float = 8.0  # of logistic and linear_svm
    width: int = 128  # of the head
    heads: int = 4
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        self.encoder = _text_encoder(self.encoder, self.name)
        check_choice("pipeline.classifier", self.classifier, CLASSIFIERS)
        check_range("pipeline.c", self.c, 1e-6, 1e6)
        check_range("pipeline.width", self.width, 2, 8192)
        check_range("pipeline.heads", self.heads, 1, 64)
        check_range("pipeline.dropout", self.dropout, 0, 0.95)
        kind, network = self.encoder.kind, self.trains_network
        if network and kind != "transformer":
            raise UserError(f"pipeline.classifier={self.classifier} reads tokens: choose text_encoder=minilm, bert …")
        if network and (self.style or self.embedding):
            raise UserError(f"pipeline.classifier={self.classifier}: style and embedding go beside vectors only.")
        if self.classifier == "naive_bayes" and (kind != "tfidf" or self.style or self.embedding):
            raise UserError("pipeline.classifier=naive_bayes counts words: text_encoder=tfidf, no style, no embedding.")

    @property
    def trains_network(self) -> bool:
        """Whether the classifier is one."""
        return self.classifier in ("head", "fine_tuned")


@dataclass
class TextSettings:
    """What is read of the lyrics; parts are put side by side."""

    tfidf: bool = True  # words and pairs of words, TF-IDF, reduced by truncated SVD
    svd: int = 100
    embedding: bool = False  # mean token embedding of the transformer encoder
    style: bool = True  # lengths, repetition, vocabulary, rhyme

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_range("pipeline.text.svd", self.svd, 1, 10_000)
        if not (self.tfidf or self.embedding or self.style):
            raise UserError("pipeline.text: tfidf, embedding and style are all false; nothing is left of the lyrics.")


@dataclass
class XgboostSettings(PipelineSettings):
    """Estimators on vectors of features, with or without lyrics."""

    name: str = "xgboost"
    estimator: str = "xgboost"  # xgboost | random_forest | svm | logistic
    fusion: str = "none"  # none (audio alone) | early (columns side by side) | late (probabilities)
    late: str = "stack"  # stack (a weight for each side, fitted on out-of-fold rows) | mean (weighted)
    lyrics_weight: float = 0.5  # share of the lyrics in late=mean
    vote: str = "mean"  # mean (of the segments' probabilities) | majority (share of the segments that name a genre)
    text: TextSettings = field(default_factory=TextSettings)
    text_estimator: str = "logistic"  # of the lyrics, in late fusion
    balanced: bool = True  # weigh tracks so that all genres count the same
    top_features: int | None = None  # keep the best ones by gain on the training tracks
    rounds: int = 400
    patience: int = 50  # rounds without a lower log loss over the validation tracks
    lr: float = 0.05
    max_depth: int = 2
    subsample: float = 0.7
    colsample: float = 0.05  # share of the columns that each tree sees
    c: float = 1.0  # of svm and logistic

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        kinds = ("xgboost", "random_forest", "svm", "logistic")
        check_choice("pipeline.estimator", self.estimator, kinds)
        check_choice("pipeline.text_estimator", self.text_estimator, kinds)
        check_choice("pipeline.fusion", self.fusion, ("none", "early", "late"))
        check_choice("pipeline.late", self.late, ("stack", "mean"))
        check_choice("pipeline.vote", self.vote, ("mean", "majority"))
        check_range("pipeline.lyrics_weight", self.lyrics_weight, 0, 1)
        check_range("pipeline.rounds", self.rounds, 1, 100_000)
        check_range("pipeline.patience", self.patience, 1, 100_000)
        check_range("pipeline.lr", self.lr, 1e-9, 10)
        check_range("pipeline.max_depth", self.max_depth, 1, 50)
        check_range("pipeline.subsample", self.subsample, 0.01, 1)
        check_range("pipeline.colsample", self.colsample, 0.001, 1)
        check_range("pipeline.c", self.c, 1e-6, 1e6)
        if self.top_features is not None:
            check_range("pipeline.top_features", self.top_features, 1, 100_000)


@dataclass
class EnsembleSettings(PipelineSettings):
    """Runs whose predictions are joined; nothing is trained but, if asked for, the weights of the runs."""

    joins_runs: ClassVar[bool] = True
    name: str = "ensemble"
    members: list[str] = field(default_factory=list)  # experiments: their finished runs on the same corpus and split
    runs: list[str] = field(default_factory=list)  # or run folders
    combine: str = "mean"  # mean | weights (weighted mean) | product | stack (weights fitted on validation tracks)
    weights: list[float] = field(default_factory=list)  # combine=weights: one for each member

    def __post_init__(self) -> None:
        """Refuse what names no ensemble."""
        check_choice("pipeline.combine", self.combine, ("mean", "weights", "product", "stack"))
        if bool(self.members) == bool(self.runs):
            raise UserError(
                "pipeline=ensemble joins finished runs: name experiments, pipeline.members=[multiframe,lyrics],\n"
                "or run folders, pipeline.runs=[DIR,DIR]."
            )
        count = len(self.members or self.runs)
        if count < 2:
            raise UserError("pipeline=ensemble joins two runs or more.")
        if len(self.weights) != (count if self.combine == "weights" else 0):
            raise UserError("pipeline.weights: one number for each member, and only with pipeline.combine=weights.")
        if self.weights and not (min(self.weights) >= 0 and sum(self.weights) > 0):
            raise UserError("pipeline.weights: none under 0, and not all 0.")
