"""Gradient-boosted trees, or another estimator, on vectors of features of the audio, or of audio and lyrics.

Audio and lyrics are joined early (columns side by side) or late (probabilities of two estimators, averaged or stacked).
Whatever is fitted (vocabulary, scaling, choice of features, stacker) sees training tracks alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.groups import group_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.features.text_encoder import TokenEncoder, minilm_encoder
from genrefusion.features.text_vectors import MeanEmbedding, Style, TextVectors, Words
from genrefusion.features.vectors import AudioVectors, read_vectors, segment_seconds, segment_spans, summarise
from genrefusion.metrics.pooling import LogarithmicPool
from genrefusion.metrics.predictions import Prediction
from genrefusion.models.folds import inner_folds
from genrefusion.models.tabular import Held, Labels, Matrix, Probabilities, TabularModel
from genrefusion.pipelines.base import Context, Pipeline, genres_to_learn, mean_over_frames, require_fitted, source_of
from genrefusion.pipelines.saved import read_state, rebuild, write_description, write_state
from genrefusion.settings.features import FeatureSettings
from genrefusion.settings.pipelines import XgboostSettings

_STACK_FOLDS = 5


class VectorPipeline(Pipeline):
    """An estimator on vectors of the audio, and of the lyrics in a fusion.

    Parameters
    ----------
    settings : XgboostSettings
        Estimator, fusion, text.
    features : HandcraftedFeatures, TableFeatures, or those of a source
        Where the vectors of the audio come from; sequences are summarised.
    context : Context
        Cache, seed, terminal.

    Attributes
    ----------
    classes_ : list of str
        Sorted names of the genres; empty before the fit.
    history_ : DataFrame
        Empty.
    importance_ : DataFrame
        Gain and mean absolute SHAP values of each feature over the validation tracks; of XGBoost alone.
    columns_ : list of str
        Features that the estimator of the audio reads.
    models_ : dict of str to TabularModel
        Estimator of each side.
    text_ : TextVectors or None
        Vectors of lyrics, in a fusion.
    stacker_ : LogarithmicPool or None
        Joins the sides, in a late fusion that is stacked.
    """

    name = "xgboost"
    settings: XgboostSettings
    features: FeatureSettings

    def __init__(self, settings: XgboostSettings, features: FeatureSettings, context: Context) -> None:
        super().__init__(settings, features, context)
        self.columns_: list[str] = []
        self.models_: dict[str, TabularModel] = {}
        self.text_: TextVectors | None = None
        self.stacker_: LogarithmicPool | None = None

    @property
    def uses(self) -> frozenset[str]:
        """Sides of a track without which it gets no prediction: in a fusion the lyrics may be missing."""
        return frozenset({"audio"}) if self.features.ready_file is None else frozenset()

    @property
    def reads_lyrics(self) -> bool:
        """In a fusion."""
        return self.settings.fusion != "none"

    @property
    def _sides(self) -> tuple[str, ...]:
        """Names of the estimators."""
        return ("audio", "lyrics") if self.settings.fusion == "late" else ("audio",)

    def prepare(self, tracks: Tracks) -> None:
        """Compute features of the audio, and embeddings of the lyrics where they are asked for."""
        self._audio(tracks)
        if self.settings.text.embedding and self.reads_lyrics:
            # The empty text too: columns are named by it.
            self._minilm().mean([*tracks.lyrics, ""])

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Fit on `train`; XGBoost stops by the log loss over `val`."""
        self.classes_ = genres_to_learn(train, val)
        if self.reads_lyrics:
            self.text_ = self._new_text().fit(train.lyrics)
        self.models_ = {side: self._fit_side(side, train, val) for side in self._sides}
        if self.settings.fusion == "late" and self.settings.late == "stack":
            self.stacker_ = self._fit_stacker(train)
        self.importance_ = self._importance(val)
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each track, and of each segment where the audio is read in segments."""
        require_fitted(self, tracks)
        audio = self._audio_rows(tracks)
        prediction = mean_over_frames(self.models_["audio"].predict_proba(audio.rows), audio.songs, self.classes_)
        songs = self._vote(prediction).loc[tracks.ids]
        if self.settings.fusion == "late":
            return Prediction(self._table(self._combine(songs.to_numpy(), tracks), tracks))
        return Prediction(songs, prediction.frames if segment_seconds(self.features) else None)

    def frame_spans(self, seconds: float) -> list[tuple[float, float]]:
        """When the segments are heard; a late fusion has none."""
        segment = segment_seconds(self.features)
        if segment is None or self.settings.fusion == "late":
            return []
        return segment_spans(min(seconds, self.context.max_seconds), segment)

    def save(self, directory: Path) -> None:
        """Write models as UBJSON or skops, and what else was fitted as skops and JSON."""
        require_fitted(self)
        directory.mkdir(parents=True, exist_ok=True)
        for side, model in self.models_.items():
            model.save(directory, side)
        if self.text_ is not None:
            self.text_.save(directory)
        state = {
            "columns": self.columns_,
            "classes": {side: [int(c) for c in model.classes] for side, model in self.models_.items()},
            "weights": None if self.stacker_ is None else list(self.stacker_.weights),
        }
        write_state(directory, state)
        write_description(directory, self)

    @classmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, context)
        state = read_state(directory)
        pipeline.columns_ = state["columns"]
        for side, classes in state["classes"].items():
            pipeline.models_[side] = pipeline._new_model(side).load(directory, side, classes)
        if pipeline.reads_lyrics:
            pipeline.text_ = pipeline._new_text().load(directory)
        if state["weights"] is not None:
            pipeline.stacker_ = LogarithmicPool()
            pipeline.stacker_.weights = np.array(state["weights"])
        return pipeline

    def parameter_count(self) -> int:
        """Values in the estimators (nodes of trees, coefficients, support vectors), and in the network they read."""
        source = source_of(self)
        read = 0 if source is None else source.parameters()
        return read + sum(model.size() for model in self.models_.values())

    def _new_text(self) -> TextVectors:
        s = self.settings.text
        blocks: list[Any] = [Words(svd=s.svd)] if s.tfidf else []
        if s.embedding:
            blocks.append(MeanEmbedding(self._minilm()))
        return TextVectors([*blocks, Style()] if s.style else blocks)

    def _minilm(self) -> TokenEncoder:
        return minilm_encoder(*self.context.for_encoders)

    def _new_model(self, side: str) -> TabularModel:
        s, trainer = self.settings, self.context.trainer
        kind = s.estimator if side == "audio" else s.text_estimator
        device = "cuda" if trainer.device == "cuda" else "cpu"
        threads = trainer.threads
        return TabularModel(kind, s, len(self.classes_), seed=self.context.seed, device=device, threads=threads)

    def _fit_side(self, side: str, train: Tracks, val: Tracks | None) -> TabularModel:
        """Fit one estimator; without `val`, with as many rounds as the one that was fitted before."""
        rounds = self.models_[side].rounds if val is None else None
        rows, labels, groups, songs = self._training_rows(side, train)
        held = None
        if val is not None:
            known = _with_lyrics(val) if side == "lyrics" else val
            held = Held(*self._held_rows(side, known)) if len(known) else None
        model = self._new_model(side).fit(rows, labels, held, groups=[groups, songs], rounds=rounds)
        if model.c != self.settings.c and val is not None:
            self.context.terminal.say("choose", f"pipeline.c={model.c:.2g} for the {side}")
        return model

    def _training_rows(self, side: str, train: Tracks) -> tuple[Matrix, Labels, Labels, Labels]:
        """Rows of a side, and the class, the group and the song of each."""
        if side == "lyrics":
            known = _with_lyrics(train)
            if not len(known):
                raise UserError("No training track has lyrics.")
            return self._text_rows(known), known.labels(self.classes_), group_tracks(known.table), np.arange(len(known))
        vectors = self._audio_rows(train, choose=True)
        songs = pd.Index(train.ids).get_indexer(pd.Index(vectors.songs)).astype(np.int64)
        return vectors.rows, train.labels(self.classes_)[songs], group_tracks(train.table)[songs], songs

    def _held_rows(self, side: str, val: Tracks) -> tuple[Matrix, Labels, Labels]:
        """Rows of a side of the validation tracks, and the class and the song of each."""
        if side == "lyrics":
            return self._text_rows(val), val.labels(self.classes_), np.arange(len(val))
        vectors = self._audio_rows(val)
        return (
            vectors.rows,
            val.subset(vectors.songs).labels(self.classes_),
            np.unique(vectors.songs, return_inverse=True)[1],
        )

    def _fit_stacker(self, train: Tracks) -> LogarithmicPool:
        """Fit the stacker on out-of-fold probabilities of the training tracks that have lyrics, folds by artist."""
        heard, read, targets = [], [], []
        ids = np.array(train.ids)
        text, columns = self.text_, self.columns_
        groups = [group_tracks(train.table), group_tracks(train.table, by_artist=False)]
        folds = inner_folds(train.labels(self.classes_), groups, most=_STACK_FOLDS, seed=self.context.seed)
        if not folds:
            raise UserError("pipeline.late=stack needs two training tracks of every genre. Use pipeline.late=mean.")
        for fitted, held in folds:
            part, rest = train.subset(list(ids[fitted])), _with_lyrics(train.subset(list(ids[held])))
            if not len(rest):
                continue
            # The vocabulary too is fitted without the held-out tracks.
            self.text_ = self._new_text().fit(part.lyrics)
            models = {side: self._fit_side(side, part, None) for side in self._sides}
            audio = self._audio_rows(rest)
            songs = self._vote(mean_over_frames(models["audio"].predict_proba(audio.rows), audio.songs, self.classes_))
            heard.append(songs.loc[rest.ids].to_numpy())
            read.append(models["lyrics"].predict_proba(self._text_rows(rest)))
            targets.append(rest.labels(self.classes_))
        self.text_, self.columns_ = text, columns
        stacker = LogarithmicPool().fit([np.concatenate(heard), np.concatenate(read)], np.concatenate(targets))
        self.context.terminal.say("stack", "weights: audio {:.2f}, lyrics {:.2f}".format(*stacker.weights))
        return stacker

    def _vote(self, prediction: Prediction) -> pd.DataFrame:
        """Probabilities of the songs: the segments' mean, or the share of the segments that name each genre."""
        if self.settings.vote == "mean" or prediction.frames is None:
            return prediction.tracks
        named = prediction.frames.to_numpy().argmax(axis=1)
        songs = [str(song) for song in prediction.frames.index.get_level_values("track_id")]
        return mean_over_frames(np.eye(len(self.classes_))[named], songs, self.classes_).tracks

    def _combine(self, audio: Probabilities, tracks: Tracks) -> Probabilities:
        """Join the two sides; a track without lyrics keeps the probabilities of its audio."""
        has = np.array([bool(text.strip()) for text in tracks.lyrics])
        result = audio.copy()
        if not has.any():
            return result
        lyrics = self.models_["lyrics"].predict_proba(self._text_rows(tracks))[has]
        if self.stacker_ is None:
            weight = self.settings.lyrics_weight
            result[has] = (1 - weight) * audio[has] + weight * lyrics
            return result
        result[has] = self.stacker_.combine([audio[has], lyrics])
        return result

    def _audio(self, tracks: Tracks) -> AudioVectors:
        if (source := source_of(self)) is not None:
            return summarise(source, tracks, self.settings.statistics)
        context = self.context
        return read_vectors(
            self.features,
            tracks,
            context.cache,
            max_seconds=context.max_seconds,
            workers=context.workers,
            terminal=context.terminal,
        )

    def _audio_rows(self, tracks: Tracks, *, choose: bool = False) -> AudioVectors:
        """Rows of the audio estimator: with early fusion each row is followed by its song's text features."""
        vectors = self._audio(tracks)
        if self.settings.fusion == "early":
            text = dict(zip(tracks.ids, self._text_rows(tracks), strict=True))
            rows = np.hstack([vectors.rows, np.stack([text[song] for song in vectors.songs])])
            vectors = AudioVectors(rows, vectors.songs, [*vectors.names, *self._fitted_text.names()])
        _refuse_infinite(vectors)
        if choose:
            self.columns_ = self._choose_columns(vectors, tracks)
        places = {name: place for place, name in enumerate(vectors.names)}
        missing = [name for name in self.columns_ if name not in places]
        if missing:
            raise UserError(f"Features that the pipeline was trained on are missing:\n{bullet_list(missing)}")
        return AudioVectors(vectors.rows[:, [places[name] for name in self.columns_]], vectors.songs, self.columns_)

    def _choose_columns(self, vectors: AudioVectors, tracks: Tracks) -> list[str]:
        """All columns, or the `top_features` with the highest gain in trees fitted on the training rows."""
        top = self.settings.top_features
        if top is None or top >= len(vectors.names):
            return vectors.names
        labels = tracks.subset(vectors.songs).labels(self.classes_)
        seed, threads = self.context.seed, self.context.trainer.threads
        model = TabularModel("xgboost", self.settings, len(self.classes_), seed=seed, device="cpu", threads=threads)
        gains = model.fit(vectors.rows, labels).gains(len(vectors.names))
        return [vectors.names[i] for i in np.argsort(-gains, kind="stable")[:top]]

    @property
    def _fitted_text(self) -> TextVectors:
        assert self.text_ is not None
        return self.text_

    def _text_rows(self, tracks: Tracks) -> Matrix:
        return np.asarray(self._fitted_text.transform(tracks.lyrics), np.float32)

    def _table(self, probabilities: Probabilities, tracks: Tracks) -> pd.DataFrame:
        exact = probabilities / probabilities.sum(axis=1, keepdims=True)
        return pd.DataFrame(exact, index=pd.Index(tracks.ids, name="track_id"), columns=self.classes_)

    def _importance(self, val: Tracks) -> pd.DataFrame:
        """Gain, and mean absolute SHAP value of each genre over validation rows, for each feature; XGBoost only."""
        model = self.models_["audio"]
        mean = model.mean_contributions(self._audio_rows(val).rows)
        if mean is None:
            return pd.DataFrame()
        table = pd.DataFrame(mean.T, columns=self.classes_)
        table.insert(0, "feature", self.columns_)
        table.insert(1, "gain", model.gains(len(self.columns_)))
        return table.sort_values("gain", ascending=False, ignore_index=True)


def _refuse_infinite(vectors: AudioVectors) -> None:
    rows, columns = np.nonzero(np.isinf(vectors.rows))
    if len(rows):
        at = [f"{vectors.songs[r]}  {vectors.names[c]}" for r, c in zip(rows, columns, strict=True)]
        raise UserError(f"{len(at)} features are infinite. Leave them empty or out:\n{bullet_list(at)}")


def _with_lyrics(tracks: Tracks) -> Tracks:
    without = set(tracks.lacking("lyrics"))
    return tracks.subset([track for track in tracks.ids if track not in without])
