"""The deletion test: whether the words that get attention are those that a prediction rests on.

Without the most attended words the probability of the predicted genre has to fall faster than without as many random
ones.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.terminal import Terminal
from genrefusion.metrics.clusters import Groups
from genrefusion.metrics.intervals import mean_intervals

if TYPE_CHECKING:
    from genrefusion.runs.explain.songs import AttendedSong, Part

Array = npt.NDArray[np.float64]

REMOVED = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of a song's words that the deletion test removes."""

DRAWS = 3
"""Draws of random words for each song and share."""


def deletion_table(parts: Sequence[Part], songs: Sequence[AttendedSong], *, terminal: Terminal) -> pd.DataFrame:
    """Remove words, encode what remains, and predict again.

    Parameters
    ----------
    parts : sequence of Part
        With the tracks of the songs.
    songs : sequence of AttendedSong
        Songs to test.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    DataFrame
        Columns ``track_id``, ``fold``, ``genre``, ``predicted``, ``kind`` (``attended`` or ``random``), ``removed``
        (share of the words), ``words`` and ``tokens`` (how many that is), ``draw``, ``probability`` (of the genre that
        was predicted with all words). Both kinds begin with nothing removed.
    """
    by_part = [(part, [song for song in songs if song.fold == part.fold]) for part in parts]
    tests = (test for part, chosen in by_part for test in _delete(part, chosen))
    done = terminal.track(tests, "deletion", len(songs), "songs")
    return pd.DataFrame([row for rows in done for row in rows])


def deletion_metrics(table: pd.DataFrame, *, groups: Groups | None = None) -> dict[str, Any]:
    """Average the deletion test over songs, with 95 % intervals, those of differences paired.

    Parameters
    ----------
    table : DataFrame
        See `deletion_table`.
    groups : Groups, optional
        Which songs are drawn together, as those of one artist; each alone where there are none.

    Returns
    -------
    dict
        ``songs``, ``draws``, ``removed`` (shares), ``attended`` and ``random`` (for each share ``probability`` and
        ``ci95``), ``difference`` (attended less random, likewise), ``mean_difference`` over all shares but 0 and
        ``mean_difference_ci95``; ``tokens`` that a removed word has on average: where the most attended words are the
        longer ones, a part of the difference is due to that. ``drawn`` says what the
        intervals draw. With nothing removed the difference is 0 by definition, and so are the ends of its interval.
    """
    by_song = table.groupby(["track_id", "genre", "kind", "removed"], as_index=False)["probability"].mean()
    wide = by_song.pivot_table(index=["track_id", "genre"], columns=["kind", "removed"], values="probability")
    groups = groups or Groups()
    attended, random = (wide[kind].to_numpy(np.float64) for kind in ("attended", "random"))
    removed = [float(share) for share in wide["attended"].columns]
    columns = {"attended": attended, "random": random, "difference": attended - random}
    overall = (attended - random)[:, 1:].mean(axis=1, keepdims=True)
    values = np.hstack([*columns.values(), overall])
    ends = mean_intervals(values, groups.labels(wide.index.get_level_values("track_id")))
    n = len(removed)
    # Probabilities are 0 at least, and with nothing removed there is no difference.
    ends = [(max(low, 0.0), high) if i < 2 * n else (low, high) for i, (low, high) in enumerate(ends)]
    ends = [(0.0, 0.0) if not column.any() else pair for column, pair in zip(values.T, ends, strict=True)]
    means = [{"probability": float(v.mean()), "ci95": list(pair)} for v, pair in zip(values.T, ends, strict=True)]
    sizes = table.groupby("kind")[["tokens", "words"]].sum()
    return {
        "songs": len(wide),
        "drawn": groups.drawn,
        "draws": int(table["draw"].max()) + 1,
        "removed": removed,
        **{name: means[k * n : (k + 1) * n] for k, name in enumerate(columns)},
        "tokens": {str(kind): float(row["tokens"] / row["words"]) for kind, row in sizes.iterrows()},
        "mean_difference": means[-1]["probability"],
        "mean_difference_ci95": means[-1]["ci95"],
    }


def _delete(part: Part, songs: Sequence[AttendedSong]) -> Iterator[list[dict[str, Any]]]:
    """Rows of the deletion test for each of the songs of one part."""
    if not songs:
        return
    encoder = part.encoder
    tests = [list(_removals(song)) for song in songs]
    tracks = part.tracks.subset([song.track for song in songs])
    embedded = (
        encoder.embed_anew([song.words.without(gone) for _, _, _, gone in test])
        for song, test in zip(songs, tests, strict=True)
    )
    # Each song's lyrics are encoded once, however many pipelines read them.
    streams = itertools.tee(embedded, len(part.pipelines))
    predicted = [p.predict_lyrics(tracks, stream) for p, stream in zip(part.pipelines, streams, strict=True)]
    for song, test, *several in zip(songs, tests, *predicted, strict=True):
        column = part.pipelines[0].classes_.index(song.predicted)
        probabilities = np.mean(several, axis=0)[:, column]
        facts = {"track_id": song.track, "fold": song.fold, "genre": song.genre, "predicted": song.predicted}
        yield [
            facts
            | {"kind": kind, "removed": share, "words": len(gone), "tokens": int(song.words.n_tokens[gone].sum())}
            | {"draw": draw, "probability": float(probability)}
            for (kind, share, draw, gone), probability in zip(test, probabilities, strict=True)
        ]


def _removals(song: AttendedSong) -> Iterator[tuple[str, float, int, list[int]]]:
    """Kind, share, draw and words of all that is removed from a song, first nothing."""
    n = len(song.shares)
    order = np.argsort(-song.shares, kind="stable")
    # By the song's own id, so that its draws do not depend on the other songs.
    rng = np.random.default_rng(zlib.crc32(song.track.encode()))
    yield "attended", 0.0, 0, []
    yield "random", 0.0, 0, []
    for share in REMOVED:
        count = max(1, round(share * n))
        yield "attended", share, 0, order[:count].tolist()
        for draw in range(DRAWS):
            yield "random", share, draw, rng.permutation(n)[:count].tolist()
