"""The page that a corpus is handed on with: what is in it, how it was made, what was left out."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from genrefusion.commands.corpus.describe import counts, facts, track_seconds
from genrefusion.core.terminal import Terminal, shown
from genrefusion.core.version import __version__
from genrefusion.data.tracks import Tracks
from genrefusion.reports import markdown
from genrefusion.settings.commands import CorpusConfig

UNMAPPED = "of genres that have no name here"
"""Reason to leave out songs whose tags and folders mean none of the genres."""

_MOST_NAMES = 20


@dataclass
class Report:
    """What happened in the making of a corpus.

    Attributes
    ----------
    source : Path
        Folder of music.
    command : str
        How it was called.
    left_out : list of (str, str, str)
        File, reason (of many files) and detail (of this one).
    unmapped : Counter
        Names of genres that mean none here.
    disagreeing : list of str
        Songs whose tag and folder mean different genres.
    notes : list of str
        What else the user should know.
    split : str
        How the split was made, or why there is none.
    """

    source: Path
    command: str
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)
    disagreeing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    split: str = ""

    def leave_out(self, file: str, reason: str, detail: str) -> None:
        """Note a file that is not in the corpus."""
        self.left_out.append((file, reason, detail))

    def reasons(self) -> list[tuple[str, list[str]]]:
        """How many files were left out for each reason, in words, and a row for each: file and detail.

        Of genres without a name, the rows are their names, with how many songs are called so.
        """
        rows: dict[str, list[str]] = {}
        for file, reason, detail in self.left_out:
            rows.setdefault(reason, []).append(f"{shown(file)}   {shown(detail)}".rstrip())
        counts = {reason: len(found) for reason, found in rows.items()}
        if UNMAPPED in rows:
            rows[UNMAPPED] = [f"{shown(name)} ({count})" for name, count in self.unmapped.most_common()]
        return [(f"{counts[reason]} {reason}", found) for reason, found in rows.items()]


def left_out_table(report: Report) -> pd.DataFrame:
    """All left-out files: ``file``, ``reason``, ``detail``."""
    return pd.DataFrame(report.left_out, columns=["file", "reason", "detail"])


def data_sheet(tracks: Tracks, config: CorpusConfig, report: Report) -> str:
    """Write the page in Markdown."""
    seconds = track_seconds(tracks, workers=config.workers, terminal=Terminal(quiet=True))
    parts = [
        f"# {markdown.text(tracks.corpus)}",
        f"{len(tracks)} songs of {len(tracks.genres)} genres.",
        _counts(counts(tracks, seconds)),
        "\n".join(f"- {label}: {fact}" for label, fact in facts(tracks, seconds)),
        "## How it was made",
        "\n".join(f"- {line}" for line in _made(config, report)),
        "## What was left out",
        *_left_out(report),
    ]
    if report.disagreeing:
        rows = [f"- {markdown.code(row)}" for row in report.disagreeing]
        parts += ["## Tag and folder disagree", "The tag was taken.", "\n".join(_first(rows))]
    use = (
        "`train experiment=multiframe data=manifest data.root=HERE`, and `split=predefined` for the column `split`. "
        "`corpus action=validate data=manifest data.root=HERE` says what is missing or has changed."
    )
    return "\n\n".join([*parts, "## Use it", use]) + "\n"


def _made(config: CorpusConfig, report: Report) -> list[str]:
    """Say in a line each how the corpus was made."""
    today = datetime.datetime.now().astimezone().date().isoformat()
    names = f"`genres={config.genres.name}`" + (f" ({markdown.code(config.genres.path)})" if config.genres.path else "")
    chosen = "All songs of each genre were taken."
    if config.per_genre:
        chosen = (
            f"At most {config.per_genre} songs of a genre were taken, of as many artists as there are, drawn with seed "
            f"{config.seed}."
        )
    split = report.split.replace("\n", " ").rstrip(".")
    seeded = "" if split.startswith("none") else f", seed {config.seed}, in the column `split`"
    songs = (
        f"From {markdown.code(str(report.source))}. The songs were not copied: `tracks.csv` names them where they are, "
        "relative to this folder wherever the two have a folder in common."
    )
    tags = (
        "Artist and title are from the tags, or else from names and folders; lyrics from `.lrc` or `.txt` files beside "
        "the songs, or else from the tags. Languages were not looked at."
    )
    checks = (
        f"Each song was decoded (its first {config.data.max_seconds:g} s). Left out were those that are silent, cut "
        f"off, unreadable or shorter than {config.data.min_seconds:g} s, and of songs with the same bytes, or the same "
        "artist and title, all but the first."
    )
    return [
        f"Made on {today} with genrefusion {__version__}: {markdown.code(f'corpus {report.command}'.strip())}",
        songs,
        f"Genres: {names}; from the tag, or else from the first folder.",
        tags,
        checks,
        chosen,
        f"Split: {split}{seeded}.",
    ]


def _left_out(report: Report) -> list[str]:
    parts = [
        f"{heading}:\n\n" + "\n".join(_first([f"- {markdown.code(row)}" for row in rows]))
        for heading, rows in report.reasons()
    ]
    return [*parts, "`left_out.csv` names all of them."] if parts else ["Nothing."]


def _first(rows: list[str]) -> list[str]:
    more = [f"- and {len(rows) - _MOST_NAMES} more"] if len(rows) > _MOST_NAMES else []
    return rows[:_MOST_NAMES] + more


def _counts(table: pd.DataFrame) -> str:
    """Counts as a table, without columns that hold nothing."""
    table = table.dropna(axis="columns", how="all")
    rows = [
        [markdown.text(str(genre)), *("–" if pd.isna(value) else f"{value:.0f}" for value in row)]
        for genre, row in table.iterrows()
    ]
    return markdown.table(["genre", *map(str, table.columns)], rows, numbers=True)
