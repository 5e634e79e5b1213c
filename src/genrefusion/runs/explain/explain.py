"""Drawing, listing and testing what a co-attention run looks at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.core.files import write_json
from genrefusion.core.terminal import Terminal
from genrefusion.metrics.groups import groups_in
from genrefusion.metrics.predictions import write_predictions
from genrefusion.runs.explain.deletion import DRAWS, REMOVED, deletion_metrics, deletion_table
from genrefusion.runs.explain.songs import AttendedSong, Part, position_times, read_songs, spread, words_table

if TYPE_CHECKING:  # PyTorch and matplotlib take a second each to import
    from genrefusion.pipelines.audio_side import Timeline
    from genrefusion.reports.attention_plots import SongPicture

Array = npt.NDArray[np.float64]

MOST_SONGS = 64
"""Songs in the deletion test: two minutes on one core with lyrics of 400 tokens."""


_TAKEN = ("words", "deletion")  # names of the other files


def explain(parts: Sequence[Part], directory: Path, number: int, *, title: str, terminal: Terminal) -> dict[str, Any]:
    """Draw what was looked at, list words, test by deletion, and write all of it.

    Parameters
    ----------
    parts : sequence of Part
        See `parts_to_explain`.
    directory : Path
        Gets ``<track>.png`` and ``audio/<track>.png``, ``songs.json`` (lyrics and what each word gets), ``words.csv``,
        ``words.png``, ``deletion.csv``, ``deletion.png`` and ``deletion.json``.
    number : int
        Songs to draw, spread over the genres.
    title : str
        Corpus and protocol, for the pictures.
    terminal : Terminal
        Where it is said.

    Returns
    -------
    dict
        What ``deletion.json`` holds.
    """
    from genrefusion.reports import attention_plots as plots

    genres = pd.concat([part.tracks.table["genre"] for part in parts])
    drawn = spread(genres, number)
    songs = [song for part in parts for song in read_songs(part, keep=set(drawn), terminal=terminal)]
    for part in parts:
        _draw_songs(part, [song for song in songs if song.fold == part.fold and song.attention], directory)
    words = words_table(songs)
    write_predictions(words, directory / "words.csv")
    plots.plot_words(words, sorted({song.genre for song in songs}), directory / "words.png", title=title)
    tested = set(spread(genres, MOST_SONGS))
    table = deletion_table(parts, [song for song in songs if song.track in tested], terminal=terminal)
    metrics = deletion_metrics(table, groups=groups_in([part.tracks for part in parts]))
    write_predictions(table, directory / "deletion.csv")
    write_json(metrics, directory / "deletion.json")
    plots.plot_deletion(metrics, directory / "deletion.png", title=f"{title}, n = {metrics['songs']}")
    by_track = {song.track: song for song in songs}
    write_json({"songs": [_lyrics(by_track[track]) for track in drawn if track in by_track]}, directory / "songs.json")
    _say(metrics, len(songs), directory, terminal)
    return metrics


def file_name(track: str) -> str:
    """Name of a song's figure that stays in its folder, whatever the id; ids that had to be changed stay apart."""
    name = re.sub(r"[^\w.-]+", "_", track).strip("._-")[:40]
    if name != track or name.casefold() in _TAKEN:
        name = f"{name}-{hashlib.sha256(track.encode()).hexdigest()[:8]}"
    return f"{name}.png"


def _draw_songs(part: Part, songs: Sequence[AttendedSong], directory: Path) -> None:
    from genrefusion.reports.attention_plots import plot_audio, plot_song

    if not songs:
        return
    timelines = part.pipelines[0].timelines(part.tracks.subset([song.track for song in songs]))
    for song in songs:
        picture = _picture(song, timelines.get(song.track))
        title = f"{song.track}   true: {song.genre}   predicted: {song.predicted} ({song.probability:.2f})"
        plot_song(picture, directory / file_name(song.track), title=title)
        plot_audio(picture, directory / "audio" / file_name(song.track))


def _picture(song: AttendedSong, timeline: Timeline | None) -> SongPicture:
    from genrefusion.reports.attention_plots import SongPicture

    assert song.attention is not None
    n = len(song.attention.audio_weights)
    numbers = np.arange(n, dtype=np.float64)
    return SongPicture(
        words=song.words.forms,
        before=song.words.before,
        shares=song.shares,
        even=song.words.even,
        times=position_times(song.attention.over_words, song.words),
        weights=song.attention.audio_weights,
        spans=np.stack([numbers, numbers + 1], axis=1) if timeline is None else of_positions(timeline.spans, n),
        mel=None if timeline is None else timeline.mel,
        column_seconds=0.0 if timeline is None else timeline.column_seconds,
    )


def of_positions(spans: Array, n: int) -> Array:
    """Spans of `n` positions, shape (n, 2).

    A timeline knows a song's length to a column of its spectrogram. By that much an encoder may hear a last window,
    flush with the end, that the timeline lacks, or lack one that it has; it lies where the one before it does.
    """
    return np.pad(spans, ((0, max(0, n - len(spans))), (0, 0)), mode="edge")[:n]


def _lyrics(song: AttendedSong) -> dict[str, Any]:
    """What the report shows of a song that is drawn; `before` and `words` by turns are its lyrics, as far as read."""
    words = song.words
    return {
        "track_id": song.track,
        "fold": song.fold,
        "genre": song.genre,
        "predicted": song.predicted,
        "probability": round(song.probability, 6),
        "picture": file_name(song.track),
        "before": words.before,
        "words": words.forms,
        "tokens": words.n_tokens.tolist(),
        "shares": [round(share, 9) for share in song.shares.tolist()],
        "times": [round(times, 4) for times in (song.shares / words.even).tolist()],
    }


def _say(metrics: dict[str, Any], songs: int, directory: Path, terminal: Terminal) -> None:
    low, high = metrics["mean_difference_ci95"]
    terminal.say(
        "deletion",
        f"{metrics['mean_difference']:+.3f} [{low:+.3f}, {high:+.3f}]   probability of the predicted genre without its "
        "most attended words, less that without as many random ones",
    )
    shares = ", ".join(f"{share:.0%}" for share in REMOVED)
    capped = (
        f"{metrics['songs']} of {songs} songs with both sides, spread over the genres"
        if (metrics["songs"] < songs)
        else f"{songs} songs with both sides"
    )
    terminal.say("", f"{capped}; mean of {shares} of the words; {DRAWS} random draws")
