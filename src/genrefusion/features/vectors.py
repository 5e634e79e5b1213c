"""Rows of numbers for each track, wherever they come from: what estimators on vectors read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.core.errors import UserError, among
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio, samples_in
from genrefusion.data.tracks import Tracks
from genrefusion.features import handcrafted, handcrafted_wide
from genrefusion.features.cache import FeatureCache, LazyArray, extract
from genrefusion.features.precomputed import read_feature_table, require_tracks
from genrefusion.features.sources import AudioSource, source_names
from genrefusion.settings.features import FeatureSettings, HandcraftedFeatures, TableFeatures

Array = npt.NDArray[np.float32]

SAMPLE_RATE = 22050


@dataclass(frozen=True)
class AudioVectors:
    """Rows of features.

    Attributes
    ----------
    rows : Array, shape (rows, columns)
        NaN where a value is unknown.
    songs : list of str
        Track id of each row; the rows of a track follow each other.
    names : list of str
        Names of the columns.
    """

    rows: Array
    songs: list[str]
    names: list[str]


class HandcraftedExtractor:
    """Hand-crafted features of a file, shape (segments, columns); see `genrefusion.features.cache.Extractor`."""

    name = "handcrafted"
    version = 1

    def __init__(self, settings: HandcraftedFeatures, *, max_seconds: float) -> None:
        self.wide = settings.kind == "wide"
        self.segment_seconds = settings.segment_seconds
        self.max_seconds = max_seconds

    def parameters(self) -> Mapping[str, Any]:
        """What decides the result beside the audio; subsets of the 97 values share one entry."""
        return {"wide": self.wide, "segment_seconds": self.segment_seconds, "max_seconds": self.max_seconds}

    def __call__(self, path: Path) -> Array:
        """Decode, divide and describe."""
        audio = load_audio(path, sample_rate=SAMPLE_RATE, max_seconds=self.max_seconds)
        n = count_segments(len(audio), self.segment_seconds)
        describe = handcrafted_wide.wide_features if self.wide else handcrafted.handcrafted_features
        return np.stack([describe(np.ascontiguousarray(part)) for part in np.array_split(audio, n)])


def count_segments(samples: int, segment_seconds: float | None) -> int:
    """Number of equal parts that audio at `SAMPLE_RATE` is divided into."""
    return 1 if segment_seconds is None else max(1, round(samples / SAMPLE_RATE / segment_seconds))


def segment_seconds(settings: object) -> float | None:
    """Length of the segments that have a row each; None where a song has one row."""
    return settings.segment_seconds if isinstance(settings, HandcraftedFeatures) else None


def segment_spans(seconds: float, segment_seconds: float) -> list[tuple[float, float]]:
    """When the segments of a song of that length are heard: beginning and end of each in seconds."""
    n = count_segments(samples_in(seconds, SAMPLE_RATE), segment_seconds)
    return [(seconds * i / n, seconds * (i + 1) / n) for i in range(n)]


def read_vectors(
    settings: FeatureSettings,
    tracks: Tracks,
    cache: FeatureCache,
    *,
    max_seconds: float,
    workers: int,
    terminal: Terminal,
) -> AudioVectors:
    """Compute or look up the rows of each track.

    Parameters
    ----------
    settings : HandcraftedFeatures or TableFeatures
        Where they come from.
    tracks : Tracks
        In whose order the rows come.
    cache : FeatureCache
        Keeps what is computed.
    max_seconds, workers, terminal
        As for `genrefusion.features.cache.extract`.

    Raises
    ------
    UserError
        A track has no audio, or is not in the file.
    """
    if isinstance(settings, HandcraftedFeatures):
        extractor = HandcraftedExtractor(settings, max_seconds=max_seconds)
        arrays = extract(tracks, extractor, cache, workers=workers, terminal=terminal)
        every = handcrafted_wide.WIDE_FEATURE_NAMES if extractor.wide else handcrafted.FEATURE_NAMES
        subsets = {"time": handcrafted.TIME_DOMAIN, "frequency": handcrafted.FREQUENCY_DOMAIN}
        names = subsets.get(settings.kind, every)
        columns = slice(None) if names == every else [every.index(name) for name in names]
        return _filled(arrays, columns, tracks, names)
    if isinstance(settings, TableFeatures):
        table = read_feature_table(Path(str(settings.path)))
        require_tracks(tracks, set(table.index), str(settings.path))
        names = tuple(str(name) for name in table.columns)
        rows = np.ascontiguousarray(table.loc[tracks.ids].to_numpy(np.float32))
        return AudioVectors(rows, tracks.ids, list(names))
    others = ["handcrafted[_wide]", "table", *source_names()]
    raise UserError(f"features={settings.name} gives no vectors: choose {among(others)}.")


STATISTICS: dict[str, Callable[[Array], Array]] = {
    "mean": lambda sequence: sequence.mean(axis=0),
    "std": lambda sequence: sequence.std(axis=0),
    "max": lambda sequence: sequence.max(axis=0),
}
"""What a sequence of vectors, shape (vectors, channels), can be summarised by; the settings name them."""


def summarise(source: AudioSource, tracks: Tracks, statistics: Sequence[str]) -> AudioVectors:
    """One row for each track: statistics of its sequence of vectors over time, side by side.

    Parameters
    ----------
    source : AudioSource
        Of the sequences.
    tracks : Tracks
        In whose order the rows come.
    statistics : sequence of str
        Of `STATISTICS`.

    Raises
    ------
    UserError
        A track has no sequence.
    """
    source.require(tracks)
    sequences = source.sequences(tracks)
    names = [f"{statistic}_{channel}" for statistic in statistics for channel in source.channels]
    rows = np.empty((len(tracks), len(names)), np.float32)
    for row, track in zip(rows, tracks.ids, strict=True):
        sequence = np.asarray(sequences[track], np.float32)
        row[:] = np.concatenate([STATISTICS[statistic](sequence) for statistic in statistics])
    return AudioVectors(rows, tracks.ids, names)


def _filled(arrays: Mapping[str, LazyArray], columns: Any, tracks: Tracks, names: Sequence[str]) -> AudioVectors:
    """Rows of all tracks, each read into its place: they are in memory once."""
    lengths = [len(arrays[track]) for track in tracks.ids]
    rows = np.empty((sum(lengths), len(names)), np.float32)
    end = 0
    for track, length in zip(tracks.ids, lengths, strict=True):
        rows[end : end + length] = np.asarray(arrays[track])[:, columns]
        end += length
    songs = [track for track, length in zip(tracks.ids, lengths, strict=True) for _ in range(length)]
    return AudioVectors(rows, songs, list(names))
