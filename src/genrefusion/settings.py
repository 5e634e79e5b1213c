"""Every setting of a corpus, a split, features, a pipeline, a trainer and a table, with its type and default.

A dataclass here is the one place where these are written down; `genrefusion.config` registers them with Hydra, and the
YAML files of `configs/` choose values. An impossible value is refused when the dataclass is made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from genrefusion.errors import UserError, unknown_name


def check_choice(setting: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise unknown_name(setting, value, choices)


def _between(setting: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"{setting}={value:g} is out of range: from {low:g} to {high:g}.")


@dataclass
class DataSettings:
    """What every corpus has."""

    name: str = MISSING
    on_error: str = "raise"  # raise | skip: what a file that cannot be used does to the run
    min_seconds: float = 1.0  # shorter audio is a problem
    max_seconds: float = 600.0  # only the beginning of longer audio is used
    min_tracks: int = 2  # genres with fewer tracks are left out

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("data.on_error", self.on_error, ("raise", "skip"))
        _between("data.min_tracks", self.min_tracks, 2, 1_000_000)
        _between("data.min_seconds", self.min_seconds, 0, self.max_seconds)


@dataclass
class DemoData(DataSettings):
    """The composed corpus."""

    name: str = "demo"
    songs_per_genre: int = 30
    seconds: float = 32.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        _between("data.songs_per_genre", self.songs_per_genre, 4, 1000)
        _between("data.seconds", self.seconds, 5, 300)


@dataclass
class GtzanData(DataSettings):
    """GTZAN in its own layout."""

    name: str = "gtzan"
    root: str | None = None
    artist_index: str | None = None  # Sturm's GTZANindex.txt

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError(
                "data=gtzan needs data.root: the folder that holds genres_original/ or genres/ (1,000 clips, 1.2 GB),\n"
                "or any part of it. data/README.md says where to get it."
            )


@dataclass
class FolderData(DataSettings):
    """A folder of genres."""

    name: str = "folder"
    root: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError("data=folder needs data.root: a folder with one folder of songs for each genre.")


@dataclass
class ManifestData(DataSettings):
    """A tracks table."""

    name: str = "manifest"
    manifest: str | None = None
    both_sides: bool = False  # audio and lyrics are both required

    def __post_init__(self) -> None:
        """Refuse a missing table."""
        super().__post_init__()
        if not self.manifest:
            raise UserError(
                f"data={self.name} needs data.manifest: a tracks table (.csv or .jsonl) with the columns track_id,\n"
                "genre and audio, lyrics or lyrics_path; artist, title and split if they are known."
            )


@dataclass
class SplitSettings:
    """How tracks are divided; artists stay on one side unless `by_artist` is false."""

    kind: str = MISSING
    by_artist: bool = True
    val_fraction: float = 0.1  # of all tracks
    test_fraction: float = 0.2  # holdout
    folds: int = 5  # kfold
    val_from_train: bool = False  # predefined: hold val out of train, though the table names val tracks

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("split.kind", self.kind, ("holdout", "kfold", "predefined"))
        _between("split.val_fraction", self.val_fraction, 0.01, 0.5)
        _between("split.test_fraction", self.test_fraction, 0.01, 0.5)
        _between("split.folds", self.folds, 2, 100)


@dataclass
class MelFeatures:
    """Log mel-spectrograms and the frames that are cut from them."""

    name: str = "mel"
    sample_rate: int = 12000
    n_fft: int = 512
    hop: int = 256
    n_mels: int = 96
    frame_seconds: float = 29.12
    frame_hop_seconds: float | None = None  # null: frames side by side
    trim: float = 0.0  # seconds left out at both ends of a song

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _between("features.frame_seconds", self.frame_seconds, 0.5, 600)
        _between("features.trim", self.trim, 0, 300)
        if self.frame_hop_seconds is not None:
            _between("features.frame_hop_seconds", self.frame_hop_seconds, 0.1, 600)


@dataclass
class HandcraftedFeatures:
    """Time- and frequency-domain features of the audio."""

    name: str = "handcrafted"
    kind: str = "published"  # published (97) | time (9 of them) | frequency (88 of them) | wide (1,123)
    segment_seconds: float | None = None  # null: one vector for the whole song

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("features.kind", self.kind, ("published", "time", "frequency", "wide"))
        if self.segment_seconds is not None:
            _between("features.segment_seconds", self.segment_seconds, 0.5, 600)


@dataclass
class TableFeatures:
    """Features that someone computed before: one row a track."""

    name: str = "table"
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing table."""
        if not self.path:
            raise UserError(
                "features=table needs features.path: a CSV file with a column track_id (or filename) and numbers."
            )


