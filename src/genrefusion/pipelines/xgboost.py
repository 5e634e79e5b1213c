"""Gradient-boosted trees, or another estimator, on vectors of features of the audio, of the lyrics, or of both.

Audio and lyrics are joined early (columns side by side) or late (probabilities of two estimators, averaged or stacked).
Whatever is fitted (vocabulary, scaling, choice of features, stacker) sees training tracks alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import skops.io
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedGroupKFold

from genrefusion.data.splits import artist_groups
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError, bullet_list
from genrefusion.evaluation.predictions import Prediction
from genrefusion.features.text import STYLE_NAMES, style_statistics
from genrefusion.features.text_encoder import TokenEncoder
from genrefusion.features.vectors import AudioVectors, read_vectors
from genrefusion.files import write_atomically
from genrefusion.models.pooling import LogarithmicPool
from genrefusion.models.tabular import Labels, Matrix, Probabilities, TabularModel, load_skops
from genrefusion.pipeline_settings import TextEncoderSettings, TextSettings, XgboostSettings
from genrefusion.pipelines.base import Workbench, genres_to_learn, mean_over_frames, rebuild, write_description
from genrefusion.settings import NoFeatures

_STATE = "state.json"
_STACK_FOLDS = 5


class XgboostPipeline:
    """See `genrefusion.pipelines.base.Pipeline` for what the methods promise.

    Parameters
    ----------
    settings : XgboostSettings
        Estimator, fusion, text.
    features : HandcraftedFeatures, TableFeatures, PrecomputedFeatures or NoFeatures
        Where the vectors of the audio come from; without any, the lyrics alone are read.
    bench : Workbench
        Cache, seed, terminal.
    """

    name = "xgboost"

    def __init__(self, settings: XgboostSettings, features: object, bench: Workbench) -> None:
        self.settings = settings
        self.features = features
        self.bench = bench
        self.classes_: list[str] = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()
        self.columns_: list[str] = []
        self.models_: dict[str, TabularModel] = {}
        self.text_: TextVectors | None = None
        self.stacker_: LogarithmicPool | None = None

    @property
    def uses(self) -> frozenset[str]:
        """Sides of a track without which it gets no prediction: in a fusion the lyrics may be missing."""
        if isinstance(self.features, NoFeatures):
            return frozenset({"lyrics"})
        return frozenset({"audio"}) if getattr(self.features, "path", None) is None else frozenset()

    @property
    def _sides(self) -> tuple[str, ...]:
        """Names of the estimators."""
        if isinstance(self.features, NoFeatures):
            return ("lyrics",)
        return ("audio", "lyrics") if self.settings.fusion == "late" else ("audio",)

    def prepare(self, tracks: Tracks) -> None:
        """Compute features of the audio, and embeddings of the lyrics where they are asked for."""
        _check_fusion(self.settings, self.features)
        if "audio" in self._sides:
            self._audio(tracks)
        if self.settings.text.embedding and self._reads_lyrics:
            lyrics_encoder(self.bench).mean(tracks.lyrics)

    def fit(self, train: Tracks, val: Tracks) -> Self:
        """Fit on `train`; XGBoost stops by the log loss over `val`."""
        _check_fusion(self.settings, self.features)
        self.classes_ = genres_to_learn(train, val)
        if self._reads_lyrics:
            self.text_ = TextVectors(self.settings.text, self.bench).fit(train.lyrics)
        self.models_ = {side: self._fit_side(side, train, val) for side in self._sides}
        if self.settings.fusion == "late" and self.settings.late == "stack":
            self.stacker_ = self._fit_stacker(train)
        self.importance_ = self._importance(val)
        return self

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Probabilities of each track, and of each segment where the audio is read in segments."""
        if self._sides == ("lyrics",):
            tracks.require("lyrics")
            return Prediction(self._table(self.models_["lyrics"].predict_proba(self._text_rows(tracks)), tracks))
        audio = self._audio_rows(tracks)
        prediction = mean_over_frames(self.models_["audio"].predict_proba(audio.rows), audio.songs, self.classes_)
        songs = self._vote(prediction).loc[tracks.ids]
        if self.settings.fusion == "late":
            return Prediction(self._table(self._combine(songs.to_numpy(), tracks), tracks))
        return Prediction(songs, prediction.frames if len(audio.songs) > len(tracks) else None)

    def save(self, directory: Path) -> None:
        """Write models as UBJSON or skops, and what else was fitted as skops and JSON."""
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
        write_atomically(directory / _STATE, json.dumps(state).encode())
        write_description(directory, self, self.settings, self.features)

    @classmethod
    def load(cls, directory: Path, bench: Workbench) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, bench)
        try:
            state = json.loads((directory / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{directory / _STATE}: missing or damaged.") from error
        pipeline.columns_ = state["columns"]
        for side, classes in state["classes"].items():
            pipeline.models_[side] = pipeline._new_model(side).load(directory, side, classes)
        if pipeline._reads_lyrics:
            pipeline.text_ = TextVectors(pipeline.settings.text, bench).load(directory)
        if state["weights"] is not None:
            pipeline.stacker_ = LogarithmicPool()
            pipeline.stacker_.weights = np.array(state["weights"])
        return pipeline

    def parameter_count(self) -> int:
        """Values in the estimators: nodes of trees, coefficients, support vectors."""
        return sum(model.size() for model in self.models_.values())

    @property
    def _reads_lyrics(self) -> bool:
        return isinstance(self.features, NoFeatures) or self.settings.fusion != "none"

    def _new_model(self, side: str) -> TabularModel:
        s, trainer = self.settings, self.bench.trainer
        alone = len(self._sides) == 1
        kind = s.estimator if side == "audio" or alone else s.text_estimator
        device = "cuda" if trainer.device == "cuda" else "cpu"
        return TabularModel(kind, s, len(self.classes_), seed=self.bench.seed, device=device)

    def _fit_side(self, side: str, train: Tracks, val: Tracks | None) -> TabularModel:
        """Fit one estimator; without `val`, with as many rounds as the one that was fitted before."""
        model = self._new_model(side)
        rounds = self.models_[side].rounds if val is None else None
        if side == "lyrics":
            known, known_val = _with_lyrics(train), _with_lyrics(val) if val is not None else None
            if not len(known):
                raise UserError("No training track has lyrics.")
            held = (
                (self._text_rows(known_val), self._labels(known_val))
                if known_val is not None and len(known_val)
                else None
            )
            return model.fit(self._text_rows(known), self._labels(known), held, rounds=rounds)
        rows = self._audio_rows(train, choose=True)
        held = None
        if val is not None:
            val_rows = self._audio_rows(val)
            held = (val_rows.rows, self._labels(val.subset(val_rows.songs)))
        return model.fit(rows.rows, self._labels(train.subset(rows.songs)), held, rounds=rounds)

    def _fit_stacker(self, train: Tracks) -> LogarithmicPool:
        """Fit the stacker on out-of-fold probabilities of the training tracks that have lyrics, folds by artist."""
        heard, read, targets = [], [], []
        ids = np.array(train.ids)
        text, columns = self.text_, self.columns_
        for fitted, held in _stack_folds(train, self._labels(train), self.bench.seed):
            part, rest = train.subset(list(ids[fitted])), _with_lyrics(train.subset(list(ids[held])))
            if not len(rest):
                continue
            # The vocabulary too is fitted without the held-out tracks.
            self.text_ = TextVectors(self.settings.text, self.bench).fit(part.lyrics)
            models = {side: self._fit_side(side, part, None) for side in self._sides}
            audio = self._audio_rows(rest)
            songs = self._vote(mean_over_frames(models["audio"].predict_proba(audio.rows), audio.songs, self.classes_))
            heard.append(songs.loc[rest.ids].to_numpy())
            read.append(models["lyrics"].predict_proba(self._text_rows(rest)))
            targets.append(self._labels(rest))
        self.text_, self.columns_ = text, columns
        stacker = LogarithmicPool().fit([np.concatenate(heard), np.concatenate(read)], np.concatenate(targets))
        self.bench.terminal.say("stack", "weights: audio {:.2f}, lyrics {:.2f}".format(*stacker.weights))
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
        bench = self.bench
        return read_vectors(
            self.features,
            tracks,
            bench.cache,
            max_seconds=bench.max_seconds,
            workers=bench.workers,
            terminal=bench.terminal,
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
        labels = self._labels(tracks.subset(vectors.songs))
        model = TabularModel("xgboost", self.settings, len(self.classes_), seed=self.bench.seed, device="cpu")
        gains = model.fit(vectors.rows, labels).gains(len(vectors.names))
        return [vectors.names[i] for i in np.argsort(-gains, kind="stable")[:top]]

    @property
    def _fitted_text(self) -> TextVectors:
        assert self.text_ is not None
        return self.text_

    def _text_rows(self, tracks: Tracks) -> Matrix:
        return self._fitted_text.transform(tracks.lyrics)

    def _labels(self, tracks: Tracks) -> Labels:
        return np.searchsorted(self.classes_, tracks.table["genre"].to_numpy(str)).astype(np.int64)

    def _table(self, probabilities: Probabilities, tracks: Tracks) -> pd.DataFrame:
        exact = probabilities / probabilities.sum(axis=1, keepdims=True)
        return pd.DataFrame(exact, index=pd.Index(tracks.ids, name="track_id"), columns=self.classes_)

    def _importance(self, val: Tracks) -> pd.DataFrame:
        """Gain, and mean absolute SHAP value of each genre over validation rows, for each feature; XGBoost only."""
        side = self._sides[0]
        model = self.models_[side]
        rows = self._audio_rows(val).rows if side == "audio" else self._text_rows(val)
        contributions = model.contributions(rows)
        if contributions is None:
            return pd.DataFrame()
        names = self.columns_ if side == "audio" else self._fitted_text.names()
        table = pd.DataFrame(np.abs(contributions).mean(axis=0).T, columns=self.classes_)
        table.insert(0, "feature", names)
        table.insert(1, "gain", model.gains(len(names)))
        return table.sort_values("gain", ascending=False, ignore_index=True)


@dataclass
class TextVectors:
    """Vectors of lyrics: what `TextSettings` asks for, side by side.

    Attributes
    ----------
    settings : TextSettings
        Which parts.
    bench : Workbench
        Cache of embeddings.
    """

    settings: TextSettings
    bench: Workbench
    words_: TfidfVectorizer | None = None
    topics_: TruncatedSVD | None = None

    def fit(self, lyrics: list[str]) -> Self:
        """Fit vocabulary and singular vectors on training lyrics."""
        known = [text for text in lyrics if text.strip()]
        if not known:
            raise UserError("No training track has lyrics: use pipeline.fusion=none.")
        if self.settings.tfidf:
            self.words_ = TfidfVectorizer(ngram_range=(1, 2), min_df=min(2, len(known)), sublinear_tf=True)
            matrix = self.words_.fit_transform(known)
            rank = min(self.settings.svd, min(matrix.shape) - 1)
            self.topics_ = TruncatedSVD(rank, random_state=0).fit(matrix) if rank > 0 else None
        return self

    def transform(self, lyrics: list[str]) -> Matrix:
        """Vectors, shape (texts, columns); an empty text gives zeros."""
        parts = []
        if self.words_ is not None:
            matrix = self.words_.transform(lyrics)
            parts.append(matrix.toarray() if self.topics_ is None else self.topics_.transform(matrix))
        if self.settings.embedding:
            parts.append(lyrics_encoder(self.bench).mean(lyrics))
        if self.settings.style:
            parts.append(np.stack([style_statistics(text) for text in lyrics]))
        return np.hstack(parts).astype(np.float32)

    def names(self) -> list[str]:
        """Names of the columns."""
        return [f"lyrics_{i}" for i in range(self.transform([""]).shape[1] - self._n_style)] + self._style_names

    def save(self, directory: Path) -> None:
        """Write ``words.skops`` and ``topics.skops``."""
        for name, part in (("words", self.words_), ("topics", self.topics_)):
            if part is not None:
                skops.io.dump(part, directory / f"{name}.skops")

    def load(self, directory: Path) -> Self:
        """Read what `save` wrote."""
        if self.settings.tfidf:
            self.words_ = load_skops(directory / "words.skops")
            topics = directory / "topics.skops"
            self.topics_ = load_skops(topics) if topics.is_file() else None
        return self

    @property
    def _style_names(self) -> list[str]:
        return [f"style_{name}" for name in STYLE_NAMES] if self.settings.style else []

    @property
    def _n_style(self) -> int:
        return len(self._style_names)


def _stack_folds(train: Tracks, labels: Labels, seed: int) -> list[tuple[Labels, Labels]]:
    """Fitted and held-out rows of up to five folds, by artist where that leaves every genre to fit on.

    A stacker that saw a genre only in folds whose models did not know it would learn to distrust them; so where a genre
    has too few artists for any number of folds, tracks are held out one by one.
    """
    most = min(_STACK_FOLDS, int(np.bincount(labels).min()))
    for groups in (artist_groups(train.table), np.arange(len(labels))):
        for n in range(most, 1, -1):
            cut = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
            folds = [(fitted, held) for fitted, held in cut.split(labels, labels, groups) if len(held)]
            if all(set(labels[fitted]) == set(labels) for fitted, _ in folds):
                return folds
    raise UserError("pipeline.late=stack needs two training tracks of every genre. Use pipeline.late=mean.")


def lyrics_encoder(bench: Workbench) -> TokenEncoder:
    """MiniLM on lyrics of any length that occurs."""
    return TokenEncoder(TextEncoderSettings(max_tokens=100_000), bench.cache, bench.terminal)


def _check_fusion(settings: XgboostSettings, features: object) -> None:
    if isinstance(features, NoFeatures) and settings.fusion != "none":
        raise UserError(f"pipeline.fusion={settings.fusion} joins audio and lyrics, but there is features=none.")


def _refuse_infinite(vectors: AudioVectors) -> None:
    rows, columns = np.nonzero(np.isinf(vectors.rows))
    if len(rows):
        at = [f"{vectors.songs[r]}  {vectors.names[c]}" for r, c in zip(rows, columns, strict=True)]
        raise UserError(f"{len(at)} features are infinite. Leave them empty or out:\n{bullet_list(at)}")


def _with_lyrics(tracks: Tracks) -> Tracks:
    without = set(tracks.lacking("lyrics"))
    return tracks.subset([track for track in tracks.ids if track not in without])
