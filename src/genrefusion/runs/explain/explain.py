"""Drawing, listing and testing what a co-attention run looks at."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genrefusion.core.files import write_json
from genrefusion.core.terminal import Terminal
from genrefusion.metrics.groups import groups_in
from genrefusion.metrics.predictions import write_predictions
from genrefusion.runs.explain.deletion import DRAWS, REMOVED, deletion_metrics, deletion_table

if TYPE_CHECKING:  # PyTorch takes a second to import
    pass
from genrefusion.runs.explain.songs import AttendedSong, Part, read_songs, spread, words_table

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
        Gets ``<track>.png``, ``words.csv``, ``words.png``, ``deletion.csv``, ``deletion.png`` and ``deletion.json``.
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
    _say(metrics, len(songs), directory, terminal)
    return metrics


def file_name(track: str) -> str:
    """Name of a song's figure that stays in its folder, whatever the id; ids that had to be changed stay apart."""
    name = re.sub(r"[^\w.-]+", "_", track).strip("._-")[:40]
    if name != track or name.casefold() in _TAKEN:
        name = f"{name}-{hashlib.sha256(track.encode()).hexdigest()[:8]}"
    return f"{name}.png"


def _draw_songs(part: Part, songs: Sequence[AttendedSong], directory: Path) -> None:
    from genrefusion.reports.attention_plots import SongPicture, plot_song

    if not songs:
        return
    found = part.pipelines[0].timelines(part.tracks.subset([song.track for song in songs]))
    for song in songs:
        assert song.attention is not None
        of_words = np.zeros((len(song.words.spans), len(song.attention.over_words)))
        np.add.at(of_words, song.words.of_token, song.attention.over_words.T)
        timeline = found.get(song.track)
        positions = np.arange(of_words.shape[1] + 1, dtype=np.float64)
        picture = SongPicture(
            words=song.words.forms,
            shares=song.shares,
            even=song.words.even,
            attention=of_words,
            weights=song.attention.audio_weights,
            spans=np.stack([positions[:-1], positions[1:]], axis=1) if timeline is None else timeline.spans,
            mel=None if timeline is None else timeline.mel,
            column_seconds=0.0 if timeline is None else timeline.column_seconds,
        )
        title = f"{song.track}   true: {song.genre}   predicted: {song.predicted} ({song.probability:.2f})"
        plot_song(picture, directory / file_name(song.track), title=title)


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
