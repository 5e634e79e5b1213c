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


def counts(tracks: Tracks) -> pd.DataFrame:
    """Count tracks, artists, audio files, lyrics and words of lyrics (the median) of each genre, and of all.

    Returns
    -------
    DataFrame
        Indexed by genre, the last row ``all``; missing where the table has no such column.
    """
    table = tracks.table.reset_index()[["track_id", "genre"]]
    for column in ("artist", "audio"):
        table[column] = tracks.table[column].to_numpy() if column in tracks.table else None
    words = pd.Series([len(text.split()) for text in tracks.lyrics])
    table["words"] = words.where(words > 0)
    groups = [*table.groupby("genre", sort=True), ("all", table)]
    rows = {
        str(genre): {
            "tracks": len(group),
            "artists": group["artist"].nunique() if tracks.has("artist") else None,
            "audio": int(group["audio"].notna().sum()) if tracks.has("audio") else None,
            "lyrics": int(group["words"].notna().sum()) if tracks.has("lyrics") else None,
            "words": group["words"].median() if tracks.has("lyrics") else None,
        }
        for genre, group in groups
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("genre")


def counts_table(tracks: Tracks) -> Table:
    """Lay the counts out for the terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("genre")
    found = counts(tracks)
    for heading in found:
        table.add_column(str(heading) if heading != "words" else "words of lyrics, median", justify="right")
    for genre, row in found.iterrows():
        table.add_row(escape(str(genre)), *("–" if pd.isna(value) else f"{value:.0f}" for value in row))
    return table
