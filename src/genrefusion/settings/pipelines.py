"""Every setting of a pipeline and of what it reads lyrics with, with its type and default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.fields import Settings, check_range, setting
from genrefusion.settings.registry import registered


@dataclass
class KnnSettings(Settings):
    """Vote of the nearest training frames."""

    settings_group = "pipeline.knn"

    space: str = setting("probabilities", choices=("probabilities", "embedding"), help="in which frames are near")
    neighbours: int = setting(15, low=1, high=10000, help="that vote")


@dataclass
class PipelineSettings(Settings):
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

    settings_group = "pipeline"

    name: str = MISSING
    epochs: int = setting(30, low=1, high=100_000, help="passes over the training tracks, at most")
    patience: int = setting(10, low=1, high=100_000, help="epochs without a better validation figure")
    batch_size: int = setting(32, low=2, high=1_000_000, help="songs, or frames of songs, in a step")
    lr: float = setting(1e-3, low=1e-9, high=10, help="learning rate")
    weight_decay: float = setting(1e-2, low=0, high=100, help="of AdamW")
    warmup: float = setting(
        0.1, low=0, high=1, help="share of the steps in which the rate climbs; then it falls as a cosine"
    )
    label_smoothing: float = setting(0.0, low=0, high=0.9, help="share of a target that all genres have alike")
    clip_norm: float = setting(1.0, low=1e-6, high=1e6, help="greatest norm of a gradient")

    @property
    def trains_network(self) -> bool:
        """As the settings of its training are here."""
        return True


@registered("pipeline", "multiframe", "genrefusion.pipelines.multiframe:MultiframePipeline")
@dataclass
class MultiframeSettings(NetworkSettings):
    """The multi-frame CRNN."""

    has_convolutions: ClassVar[bool] = True
    name: str = "multiframe"
    weights: str = setting("none", path=True, names=("none", "msd"), help="none | msd | path of the published file")
    freeze: bool = setting(True, help="keep published convolutions as they are")
    width: int = setting(
        16, low=1, high=512, help="channels of the first convolution when there are no weights; they have 64"
    )
    dropout: float = setting(0.3, low=0, high=0.95, help="share of the values that a step leaves out")
    vote: str = setting(
        "mean", choices={"mean": "of the frames' probabilities", "knn": "of the nearest training frames"}
    )
    knn: KnnSettings = setting(factory=KnnSettings)
    specaugment: bool = setting(False, help="hide bands and stretches of the frames in training")
    mixup: float = setting(0.0, low=0, high=10, help="alpha of the Beta distribution; 0 is off")
    members: int = setting(1, low=1, high=100, help="networks with seeds of their own whose probabilities are averaged")


@registered("text_encoder", "text_encoder")
@dataclass
class TextEncoderSettings(Settings):
    """How lyrics become numbers."""

    name: str = "minilm"
    kind: str = setting("transformer", choices={"transformer": "", "tfidf": "", "vectors": "mean of word vectors"})
    model: str = setting(
        "minilm",
        path=True,
        names=("minilm", "bert", "distilbert"),
        help="transformer: minilm, bert, distilbert, a Hugging Face name, a folder; vectors: a text file",
    )
    max_tokens: int = setting(
        512, low=1, high=1_000_000, help="of a song; the run says what share of the tokens that is"
    )
    window: int = setting(
        256, low=8, high=100_000, help="tokens that the transformer reads at once, two special ones among them"
    )
    overlap: int = setting(32, help="0 to window - 4; tokens that a window shares with the next")
    characters: bool = setting(True, help="tfidf: groups of 3 to 5 characters beside words and pairs of words")

    def __post_init__(self) -> None:
        """Refuse windows that share all of their tokens."""
        super().__post_init__()
        check_range("text_encoder.overlap", self.overlap, 0, self.window - 4)


def _text_encoder(value: Any, pipeline: str) -> TextEncoderSettings:
    """Settings of the encoder that a pipeline reads lyrics with; as a plain mapping they come from a saved pipeline."""
    if value is None:
        raise UserError(f"pipeline={pipeline} reads lyrics: choose text_encoder=minilm, bert, distilbert …")
    return value if isinstance(value, TextEncoderSettings) else TextEncoderSettings(**value)


@dataclass
class TrunkSettings(Settings):
    """Convolutions that are trained on the audio alone before the network that reads both sides; without weights."""

    settings_group = "pipeline.trunk"

    width: int = setting(16, low=1, high=512, help="channels of the first convolution")
    epochs: int = setting(6, low=1, high=100_000, help="passes over the training tracks")
    lr: float = setting(3e-3, low=1e-9, high=10, help="learning rate")


@registered("pipeline", "coattention", "genrefusion.pipelines.coattention:CoattentionPipeline")
@dataclass
class CoattentionSettings(NetworkSettings):
    """Dense co-attention of lyrics and audio."""

    has_convolutions: ClassVar[bool] = True
    takes_text_encoder: ClassVar[bool] = True
    name: str = "coattention"
    encoder: Any = setting(None, help="the group text_encoder")
    sides: str = setting("both", choices=("both", "audio", "lyrics"), help="what the network reads")
    weights: str = setting(
        "none", path=True, names=("none", "msd"), help="of the convolutions: none | msd | path of the published file"
    )
    trunk: TrunkSettings = setting(factory=TrunkSettings)
    levels: str = setting(
        "all", choices=("all", "last"), help="which of the four levels of the convolutions the network reads"
    )
    width: int = setting(128, low=2, high=8192, help="d; an even multiple of heads; 1024 as published")
    heads: int = setting(4, low=1, high=64, help="of the attention")
    none: int = setting(
        3,
        low=0,
        high=100,
        help='vectors of each side that stand for "nothing to look at"; 0: a missing side is seen as zeros',
    )
    layers: int = setting(2, low=1, high=24, help="3 as published")
    dropout: float = setting(0.3, low=0, high=0.95, help="share of the values that a step leaves out")
    join: str = setting("cat", choices=("cat", "sum", "prod"), help="how the two sides become one vector")
    drop_side: float = setting(
        0.3, low=0, high=0.95, help="probability in training that a song with both sides loses one of them"
    )
    heard_alone: bool = setting(
        False, help="songs with lyrics count a second time without them, in each step and where the epoch is chosen"
    )
    members: int = setting(1, low=1, high=100, help="networks with seeds of their own whose probabilities are averaged")

    def __post_init__(self) -> None:
        """Refuse a width that cannot be shared out, and an encoder without token embeddings."""
        super().__post_init__()
        self.encoder = _text_encoder(self.encoder, self.name)
        if self.width % self.heads or self.width % 2:
            raise UserError(f"pipeline.width={self.width}: not an even multiple of pipeline.heads={self.heads}.")
        if self.encoder.kind != "transformer":
            raise UserError(f"text_encoder={self.encoder.name}: the network reads token embeddings. Take minilm, bert.")


_ON_VECTORS = ("logistic", "naive_bayes", "linear_svm", "random_forest", "mlp")
CLASSIFIERS = {
    **dict.fromkeys(_ON_VECTORS, ""),
    "head": "a network on frozen token embeddings",
    "fine_tuned": "the transformer is trained too",
}


@registered("pipeline", "lyrics", "genrefusion.pipelines.lyrics:LyricsPipeline")
@dataclass
class LyricsSettings(NetworkSettings):
    """The lyrics alone."""

    takes_text_encoder: ClassVar[bool] = True
    name: str = "lyrics"
    encoder: Any = setting(None, help="the group text_encoder")
    classifier: str = setting("logistic", choices=CLASSIFIERS, help="the first five read vectors of whole texts")
    style: bool = setting(False, help="lengths, repetition, vocabulary, rhyme beside the vectors")
    embedding: bool = setting(False, help="mean token embedding of MiniLM beside the vectors")
    balanced: bool = setting(True, help="weigh songs so that all genres count the same")
    c: float = setting(8.0, low=1e-6, high=1e6, help="of logistic and linear_svm")
    width: int = setting(128, low=2, high=8192, help="of the head")
    heads: int = setting(4, low=1, high=64, help="of the head")
    dropout: float = setting(0.3, low=0, high=0.95, help="share of the values that a step leaves out")

    def __post_init__(self) -> None:
        """Refuse a classifier that cannot read what it is given."""
        super().__post_init__()
        self.encoder = _text_encoder(self.encoder, self.name)
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
        return self.classifier not in _ON_VECTORS


@dataclass
class TextSettings(Settings):
    """What is read of the lyrics; parts are put side by side."""

    settings_group = "pipeline.text"

    tfidf: bool = setting(True, help="words and pairs of words, TF-IDF, reduced by truncated SVD")
    svd: int = setting(100, low=1, high=10_000, help="columns that are left of them")
    embedding: bool = setting(False, help="mean token embedding of the transformer encoder")
    style: bool = setting(True, help="lengths, repetition, vocabulary, rhyme")

    def __post_init__(self) -> None:
        """Refuse to read nothing."""
        super().__post_init__()
        if not (self.tfidf or self.embedding or self.style):
            raise UserError("pipeline.text: tfidf, embedding and style are all false; nothing is left of the lyrics.")


_ESTIMATORS = ("xgboost", "random_forest", "svm", "logistic")


@registered("pipeline", "xgboost", "genrefusion.pipelines.vectors:VectorPipeline")
@dataclass
class XgboostSettings(PipelineSettings):
    """Estimators on vectors of features, with or without lyrics."""

    name: str = "xgboost"
    estimator: str = setting("xgboost", choices=_ESTIMATORS, help="of all columns, or of those of the audio")
    fusion: str = setting(
        "none", choices={"none": "audio alone", "early": "columns side by side", "late": "probabilities"}
    )
    late: str = setting(
        "stack",
        choices={"stack": "a weight for each side, fitted on out-of-fold rows", "mean": "weighted"},
        help="how late fusion joins the sides",
    )
    lyrics_weight: float = setting(0.5, low=0, high=1, help="share of the lyrics in late=mean")
    vote: str = setting(
        "mean",
        choices={
            "mean": "of the segments' probabilities",
            "majority": "share of the segments that name a genre",
        },
    )
    text: TextSettings = setting(factory=TextSettings)
    text_estimator: str = setting("logistic", choices=_ESTIMATORS, help="of the lyrics, in late fusion")
    balanced: bool = setting(True, help="weigh tracks so that all genres count the same")
    artist_weight: float = setting(0.0, low=0, high=1, help="0: every track counts the same; 1: every artist")
    statistics: list[str] = setting(
        factory=lambda: ["mean", "std", "max"],
        choices={"mean": "", "std": "standard deviation", "max": "maximum"},
        help="over time, of features that are sequences of vectors",
    )
    top_features: int | None = setting(
        None, low=1, high=100_000, help="keep the best ones by gain on the training tracks"
    )
    rounds: int = setting(400, low=1, high=100_000, help="of boosting, at most")
    patience: int = setting(50, low=1, high=100_000, help="rounds without a lower log loss over the validation tracks")
    lr: float = setting(0.05, low=1e-9, high=10, help="learning rate")
    max_depth: int = setting(2, low=1, high=50, help="of a tree")
    subsample: float = setting(0.7, low=0.01, high=1, help="share of the tracks that each tree sees")
    colsample: float = setting(0.05, low=0.001, high=1, help="share of the columns that each tree sees")
    c: float | None = setting(
        1.0,
        low=1e-6,
        high=1e6,
        help="of svm and logistic; null: chosen by log loss in folds by artist within the training tracks",
    )


@registered("pipeline", "ensemble", "genrefusion.pipelines.ensemble:EnsemblePipeline")
@dataclass
class EnsembleSettings(PipelineSettings):
    """Runs whose predictions are joined; nothing is trained but, if asked for, the weights of the runs."""

    joins_runs: ClassVar[bool] = True
    name: str = "ensemble"
    members: list[str] = setting(factory=list, help="experiments: their finished runs on the same corpus and split")
    runs: list[str] = setting(factory=list, path=True, help="or run folders")
    combine: str = setting(
        "mean",
        choices={"mean": "", "weights": "weighted mean", "product": "", "stack": "weights fitted on validation tracks"},
    )
    weights: list[float] = setting(factory=list, help="combine=weights: one for each member")

    def __post_init__(self) -> None:
        """Refuse what names no ensemble."""
        super().__post_init__()
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