@dataclass
class PrecomputedFeatures:
    """A sequence of vectors for each track, from any encoder."""

    name: str = "precomputed"
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing file."""
        if not self.path:
            raise UserError(
                "features=precomputed needs features.path: an .npz file with the arrays track_id (n,), frames (m, d)\n"
                "and offsets (n + 1,); the sequence of track i is frames[offsets[i]:offsets[i + 1]]."
            )


@dataclass
class AudioEncoderFeatures:
    """Vectors of a frozen audio encoder from Hugging Face, one for each window of a song."""

    name: str = "audio_encoder"
    model: str | None = None  # a Hugging Face name (AST, CLAP, wav2vec 2, MERT, HuBERT …) or a folder
    window_seconds: float = 5.0
    hop_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a missing model."""
        if not self.model:
            raise UserError(
                "features=audio_encoder needs features.model: a Hugging Face name such as\n"
                "MIT/ast-finetuned-audioset-10-10-0.4593 or m-a-p/MERT-v1-95M, or a folder with model.safetensors."
            )
        _between("features.window_seconds", self.window_seconds, 0.1, 60)
        _between("features.hop_seconds", self.hop_seconds, 0.1, 60)


@dataclass
class NoFeatures:
    """Nothing of the audio: for pipelines that read lyrics alone."""

    name: str = "none"


@dataclass
class KnnSettings:
    """Vote of the nearest training frames."""

    space: str = "probabilities"  # probabilities | embedding
    neighbours: int = 15

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("pipeline.knn.space", self.space, ("probabilities", "embedding"))
        _between("pipeline.knn.neighbours", self.neighbours, 1, 10000)


@dataclass
class NetworkSettings:
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
        _between("pipeline.epochs", self.epochs, 1, 100_000)
        _between("pipeline.patience", self.patience, 1, 100_000)
        _between("pipeline.batch_size", self.batch_size, 2, 1_000_000)
        _between("pipeline.lr", self.lr, 1e-9, 10)
        _between("pipeline.weight_decay", self.weight_decay, 0, 100)
        _between("pipeline.clip_norm", self.clip_norm, 1e-6, 1e6)
        _between("pipeline.warmup", self.warmup, 0, 1)
        _between("pipeline.label_smoothing", self.label_smoothing, 0, 0.9)


@dataclass
class MultiframeSettings(NetworkSettings):
    """The multi-frame CRNN."""

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
        _between("pipeline.width", self.width, 1, 512)
        _between("pipeline.dropout", self.dropout, 0, 0.95)
        _between("pipeline.mixup", self.mixup, 0, 10)
        _between("pipeline.members", self.members, 1, 100)


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
        _between("text_encoder.max_tokens", self.max_tokens, 1, 1_000_000)
        _between("text_encoder.window", self.window, 8, 100_000)
        _between("text_encoder.overlap", self.overlap, 0, self.window - 4)


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
        _between("pipeline.trunk.width", self.width, 1, 512)
        _between("pipeline.trunk.epochs", self.epochs, 1, 100_000)
        _between("pipeline.trunk.lr", self.lr, 1e-9, 10)


