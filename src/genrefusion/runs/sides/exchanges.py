"""Songs with the audio of one and the lyrics of another.

They are tracks like any other, so that every pipeline predicts them by its contract: computed features are found by the
audio file, ready ones by the id of the track, which is that of the audio here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from genrefusion.data.tracks import Tracks
from genrefusion.features.precomputed import ready_tracks
from genrefusion.metrics.predictions import Labels
from genrefusion.pipelines.base import Predictor, read_features

_SILENT = "\0silent"
"""Behind the id of a track of which nothing is heard: no file of ready features has it."""


def with_both_sides(pipeline: Predictor, tracks: Tracks) -> Tracks:
    """Those that have lyrics, and the audio, or the ready features, of each member that reads any."""
    silent = set(tracks.lacking("audio"))
    known = set(tracks.ids) - set(tracks.lacking("lyrics"))
    for features in read_features(pipeline):
        ready = ready_tracks(features)
        known = known - silent if ready is None else known & ready
    return tracks.subset([track for track in tracks.ids if track in known])


def partners(within: Labels, apart: Labels, rng: np.random.Generator) -> Labels:
    """Draw another song for each: of the same block, and not of its own group.

    The songs of a block are put in a row in random order, those of one group beside each other; each gets the song that
    lies a random number of places further on, more than its group is long. So each song is given once, and what is
    exchanged has the same genres and artists as before. Of a group that is more than half of its block as many songs as
    possible get one.

    Parameters
    ----------
    within : Labels, shape (songs,)
        Block of each song.
    apart : Labels, shape (songs,)
        Its group, as songs of one artist, or copies of one song.
    rng : Generator
        Draws.

    Returns
    -------
    Labels, shape (songs,)
        Place of the other song; -1 where there is none.
    """
    found = np.full(len(within), -1, dtype=np.int64)
    for block in np.unique(within):
        members = rng.permutation(np.flatnonzero(within == block))
        groups = pd.factorize(apart[members])[0]
        row = members[np.argsort(groups, kind="stable")]
        longest, n = int(np.bincount(groups).max()), len(row)
        further = int(rng.integers(longest, n - longest + 1)) if 2 * longest <= n else n // 2
        others = np.roll(row, -further)
        apt = apart[row] != apart[others]
        found[row[apt]] = others[apt]
    return found


def joined(tracks: Tracks, audio: Sequence[str], lyrics: Sequence[str]) -> Tracks:
    """Tracks with the audio, and the ids, of some songs and the lyrics of others; no audio may be there twice."""
    texts = tracks.table.loc[list(lyrics), "lyrics"].to_numpy()
    return replace(tracks, table=tracks.table.loc[list(audio)].assign(lyrics=texts))


def without_lyrics(tracks: Tracks) -> Tracks:
    """The tracks with nothing to read."""
    return replace(tracks, table=tracks.table.assign(lyrics=None))


def without_audio(tracks: Tracks) -> Tracks:
    """The tracks with nothing to hear, neither in a file nor under their ids."""
    table = tracks.table.assign(audio=None)
    table.index = pd.Index([f"{track}{_SILENT}" for track in tracks.ids], name=table.index.name)
    return replace(tracks, table=table)


def with_texts(tracks: Tracks, texts: Sequence[str]) -> Tracks:
    """The tracks with other lyrics, which are clean."""
    return replace(tracks, table=tracks.table.assign(lyrics=list(texts)), cleaned={text: text for text in texts})
