"""Features as one array for each track, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import LazyArray, extract
from genrefusion.features.mel import MelExtractor
from genrefusion.features.sources import Surroundings, audio_source
from genrefusion.features.vectors import read_vectors
from genrefusion.settings.features import FeatureSettings, MelFeatures

Array = npt.NDArray[Any]


def feature_arrays(
    settings: FeatureSettings, tracks: Tracks, around: Surroundings, *, workers: int
) -> dict[str, Array]:
    """Compute or look up the features of each track.

    Parameters
    ----------
    settings : FeatureSettings
        Which.
    tracks : Tracks
        Checked (`genrefusion.data.checks.check_audio`), each with audio or among ready features.
    around : Surroundings
        Cache, terminal, device.
    workers : int
        Threads that decode and compute.

    Returns
    -------
    dict of str to ndarray
        By track id: a log mel-spectrogram in dB, shape (bands, columns); vectors of a source, shape (vectors,
        channels); or rows of features, shape (segments, features).

    Raises
    ------
    UserError
        Nothing is read of the audio with these settings, or a track has none.
    """
    arrays: dict[str, LazyArray]
    if settings.are_sequences:
        source = audio_source(settings, around)
        source.require(tracks)
        arrays = source.sequences(tracks)
    elif isinstance(settings, MelFeatures):
        extractor = MelExtractor(settings, max_seconds=around.max_seconds)
        arrays = extract(tracks, extractor, around.cache, workers=workers, terminal=around.terminal)
    else:
        given: dict[str, Any] = {"workers": workers, "terminal": around.terminal}
        vectors = read_vectors(settings, tracks, around.cache, max_seconds=around.max_seconds, **given)
        songs = np.array(vectors.songs)
        begins = np.flatnonzero(songs[1:] != songs[:-1]) + 1
        return dict(zip(dict.fromkeys(vectors.songs), np.split(vectors.rows, begins), strict=False))
    return {track: np.asarray(arrays[track]) for track in tracks.ids}
