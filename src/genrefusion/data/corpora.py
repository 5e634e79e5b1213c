"""From the settings of a corpus to its checked tracks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.terminal import Terminal
from genrefusion.data.checks import check_audio, require_sides
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.pieces import cut_into_pieces
from genrefusion.data.tracks import Tracks, only_tracks
from genrefusion.settings.data import DataSettings
from genrefusion.settings.registry import behind

ONLY = "the only track of its genre (two are needed to train and test)"
"""What is wrong with a track that trains or tests a genre alone."""


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
    for note in tracks.notes:
        terminal.say("note", note)
    return without_small_genres(tracks, settings, terminal)


def without_small_genres(tracks: Tracks, settings: DataSettings, terminal: Terminal) -> Tracks:
    """Leave out genres with fewer than `data.min_tracks` tracks, and say which.

    Raises
    ------
    UserError
        Fewer than two are left.
    """
    counts = tracks.table["genre"].value_counts()
    small = counts[counts < (settings.min_tracks or 0)].sort_index()
    if not len(small):
        return tracks
    if len(counts) - len(small) < 2:
        raise UserError(
            f"data.min_tracks={settings.min_tracks}: leaves {len(counts) - len(small)} genres of {len(counts)}."
        )
    names = ", ".join(f"{genre} ({count})" for genre, count in small.items())
    terminal.say("left out", f"genres with fewer than {settings.min_tracks} tracks: {names}")
    return replace(tracks, table=tracks.table[~tracks.table["genre"].isin(small.index)])


def require_two_of_each(tracks: Tracks, settings: DataSettings) -> Tracks:
    """Refuse genres that have one track, of which none could be tested, or with ``on_error="skip"`` leave them out.

    Raises
    ------
    UserError
        There are some; the first ones are named.
    """
    only = {track: f"{ONLY} ({genre!r})" for track, genre in only_tracks(tracks).items()}
    if not only:
        return tracks
    if settings.on_error == "raise" or len(only) == len(tracks):
        raise UserError(
            f"{tracks.corpus}: {len(only)} of {len(tracks)} tracks cannot be used:\n"
            f"{bullet_list(f'{track}  {fault}' for track, fault in only.items())}\n"
            "Add songs of these genres, or go on without them: data.on_error=skip, or data.min_tracks=2"
        )
    return replace(tracks, table=tracks.table.drop(index=list(only)), skipped=tracks.skipped | only)


def facts_of(settings: DataSettings) -> CorpusFacts:
    """What is known of a corpus without loading it: ``FACTS`` beside the function that loads it, if there are any."""
    beside = importlib.import_module(behind(settings).__module__)
    facts: CorpusFacts = getattr(beside, "FACTS", CorpusFacts(layout=""))
    return facts


def load_usable(
    settings: DataSettings,
    sides: Iterable[str],
    *,
    cache: Path,
    workers: int,
    terminal: Terminal,
    require: Callable[[Tracks], None] | None = None,
    divided: bool = False,
) -> Tracks:
    """Load a corpus for a pipeline that needs one of the `sides` of each track, and check the audio if it is one.

    With `data.piece_seconds` the tracks are pieces of its songs. What a pipeline cannot do with the corpus as a whole,
    `require` says before the audio is read. One that is `divided` into tracks to train and to test has two of each
    genre.
    """

    def enough(tracks: Tracks) -> Tracks:
        tracks = without_small_genres(tracks, settings, terminal)
        return require_two_of_each(tracks, settings) if divided else tracks

    sides = sorted(sides)
    if settings.piece_seconds is not None and "audio" not in sides:
        raise UserError(
            f"data.piece_seconds={settings.piece_seconds:g}: cuts audio, which is not read here (only lyrics or ready "
            "features are). Leave it out."
        )
    tracks = load_corpus(settings, cache=cache, workers=workers, terminal=terminal)
    if sides:
        tracks = require_sides(tracks, sides, settings)
    tracks = enough(tracks)
    if require is not None:
        require(tracks)
    if "audio" in sides:
        tracks = enough(check_audio(tracks, settings, cache=cache, workers=workers, terminal=terminal))
    if settings.piece_seconds is not None:
        tracks = enough(require_sides(tracks, ["audio"], settings))
        tracks = cut_into_pieces(tracks, settings, cache=cache, workers=workers, terminal=terminal)
    return tracks
