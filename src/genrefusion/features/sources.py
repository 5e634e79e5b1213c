"""What gives each song a sequence of vectors: a frozen network that hears it, or a ready file.

A source is written beside what it runs, and named by its settings (`genrefusion.settings.registry`): a further encoder
is one module, its settings, and one YAML file.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from genrefusion.core.errors import UserError, among
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import Extractor, FeatureCache, LazyArray, extract
from genrefusion.features.text_encoder import Device
from genrefusion.settings.features import FeatureSettings
from genrefusion.settings.registry import behind, entries


@dataclass(frozen=True)
class Surroundings:
    """What a source works with; only `max_seconds` changes what it gives, and `precision` its last digits.

    Attributes
    ----------
    cache : FeatureCache
        Keeps vectors and published weights.
    terminal : Terminal
        Told what is fetched, and how far it is.
    max_seconds : float
        Only the beginning of longer audio is heard.
    device : callable
        Where networks compute.
    precision : str
        Of frozen networks that were measured in both: ``float32`` or ``bfloat16``.
    weights : str, optional
        Where published weights are, in place of what settings say of it.
    """

    cache: FeatureCache
    terminal: Terminal
    max_seconds: float
    device: Device
    precision: str = "float32"
    weights: str | None = None


class AudioSource(Protocol):
    """A sequence of vectors for each song. What is not said here a source computes from the song's file.

    Parameters
    ----------
    features : FeatureSettings
        Its settings.
    surroundings : Surroundings
        Cache, device, terminal.
    """

    features: Any
    surroundings: Surroundings

    def __init__(self, features: Any, surroundings: Surroundings) -> None:
        """Store the settings; read and fetch nothing."""
        self.features = features
        self.surroundings = surroundings

    @property
    @abstractmethod
    def channels(self) -> Sequence[str]:
        """Name of each value of a vector."""

    @abstractmethod
    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """When the vectors of a song of that length are heard, in seconds; empty where nobody knows."""

    @abstractmethod
    def parameters(self) -> int:
        """Values of the network that computes the vectors."""

    @abstractmethod
    def extractor(self) -> Extractor:
        """What computes the vectors of a file, shape (vectors, channels)."""

    def load(self) -> None:
        """Read what the vectors come from, so that what is wrong with it is said once, before any song is read."""
        return

    def noted(self) -> Any:
        """Its settings, with what a trained run notes to know again what they name."""
        return self.features

    def ids(self, tracks: Tracks) -> list[str]:
        """Tracks that it has vectors of."""
        without = set(tracks.lacking("audio"))
        return [track for track in tracks.ids if track not in without]

    def require(self, tracks: Tracks) -> None:
        """Refuse tracks that it has no vectors of."""
        tracks.require("audio")

    def sequences(self, tracks: Tracks) -> dict[str, LazyArray]:
        """Compute or look up the vectors of the tracks that it has some of, shape (vectors, channels) each."""
        known = tracks.subset(self.ids(tracks))
        if not len(known):
            return {}
        around = self.surroundings
        # One worker: the network itself takes all cores.
        return extract(known, self.extractor(), around.cache, workers=1, terminal=around.terminal)


def audio_source(features: FeatureSettings, surroundings: Surroundings) -> AudioSource:
    """Source that the settings name.

    Raises
    ------
    UserError
        They are of features that are no sequences.
    """
    if not features.are_sequences:
        raise UserError(f"features={features.name} gives no sequences: choose {among(source_names())}.")
    return cast(AudioSource, behind(features)(features, surroundings))


def source_names() -> list[str]:
    """Names of all sources that there are, those of plug-ins too, as in ``features=name``."""
    return [entry.name for entry in entries("features") if entry.schema.are_sequences]
