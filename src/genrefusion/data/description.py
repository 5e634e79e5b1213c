"""What is in a corpus, and what is wrong with it: the command `corpus`."""

from __future__ import annotations

import pandas as pd
from rich.markup import escape
from rich.table import Table

from genrefusion.config import CorpusConfig, cache_folder
from genrefusion.data.corpora import check_audio, load_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.terminal import Terminal


def describe_corpus(config: CorpusConfig, *, quiet: bool = False) -> int:
    """Print counts of a corpus by genre; with ``action=validate`` decode every file and name those with a problem.

    Returns
    -------
    int
        Exit code: 1 if a file cannot be used.
    """
    terminal = Terminal(quiet=quiet)
    cache = cache_folder(config.cache)
    tracks = load_corpus(config.data, cache=cache, workers=config.workers, terminal=terminal)
    kind = " (synthetic)" if tracks.synthetic else ""
    terminal.say("corpus", f"{tracks.corpus}{kind}: {len(tracks)} tracks, {len(tracks.genres)} genres")
    if config.action == "validate":
        config.data.on_error = "skip"
        tracks = check_audio(tracks, config.data, cache=cache, workers=config.workers, terminal=terminal)
        for track, problem in tracks.skipped.items():
            terminal.say("problem", f"{track}   {problem}")
        terminal.say("validate", f"{len(tracks)} tracks can be used, {len(tracks.skipped)} cannot")
    terminal.table(counts_table(tracks))
    return 1 if tracks.skipped else 0


def counts_table(tracks: Tracks) -> Table:
    """Count tracks, artists, audio files and lyrics of each genre."""
    table = Table(box=None, pad_edge=False)
    table.add_column("genre")
    columns = {"tracks": "track_id", "artists": "artist", "audio": "audio", "lyrics": "lyrics"}
    for heading in columns:
        table.add_column(heading, justify="right")
    rows = tracks.table.reset_index()
    for genre, group in [*rows.groupby("genre", sort=True), ("all", rows)]:
        table.add_row(escape(str(genre)), *(_count(group, column) for column in columns.values()))
    return table


def _count(group: pd.DataFrame, column: str) -> str:
    if column not in group:
        return "–"
    values = group[column].dropna()
    return str(values.nunique() if column == "artist" else len(values))
