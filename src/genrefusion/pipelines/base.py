"""The contract of all pipelines, what they are given to work with, and how they are made; `saved` has their folders.

A pipeline is trained on tracks, gives each track probabilities over genres, and lives in one folder without a pickle.
What was trained, or joined from what was trained, is a `Predictor`; what can be trained is a `Pipeline` besides. Both
have the usual answers, which a pipeline inherits. ``tests/test_contract.py`` holds every pipeline to it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self, cast

import numpy as np
import pandas as pd

from genrefusion.core.errors import NotFittedError, UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks, require_tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.sources import AudioSource, Surroundings, audio_source
from genrefusion.features.text_encoder import Device
from genrefusion.metrics.predictions import Prediction
from genrefusion.settings.registry import behind
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training import Tell, Watch


@dataclass
class Context:
    """What a pipeline works with beside tracks and settings; of it, seed and precision alone change probabilities.

    Attributes
    ----------
    cache : FeatureCache
        Where features are kept.
    seed : int
        Of everything random in the fit.
    workers : int
        Threads that extract features.
    max_seconds : float
        Only the beginning of longer audio is decoded.
    trainer : TrainerSettings
        Device and precision.
    terminal : Terminal
        Where progress is shown.
    checkpoints : Path, optional
        Folder that a fit leaves its state in after each epoch, so that it can be resumed.
    resume : bool
        Go on from that state.
    views : bool
        Predict also from a part of what is known of a track, where a pipeline can (`Prediction.views`).
    weights : str, optional
        Where published weights of encoders are, in place of what their settings say.
    watch : callable, optional
        Told epoch and validation log loss after each epoch of a fit's first network; what it raises ends the fit.
    tell : callable, optional
        Told of each epoch of all networks that have a checkpoint (`genrefusion.training.Tell`).
    training : str
        What a fit calls its training on the terminal.
    precision : str
        Of frozen encoders, ``float32`` or ``bfloat16``: by default as `trainer` has it; a trained pipeline keeps to the
        one of its training.
    """

    cache: FeatureCache
    seed: int = 0
    workers: int = 2
    max_seconds: float = 600.0
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    terminal: Terminal = field(default_factory=lambda: Terminal(quiet=True))
    checkpoints: Path | None = None
    resume: bool = False
    views: bool = True
    weights: str | None = None
    watch: Watch | None = None
    tell: Tell | None = None
    training: str = "train"
    precision: str = ""

    def __post_init__(self) -> None:
        """Take the precision of a training where no other is given."""
        if not self.precision:
            self.precision = "bfloat16" if self.trainer.mixed_precision == "bf16" else "float32"

    def device(self) -> Any:
        """Where networks compute, as PyTorch names it, with the threads that the settings give it.

        Raises
        ------
        UserError
            The device is not there.
        """
        from genrefusion.training.loop import make_accelerator  # with PyTorch, which not all pipelines need

        return make_accelerator(self.trainer).device

    def surroundings(self) -> Surroundings:
        """The same for what computes features."""
        return Surroundings(self.cache, self.terminal, self.max_seconds, self.device, self.precision, self.weights)

    @property
    def for_encoders(self) -> tuple[FeatureCache, Terminal, Device, str]:
        """What a frozen text encoder works with: cache, terminal, device and precision."""
        return self.cache, self.terminal, self.device, self.precision


class Predictor(Protocol):
    """What `evaluate`, `predict` and other programs need of a trained system, whether it was fitted or joined.

    Attributes
    ----------
    name : str
        Of the pipeline, as its settings have it.
    settings : PipelineSettings
        How it was built.
    features : FeatureSettings
        What it reads of the audio.
    context : Context
        What it works with.
    classes_ : list of str
        Sorted names of the genres; empty before the fit.
    """

    name: str
    settings: Any
    features: Any
    context: Context
    classes_: list[str]

    @property
    @abstractmethod
    def uses(self) -> frozenset[str]:
        """Sides (``audio``, ``lyrics``) of which a track must have one to get a prediction; empty if it needs none."""

    @property
    @abstractmethod
    def reads_lyrics(self) -> bool:
        """Whether the lyrics of a track that has some change its prediction."""

    @property
    def reads_lyrics_alone(self) -> bool:
        """Whether a track gets a prediction of which nothing is heard, in a file or among ready features."""
        return "lyrics" in self.uses

    @property
    def members(self) -> list[Predictor]:
        """The pipeline itself; of an ensemble those that it joins, and theirs."""
        return [self]

    @abstractmethod
    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Give each track probabilities over `classes_`, whatever the other tracks are."""

    def frame_spans(self, seconds: float) -> list[tuple[float, float]]:
        """When the frames of a song of that length are heard, in seconds; empty where a prediction has no frames."""
        return []

    def read_features_from(self, path: str) -> None:
        """Read ready features from another file than in training.

        Raises
        ------
        UserError
            The features are computed, or the file has others.
        """
        if self.features.ready_file is None:
            raise UserError(f"features.path={path}: the run computes its features itself.")
        self.features = replace(self.features, path=path)
        if (source := source_of(self)) is not None:
            source.load()

    def require_attention(self) -> None:
        """Refuse to be explained, unless words and seconds attend to each other in it."""
        raise UserError(
            f"explain: the run is of pipeline={self.name}, which has no attention between words and seconds.\n"
            "Leave explain out, or take a run of experiment=coattention."
        )

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the trained pipeline into a folder."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote."""

    @abstractmethod
    def parameter_count(self) -> int:
        """Number of trained values that a prediction needs."""


