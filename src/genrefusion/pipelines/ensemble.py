"""Several trained pipelines whose probabilities are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.pooling import Labels, LogarithmicPool, Probabilities
from genrefusion.metrics.predictions import Prediction
from genrefusion.pipelines.base import (
    Pipeline,
    Workbench,
    load_pipeline,
    read_state,
    rebuild,
    write_description,
    write_state,
)
from genrefusion.settings.pipelines import EnsembleSettings


@dataclass(frozen=True)
class Combination:
    """How probabilities of several members become one.

    Attributes
    ----------
    logarithmic : bool
        ``p(c) ~ prod_i p_i(c) ** w_i`` if true, otherwise ``p(c) ~ sum_i w_i p_i(c)``.
    weights : list of float
        One for each member.
    """

    logarithmic: bool
    weights: list[float]

    def combine(self, members: Sequence[Probabilities], which: Sequence[int] | None = None) -> Probabilities:
        """Join probabilities, shape (rows, classes) each, of all members or of those that `which` numbers."""
        weights = np.array(self.weights if which is None else [self.weights[i] for i in which])
        if not weights.any():  # those that are left had no say; now they have to speak
            weights = np.ones(len(members))
        if self.logarithmic:
            pool = LogarithmicPool()
            pool.weights = weights
            return pool.combine(members)
        joined = np.tensordot(weights, np.stack(members), axes=1)
        return np.asarray(joined / joined.sum(axis=1, keepdims=True))


def fit_combination(
    settings: EnsembleSettings, members: Sequence[Probabilities], labels: Labels, *, count: int
) -> Combination:
    """Choose the weights of the members.

    Parameters
    ----------
    settings : EnsembleSettings
        ``mean`` gives all the same weight, ``weights`` those of the settings, ``product`` multiplies the probabilities,
        ``stack`` fits the weights of a logarithmic pool (see `LogarithmicPool`).
    members : sequence of ndarray, shape (rows, classes) each
        Probabilities of tracks that no member was fitted on; read by ``stack`` alone.
    labels : ndarray, shape (rows,)
        Their true classes.
    count : int
        Number of members.
    """
    if settings.combine == "stack":
        return Combination(logarithmic=True, weights=[float(w) for w in LogarithmicPool().fit(members, labels).weights])
    weights = list(settings.weights) or [1.0] * count
    return Combination(logarithmic=settings.combine == "product", weights=weights)


class EnsemblePipeline:
    """Predicts with every member and joins what they say; see `genrefusion.pipelines.base.Pipeline`.

    It is not fitted: `genrefusion.runs.ensembles` joins pipelines that are trained. A track that lacks what a member
    needs is predicted by the others.

    Parameters
    ----------
    settings : EnsembleSettings
    features : NoFeatures
        Each member has its own.
    bench : Workbench
        Handed on to the members.
    """

    name = "ensemble"

    def __init__(self, settings: EnsembleSettings, features: Any, bench: Workbench) -> None:
        self.settings = settings
        self.features = features
        self._bench = bench
        self.classes_: list[str] = []
        self.history_ = pd.DataFrame()
        self.importance_ = pd.DataFrame()
        self.members_: list[Pipeline] = []
        self.combination_ = Combination(logarithmic=False, weights=[])

    @property
    def bench(self) -> Workbench:
        """What the members work with."""
        return self._bench

    @bench.setter
    def bench(self, bench: Workbench) -> None:
        self._bench = bench
        for member in self.members_:
            member.bench = bench

    @property
    def uses(self) -> frozenset[str]:
        """Sides of which a track must have one; none if some member needs none."""
        needs = [member.uses for member in self.members_]
        return frozenset().union(*needs) if all(needs) else frozenset()

    @property
    def reads_lyrics(self) -> bool:
        """Whether some member does."""
        return any(member.reads_lyrics for member in self.members_)

    def prepare(self, tracks: Tracks) -> None:
        """Let every member compute the features of the tracks that it can read."""
        for member in self.members_:
            member.prepare(_readable(member, tracks))

    def fit(self, train: Tracks, val: Tracks) -> NoReturn:
        """Refused: an ensemble is joined from finished runs."""
        raise UserError("An ensemble is not trained: it is joined from finished runs (train experiment=ensemble).")

    def predict_proba(self, tracks: Tracks) -> Prediction:
        """Join what the members say of each track."""
        if self.uses:
            tracks.require(*sorted(self.uses))
        tables = [
            member.predict_proba(part).tracks if len(part := _readable(member, tracks)) else pd.DataFrame()
            for member in self.members_
        ]
        rows = np.zeros((len(tracks), len(self.classes_)))
        ids = np.array(tracks.ids, dtype=object)
        known = np.array([[track in table.index for table in tables] for track in ids])
        for pattern in np.unique(known, axis=0):
            chosen = np.flatnonzero((known == pattern).all(axis=1))
            which = np.flatnonzero(pattern).tolist()
            members = [tables[i].loc[ids[chosen], self.classes_].to_numpy(np.float64) for i in which]
            rows[chosen] = self.combination_.combine(members, which)
        return Prediction(pd.DataFrame(rows, index=pd.Index(tracks.ids, name="track_id"), columns=self.classes_))

    def save(self, directory: Path) -> None:
        """Write every member into a folder of its own, and how they are joined."""
        for number, member in enumerate(self.members_):
            member.save(directory / f"member{number}")
        state = {"logarithmic": self.combination_.logarithmic, "weights": self.combination_.weights}
        write_state(directory, state)
        write_description(directory, self, self.settings, self.features)

    @classmethod
    def load(cls, directory: Path, bench: Workbench) -> Self:
        """Read what `save` wrote."""
        pipeline = rebuild(cls, directory, bench)
        state = read_state(directory)
        pipeline.combination_ = Combination(state["logarithmic"], state["weights"])
        folders = [directory / f"member{number}" for number in range(len(state["weights"]))]
        pipeline.members_ = [load_pipeline(folder, bench) for folder in folders]
        return pipeline

    def parameter_count(self) -> int:
        """Values of all members."""
        return sum(member.parameter_count() for member in self.members_)


def _readable(member: Pipeline, tracks: Tracks) -> Tracks:
    """Tracks that have one of the sides that a member needs."""
    if not member.uses:
        return tracks
    without = set(tracks.lacking(*sorted(member.uses)))
    return tracks.subset([track for track in tracks.ids if track not in without])
