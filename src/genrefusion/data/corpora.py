"""From the settings of a corpus to its checked tracks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.checks import check_audio, require_sides
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.pieces import cut_into_pieces
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import DataSettings
from genrefusion.settings.registry import behind


def load_corpus(settings: DataSettings, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Find a corpus's tracks; the demo corpus is composed at its first use.

    The audio files are not opened: see `check_audio`. What finds the tracks is registered with the settings
    (`genrefusion.settings.registry`), a function that takes the same as this one.

    Parameters
    ----------
    settings : DataSettings
        Which corpus, and where.
    cache : Path
        Where the demo corpus is kept.
    workers : int
        Processes that compose it.
    terminal : Terminal
        Shows how far it is.
    """
    tracks: Tracks = behind(settings)(settings, cache=cache, workers=workers, terminal=terminal)
    counts = tracks.table["genre"].value_counts()
    small = counts[counts < settings.min_tracks].sort_index()
    if not len(small):
        return tracks
    if len(counts) - len(small) < 2:
        raise UserError(
            f"data.min_tracks={settings.min_tracks}: leaves {len(counts) - len(small)} genres of {len(counts)}."
        )
    names = ", ".join(f"{genre} ({count})" for genre, count in small.items())
    terminal.say("left out", f"genres with fewer than {settings.min_tracks} tracks: {names}")
    return replace(tracks, table=tracks.table[~tracks.table["genre"].isin(small.index)])


def facts_of(settings: DataSettings) -> CorpusFacts:
    """What is known of a corpus without loading it: ``FACTS`` beside the function that loads it."""
    facts: CorpusFacts = importlib.import_module(behind(settings).__module__).FACTS
    return facts


def load_usable(
    settings: DataSettings,
    sides: Iterable[str],
    *,
    cache: Path,
    workers: int,
    terminal: Terminal,
    require: Callable[[Tracks], None] | None = None,
) -> Tracks:
    """Load a corpus for a pipeline that needs one of the `sides` of each track, and check the audio if it is one.

    With `data.piece_seconds` the tracks are pieces of its songs. What a pipeline cannot do with the corpus as a whole,
    `require` says before the audio is read.
    """
    sides = sorted(sides)
    if settings.piece_seconds is not None and "audio" not in sides:
        raise UserError(
            f"data.piece_seconds={settings.piece_seconds:g}: cuts audio, which is not read here (only lyrics or ready "
            "features are). Leave it out."
        )
    tracks = load_corpus(settings, cache=cache, workers=workers, terminal=terminal)
    if sides:
        tracks = require_sides(tracks, sides, settings)
    if require is not None:
        require(tracks)
    if "audio" in sides:
        tracks = check_audio(tracks, settings, cache=cache, workers=workers, terminal=terminal)
    if settings.piece_seconds is not None:
        tracks = require_sides(tracks, ["audio"], settings)
        tracks = cut_into_pieces(tracks, settings, cache=cache, workers=workers, terminal=terminal)
    return tracks