class Pipeline(Predictor, Protocol):
    """A system that `train` fits. Before that, `predict_proba` and `save` raise `NotFittedError`.

    Parameters
    ----------
    settings : PipelineSettings
    features : FeatureSettings
    context : Context

    Attributes
    ----------
    history_ : DataFrame
        One row an epoch; empty where there are none.
    importance_ : DataFrame
        One row a feature; empty where features have no importance of their own.
    """

    history_: pd.DataFrame
    importance_: pd.DataFrame

    def __init__(self, settings: Any, features: Any, context: Context) -> None:
        """Store the settings; compute nothing."""
        self.settings = settings
        self.features = features
        self.context = context
        self.classes_ = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()

    def require_corpus(self, tracks: Tracks) -> None:
        """Refuse a corpus that nothing could be learned of, before its audio is read."""
        return

    @abstractmethod
    def prepare(self, tracks: Tracks) -> None:
        """Compute and cache the features of all tracks at once; they depend on no other track and on no label."""

    @abstractmethod
    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Train on `train`; `val` chooses the moment to stop, and nothing else."""


def make_pipeline(settings: Any, features: Any, context: Context) -> Pipeline:
    """Build the untrained pipeline that the settings name.

    Raises
    ------
    UserError
        They name none that is trained, but an ensemble.
    """
    if settings.joins_runs:
        raise UserError("An ensemble is not trained: it is joined from finished runs (train experiment=ensemble).")
    return cast(Pipeline, behind(settings)(settings, features, context))


def require_fitted(pipeline: Predictor, *asked: Tracks) -> None:
    """Refuse to predict tracks or to be saved before the fit.

    Raises
    ------
    NotFittedError
        Says what to do first.
    UserError
        What is asked for is no tracks.
    """
    if not pipeline.classes_:
        raise NotFittedError(
            f"This {type(pipeline).__name__} is not trained yet: call fit, or load a trained one with load_pipeline."
        )
    for tracks in asked:
        require_tracks(tracks, "predict_proba")


def genres_to_learn(train: Tracks, val: Tracks) -> list[str]:
    """Sorted genres of the training tracks.

    Raises
    ------
    UserError
        There is one only, or the validation tracks have others; or these are no tracks.
    """
    for tracks in (train, val):
        require_tracks(tracks, "fit")
    unknown = sorted(set(val.genres) - set(train.genres))
    if unknown:
        raise UserError(f"The validation tracks have genres that no training track has: {', '.join(unknown)}.")
    if len(train.genres) < 2:
        raise UserError(
            f"Two genres at least are needed to train; the tracks have: {', '.join(train.genres) or 'none'}."
        )
    return train.genres


def mean_over_frames(probabilities: np.ndarray, songs: list[str], classes: list[str]) -> Prediction:
    """Average the frames of each song.

    Parameters
    ----------
    probabilities : ndarray, shape (n_frames, n_classes)
        Rows sum to 1.
    songs : list of str
        Track id of each row; the rows of a song follow each other.
    classes : list of str
        Names of the columns.
    """
    frame = pd.Series(songs).groupby(songs, sort=False).cumcount()
    index = pd.MultiIndex.from_arrays([songs, frame], names=["track_id", "frame"])
    # Rows of single precision miss 1 by some 1e-7.
    exact = probabilities.astype(np.float64)
    frames = pd.DataFrame(exact / exact.sum(axis=1, keepdims=True), index=index, columns=classes)
    return Prediction(frames.groupby(level="track_id", sort=False).mean(), frames)


def read_features(pipeline: Predictor) -> list[Any]:
    """Settings of the features that the pipeline, or each member of an ensemble, reads: none where it reads lyrics."""
    return [member.features for member in pipeline.members if member.uses != {"lyrics"}]


def source_of(pipeline: Predictor) -> AudioSource | None:
    """What gives the pipeline sequences of vectors; None where it reads none."""
    features = pipeline.features
    if not features.are_sequences or pipeline.uses == {"lyrics"}:
        return None
    return audio_source(features, pipeline.context.surroundings())


def require_weights_read(pipelines: Sequence[Predictor], weights: str | None) -> None:
    """Refuse published weights that are given where none are read.

    Raises
    ------
    UserError
        Names them.
    """
    if weights is not None and not any(each.have_weights for p in pipelines for each in read_features(p)):
        raise UserError(f"features.weights={weights}: the run reads no features=musicnn. Leave it out.")
