"""Several trained pipelines whose probabilities are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.tracks import Tracks
from genrefusion.features.precomputed import ready_tracks
from genrefusion.metrics.pooling import Labels, LogarithmicPool, Probabilities
from genrefusion.metrics.predictions import Prediction
from genrefusion.pipelines.base import Context, Predictor
from genrefusion.pipelines.saved import read_description, read_pipeline, read_state, write_description, write_state
from genrefusion.settings.features import NoFeatures
from genrefusion.settings.pipelines import EnsembleSettings
from genrefusion.settings.registry import read_settings


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


class EnsemblePipeline(Predictor):
    """Predicts with every member and joins what they say.

    It is not fitted: `genrefusion.runs.ensembles` joins pipelines that are trained. A track that lacks what a member
    needs is predicted by the others.

    Parameters
    ----------
    members : sequence of Predictor
        Trained on the same genres, and with the same things to work with.
    combination : Combination
        How they are joined.
    settings : EnsembleSettings

    Attributes
    ----------
    classes_ : list of str
        Sorted names of the genres.
    members_ : list of Predictor
        What is joined; may be ensembles themselves.
    combination_ : Combination
    """

    name = "ensemble"

    def __init__(self, members: Sequence[Predictor], combination: Combination, settings: EnsembleSettings) -> None:
        self.settings = settings
        self.features = NoFeatures()  # each member has its own
        self.context = members[0].context
        self.classes_ = members[0].classes_
        self.members_ = list(members)
        self.combination_ = combination

    @classmethod
    def mean_of(cls, members: Sequence[Predictor]) -> Self:
        """Join pipelines that all have the same say."""
        settings = EnsembleSettings(members=[f"model{number}" for number in range(len(members))])
        return cls(members, Combination(logarithmic=False, weights=[1.0] * len(members)), settings)

    @property
    def uses(self) -> frozenset[str]:
        """Sides of which a track must have one; none if some member needs none."""
        needs = [member.uses for member in self.members_]
        return frozenset().union(*needs) if all(needs) else frozenset()

    @property
    def reads_lyrics(self) -> bool:
        """Whether some member does."""
        return any(member.reads_lyrics for member in self.members_)

    @property
    def reads_lyrics_alone(self) -> bool:
        """Whether some member does."""
        return any(member.reads_lyrics_alone for member in self.members_)

    @property
    def members(self) -> list[Predictor]:
        """All that are no ensembles."""
        return [member for joined in self.members_ for member in joined.members]

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
        if (unread := ~known.any(axis=1)).any():
            raise UserError(
                f"{unread.sum()} of {len(tracks)} tracks of {tracks.corpus} have nothing that a member of the ensemble "
                f"reads:\n{bullet_list(ids[unread])}"
            )
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
        write_description(directory, self)

    @classmethod
    def load(cls, directory: Path, context: Context) -> Self:
        """Read what `save` wrote."""
        settings = read_settings(read_description(directory)["pipeline"])
        state = read_state(directory)
        folders = [directory / f"member{number}" for number in range(len(state["weights"]))]
        members = [read_pipeline(folder, context) for folder in folders]
        return cls(members, Combination(state["logarithmic"], state["weights"]), settings)

    def parameter_count(self) -> int:
        """Values of all members."""
        return sum(member.parameter_count() for member in self.members_)


def _readable(member: Predictor, tracks: Tracks) -> Tracks:
    """Tracks that have one of the sides that a member needs, or the ready features."""
    if not member.uses:
        ready = None if member.reads_lyrics_alone else ready_tracks(member.features)
        return tracks if ready is None else tracks.subset([track for track in tracks.ids if track in ready])
    without = set(tracks.lacking(*sorted(member.uses)))
    return tracks.subset([track for track in tracks.ids if track not in without])
