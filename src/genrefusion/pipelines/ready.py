"""Genres without training: what the published tag network musicnn says of a song, beside what it says of others.

Seven genres have a tag that bears their name. How high a tag stands tells first how often listeners wrote it: 'rock' is
high in most songs, 'blues' in none. So each tag is divided by its mean over a reference of songs, and the ratios of a
song, over their sum, are its probabilities; that is the softmax of their logarithms. Nothing is fitted on genres.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.models.msd import TAGS

TAG_OF = {
    "blues": "blues",
    "country": "country",
    "hiphop": "Hip-Hop",
    "jazz": "jazz",
    "metal": "metal",
    "pop": "pop",
    "rock": "rock",
}
"""The tag that bears the name of a genre; of GTZAN's genres classical, disco and reggae have none."""

REFERENCE = Path(__file__).with_name("ready_reference.json")
"""Mean of each tag over songs that no figure is computed on, and how it was made."""

PATCHES_OF_A_FRAME = 10
"""Tags are heard every 3 s; genres are told every 30 s, as those of the frames of other systems."""


def tag_table(log_tags: npt.ArrayLike, spans: list[tuple[float, float]]) -> pd.DataFrame:
    """Probabilities of the tags in the patches of a song, with their times.

    Parameters
    ----------
    log_tags : array, shape (patches, 50)
        What ``features=musicnn`` gives: their logarithms.
    spans : list of (float, float)
        Beginning and end of each patch in seconds.

    Returns
    -------
    DataFrame, shape (patches, 50)
        Indexed by ``begin`` and ``end``; columns are tags.
    """
    times = pd.MultiIndex.from_tuples(spans, names=["begin", "end"])
    return pd.DataFrame(np.exp(np.asarray(log_tags, dtype=np.float64)), times, list(TAGS))


def genres_of(tags: pd.DataFrame) -> pd.Series:
    """Probability of each genre of `TAG_OF` in a song, or a part of it, by its tags in some patches."""
    ratios = (tags.mean() / reference())[list(TAG_OF.values())].set_axis(list(TAG_OF))
    return ratios / ratios.sum()


def frames_of(tags: pd.DataFrame) -> list[tuple[tuple[float, float], pd.Series]]:
    """Beginning and end in seconds, and genres, of each part of a song of some 30 s."""
    count = max(1, round(len(tags) / PATCHES_OF_A_FRAME))
    parts = [tags.iloc[rows] for rows in np.array_split(np.arange(len(tags)), count)]
    return [((part.index[0][0], part.index[-1][1]), genres_of(part)) for part in parts]


@functools.cache
def reference() -> pd.Series:
    """Mean of each tag over the reference."""
    means = json.loads(REFERENCE.read_text(encoding="utf-8"))["means"]
    return pd.Series(means, dtype=np.float64)[list(TAGS)]