@dataclass
class CoattentionSettings(NetworkSettings):
    """Dense co-attention of lyrics and audio."""

    name: str = "coattention"
    encoder: Any = None  # TextEncoderSettings: the group text_encoder
    sides: str = "both"  # both | audio | lyrics: what the network reads
    weights: str = "none"  # of the convolutions: none | msd | path of the published file
    trunk: TrunkSettings = field(default_factory=TrunkSettings)
    width: int = 128  # d; 1024 as published
    heads: int = 4
    none: int = 3  # vectors of each side that stand for "nothing to look at"
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
        check_choice("pipeline.join", self.join, ("cat", "sum", "prod"))
        _between("pipeline.width", self.width, 2, 8192)
        _between("pipeline.heads", self.heads, 1, 64)
        if self.width % self.heads or self.width % 2:
            raise UserError(f"pipeline.width={self.width}: not an even multiple of pipeline.heads={self.heads}.")
        _between("pipeline.none", self.none, 1, 100)
        _between("pipeline.layers", self.layers, 1, 24)
        _between("pipeline.dropout", self.dropout, 0, 0.95)
        _between("pipeline.drop_side", self.drop_side, 0, 0.95)
        _between("pipeline.members", self.members, 1, 100)
        if self.encoder.kind != "transformer":
            raise UserError(f"text_encoder={self.encoder.name}: the network reads token embeddings. Take minilm, bert.")


@dataclass
class TextSettings:
    """What is read of the lyrics; parts are put side by side."""

    tfidf: bool = True  # words and pairs of words, TF-IDF, reduced by truncated SVD
    svd: int = 100
    embedding: bool = False  # mean token embedding of the transformer encoder
    style: bool = True  # lengths, repetition, vocabulary, rhyme

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _between("pipeline.text.svd", self.svd, 1, 10_000)
        if not (self.tfidf or self.embedding or self.style):
            raise UserError("pipeline.text: tfidf, embedding and style are all false; nothing is left of the lyrics.")


@dataclass
class XgboostSettings:
    """Estimators on vectors of features, with or without lyrics."""

    name: str = "xgboost"
    estimator: str = "xgboost"  # xgboost | random_forest | svm | logistic
    fusion: str = "none"  # none (audio or lyrics alone) | early (columns side by side) | late (probabilities)
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
        _between("pipeline.lyrics_weight", self.lyrics_weight, 0, 1)
        _between("pipeline.rounds", self.rounds, 1, 100_000)
        _between("pipeline.patience", self.patience, 1, 100_000)
        _between("pipeline.lr", self.lr, 1e-9, 10)
        _between("pipeline.max_depth", self.max_depth, 1, 50)
        _between("pipeline.subsample", self.subsample, 0.01, 1)
        _between("pipeline.colsample", self.colsample, 0.001, 1)
        _between("pipeline.c", self.c, 1e-6, 1e6)
        if self.top_features is not None:
            _between("pipeline.top_features", self.top_features, 1, 100_000)


@dataclass
class TrainerSettings:
    """Where a network runs; nothing here changes what is computed beyond rounding."""

    device: str = "auto"  # auto | cpu | cuda | mps
    mixed_precision: str = "no"  # no | fp16 | bf16
    threads: int | None = None  # null: as many as there are cores

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("trainer.device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_choice("trainer.mixed_precision", self.mixed_precision, ("no", "fp16", "bf16"))


def process_count() -> int:
    """How many processes train together, as `accelerate launch` or `torchrun` says it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_number() -> int:
    """Which of them this one is; 0 is the main process, which alone prints and writes."""
    return int(os.environ.get("RANK", "0"))


@dataclass
class TableRow:
    """One row of a table: an experiment and what was claimed for it."""

    title: str = MISSING
    experiment: str = MISSING
    claimed: float | None = None  # accuracy in percent
    evidence: str = ""
    overrides: list[str] = field(default_factory=list)


@dataclass
class TableSettings:
    """A table to reproduce."""

    name: str = MISSING
    title: str = MISSING
    source: str = ""
    rows: list[TableRow] = field(default_factory=list)
