"""Estimators on rows of features behind one interface, saved as UBJSON and skops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier
from xgboost.core import XGBoostError

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.core.skops_files import load_skops, save_skops
from genrefusion.models.folds import forget_folds, inner_folds, platt
from genrefusion.settings.pipelines import XgboostSettings

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

_TREES = 500
_FOLDS = 5
_POSSIBLE_C = tuple(10.0 ** (power / 2) for power in range(-6, 5))
"""From .001 to 100, each about three times the one before."""
_SHAP_VALUES = 2**23
"""Values that are held at a time: 64 MiB, whatever the number of rows."""


@dataclass(frozen=True)
class Held:
    """Rows that are held out of a fit.

    Attributes
    ----------
    rows : Matrix, shape (rows, columns)
    labels : Labels, shape (rows,)
    songs : Labels, shape (rows,)
        Number of the song that each row is of.
    """

    rows: Matrix
    labels: Labels
    songs: Labels


class TabularModel:
    """One estimator whose probabilities cover all classes, also those that its training rows lack.

    A missing value (NaN) is a direction of its own in the trees of XGBoost, and the median of the training rows for the
    other estimators.

    Parameters
    ----------
    kind : str
        ``xgboost``, ``random_forest``, ``svm`` (radial basis functions) or ``logistic``.
    settings : XgboostSettings
        Hyperparameters.
    n_classes : int
        Classes are 0 … n_classes - 1.
    seed : int
        Of everything random.
    device : str
        Where XGBoost computes: ``cpu`` or ``cuda``.
    threads : int, optional
        Of XGBoost and random forests; as many as there are cores if they are not said.

    Attributes
    ----------
    c : float or None
        Of `svm` and `logistic`: the one that was set, or chosen in the fit.
    """

    def __init__(
        self,
        kind: str,
        settings: XgboostSettings,
        n_classes: int,
        *,
        seed: int,
        device: str,
        threads: int | None = None,
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.n_classes = n_classes
        self.seed = seed
        self.device = device
        self.threads = threads
        self.classes = np.arange(n_classes)
        self.c = settings.c
        self.estimator: Any = None

    def fit(
        self,
        rows: Matrix,
        labels: Labels,
        val: Held | None = None,
        *,
        groups: Sequence[Labels] = (),
        rounds: int | None = None,
    ) -> Self:
        """Fit on rows; XGBoost stops when the log loss over the validation songs, if given, falls no more.

        Parameters
        ----------
        rows : Matrix, shape (rows, columns)
        labels : Labels, shape (rows,)
        val : Held, optional
            Rows that choose the round at which XGBoost stops.
        groups : sequence of Labels, shape (rows,) each
            Artist, then song, of each row: what the folds of an `svm`'s sigmoid keep on one side.
        rounds : int, optional
            In the place of the setting, so that a model can be as long as one that stopped before.
        """
        self.classes, known = np.unique(labels, return_inverse=True)
        if len(self.classes) == 1:
            return self  # nothing to learn: `predict_proba` is sure of the one class
        weights = self._weights(known, groups)
        if self.kind == "xgboost":
            self._fit_trees(rows, known, weights, val, rounds or self.settings.rounds)
        else:
            if self.settings.c is None and self.kind in ("svm", "logistic"):
                self.c = self._choose_c(rows, known, weights, groups)
            self.estimator = self._scikit(known, groups)
            step = self.estimator.steps[-1][0]
            self.estimator.fit(rows, known, **{f"{step}__sample_weight": weights})
            forget_folds(self.estimator.steps[-1][1])
        return self

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Probabilities, shape (rows, n_classes)."""
        result = np.zeros((len(rows), self.n_classes))
        if len(self.classes) == 1:
            result[:, self.classes] = 1.0
            return result
        found = np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
        result[:, self.classes] = found / found.sum(axis=1, keepdims=True)
        return result

    def contributions(self, rows: Matrix) -> npt.NDArray[np.float64] | None:
        """SHAP values of XGBoost's trees (Lundberg et al. 2020), shape (rows, classes, features); None otherwise."""
        if self.kind != "xgboost" or self.estimator is None:
            return None
        from xgboost import DMatrix

        found = self.estimator.get_booster().predict(
            DMatrix(rows, nthread=self.threads),
            pred_contribs=True,
            iteration_range=(0, self._n_rounds),
            strict_shape=True,
        )
        values = np.zeros((len(rows), self.n_classes, rows.shape[1]))
        classes = self.classes if found.shape[1] > 1 else self.classes[1:]
        values[:, classes] = found[:, :, :-1]
        return values

    def mean_contributions(self, rows: Matrix) -> npt.NDArray[np.float64] | None:
        """Mean absolute `contributions` over the rows, shape (classes, features), a block of rows at a time."""
        at_once = max(1, _SHAP_VALUES // (self.n_classes * rows.shape[1]))
        total = np.zeros((self.n_classes, rows.shape[1]))
        for first in range(0, len(rows), at_once):
            found = self.contributions(rows[first : first + at_once])
            if found is None:
                return None
            total += np.abs(found).sum(axis=0)
        return total / len(rows)

    def gains(self, n_features: int) -> npt.NDArray[np.float64]:
        """Mean gain of the splits on each feature, shape (n_features,); zeros for other estimators than XGBoost."""
        gains = np.zeros(n_features)
        if self.kind == "xgboost" and self.estimator is not None:
            for name, gain in self.estimator.get_booster().get_score(importance_type="gain").items():
                gains[int(name[1:])] = float(np.mean(gain))
        return gains

    def size(self) -> int:
        """Values that a prediction needs: two for each node of a tree, else coefficients or support vectors."""
        if self.estimator is None:
            return 0
        if self.kind == "xgboost":
            return 2 * len(self.estimator.get_booster().trees_to_dataframe())
        last = self.estimator.steps[-1][1]
        if self.kind == "random_forest":
            return sum(2 * tree.tree_.node_count for tree in last.estimators_)
        if self.kind == "svm":
            return int(sum(c.estimator.support_vectors_.size for c in last.calibrated_classifiers_))
        return int(last.coef_.size + last.intercept_.size)

    def save(self, directory: Path, name: str) -> None:
        """Write ``<name>.ubj`` or ``<name>.skops``; a model of one class needs no file."""
        if self.estimator is None:
            return
        if self.kind == "xgboost":
            write_atomically(directory / f"{name}.ubj", bytes(self.estimator.get_booster().save_raw("ubj")))
        else:
            save_skops(self.estimator, directory / f"{name}.skops")

    def load(self, directory: Path, name: str, classes: list[int]) -> Self:
        """Read what `save` wrote for these classes."""
        self.classes = np.array(classes)
        if len(classes) == 1:
            return self
        if self.kind == "xgboost":
            path = directory / f"{name}.ubj"
            self.estimator = XGBClassifier(device=self.device, n_jobs=self.threads)
            try:
                self.estimator.load_model(path)
            except (XGBoostError, ValueError) as error:
                raise UserError(f"{path}: not a model of XGBoost.") from error
        else:
            self.estimator = load_skops(directory / f"{name}.skops")
            if self.kind == "random_forest":
                self.estimator.steps[-1][1].n_jobs = self.threads or -1
        return self

    @property
    def rounds(self) -> int | None:
        """Rounds of boosting that predictions use; None for other estimators."""
        if self.kind != "xgboost" or self.estimator is None:
            return None
        return self._n_rounds or int(self.estimator.get_booster().num_boosted_rounds())

    @property
    def _n_rounds(self) -> int:
        best = self.estimator.get_booster().attr("best_iteration")  # it is saved with the model
        return 0 if best is None else int(best) + 1

    def _fit_trees(
        self,
        rows: Matrix,
        known: Labels,
        weights: npt.NDArray[np.float64],
        val: Held | None,
        rounds: int,
    ) -> None:
        s = self.settings
        seen = np.isin(val.labels, self.classes) if val is not None else np.zeros(0, bool)
        stop = bool(seen.any())
        metric: Any = "mlogloss" if len(self.classes) > 2 else "logloss"
        if val is not None and len(np.unique(val.songs)) < len(val.songs):
            metric = _song_log_loss(val.songs[seen])
        self.estimator = XGBClassifier(
            n_estimators=rounds,
            learning_rate=s.lr,
            max_depth=s.max_depth,
            subsample=s.subsample,
            colsample_bytree=max(s.colsample, 1 / rows.shape[1]),
            tree_method="hist",
            eval_metric=metric,
            early_stopping_rounds=s.patience if stop else None,
            random_state=self.seed,
            device=self.device,
            n_jobs=self.threads,
        )
        options: dict[str, Any] = {"verbose": False, "sample_weight": weights}
        if stop and val is not None:
            options["eval_set"] = [(val.rows[seen], np.searchsorted(self.classes, val.labels[seen]))]
        self.estimator.fit(rows, known, **options)

    def _weights(self, labels: Labels, groups: Sequence[Labels]) -> npt.NDArray[np.float64]:
        """How much each row counts; 1 on average."""
        weights: npt.NDArray[np.float64] = np.ones(len(labels))
        if self.settings.artist_weight and groups:
            _, artists, tracks = np.unique(groups[0], return_inverse=True, return_counts=True)
            weights = np.asarray(tracks[artists] ** -self.settings.artist_weight)
        if not self.settings.balanced:
            return np.asarray(weights / weights.mean())
        return np.asarray(weights * (len(labels) / (len(self.classes) * np.bincount(labels, weights)))[labels])

    def _choose_c(
        self, rows: Matrix, labels: Labels, weights: npt.NDArray[np.float64], groups: Sequence[Labels]
    ) -> float:
        """The `c` with the lowest log loss over rows that were held out in folds."""
        folds = inner_folds(labels, groups, most=_FOLDS, seed=self.seed)
        if not folds:
            raise UserError("pipeline.c=null is chosen in folds, which need two training rows of every genre.")

        def loss(c: float) -> float:
            total = 0.0
            for fitted, held in folds:
                model = TabularModel(
                    self.kind, replace(self.settings, c=c), self.n_classes, seed=self.seed, device="cpu"
                )
                model.fit(rows[fitted], labels[fitted], groups=[numbers[fitted] for numbers in groups])
                true = model.predict_proba(rows[held])[np.arange(len(held)), labels[held]]
                total -= float(weights[held] @ np.log(np.maximum(true, np.finfo(np.float64).eps)))
            return total

        best: float = min(_POSSIBLE_C, key=loss)
        return best

    def _scikit(self, labels: Labels, groups: Sequence[Labels]) -> Pipeline:
        prepare = (SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        if self.kind == "random_forest":
            forest = RandomForestClassifier(_TREES, random_state=self.seed, n_jobs=self.threads or -1)
            return make_pipeline(prepare[0], forest)
        if self.kind == "svm":
            folds = inner_folds(labels, groups, most=3, seed=self.seed)
            if not folds:
                raise UserError("pipeline.estimator=svm needs two training rows of every genre for its probabilities.")
            machine = platt(SVC(C=self.c, random_state=self.seed), folds)
            return make_pipeline(*prepare, machine)
        return make_pipeline(*prepare, LogisticRegression(C=self.c, max_iter=2000))


def _song_log_loss(songs: Labels) -> Callable[[Labels, npt.NDArray[Any]], float]:
    """Log loss over songs, whose probabilities are the mean of their rows', as predictions have it."""
    _, places = np.unique(songs, return_inverse=True)
    counts = np.bincount(places)

    def song_log_loss(truth: Labels, found: npt.NDArray[Any]) -> float:
        rows = np.asarray(found, np.float64)
        true = rows[np.arange(len(rows)), truth.astype(np.int64)] if rows.ndim == 2 else np.where(truth, rows, 1 - rows)
        means = np.bincount(places, weights=true) / counts
        return float(-np.mean(np.log(np.maximum(means, np.finfo(np.float64).eps))))

    return song_log_loss
