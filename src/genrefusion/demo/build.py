"""Build the demo corpus on disk, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import soundfile

from genrefusion.core.errors import UserError
from genrefusion.core.files import scratch_beside
from genrefusion.core.processes import end_with_parent
from genrefusion.core.terminal import Terminal
from genrefusion.demo.artists import GENRES, SongPlace, make_artist, places
from genrefusion.demo.lyrics import write_lyrics
from genrefusion.demo.music import compose_song, import_symusic
from genrefusion.demo.render import SAMPLE_RATE, render_song, sound_font

DEMO_VERSION = "3"
"""Version of the corpus; raised whenever the songs or their lyrics change."""

SETTINGS = "corpus.json"
"""Name of the file beside the table that tells which corpus this is."""


def build_demo(
    directory: Path,
    *,
    songs_per_genre: int = 30,
    seconds: float = 32.0,
    seed: int = 0,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Compose and render the demo corpus, unless it is already there.

    The corpus is built in a hidden folder beside ``directory`` and moved into place when it is complete, so a killed
    build leaves no half corpus, and of two processes that build at once the later one takes what the first has made.

    Parameters
    ----------
    directory : Path
        Where the corpus goes; it must not exist, be empty, or hold a corpus built with the same settings.
    songs_per_genre : int
        At least 1. Song k of a genre is the same in corpora of any size.
    seconds : float
        Nominal length of a song; songs last between 0.97 and 1.12 times as long.
    seed : int
        Seed of all that is invented.
    workers : int
        Processes; the result does not depend on their number.
    progress : bool
        Show how far it is.

    Returns
    -------
    Path
        The table ``tracks.csv``, with paths of the audio relative to it.

    Raises
    ------
    UserError
        If a setting makes no sense, the directory holds something else, or symusic or its sound font is missing.
    """
    if songs_per_genre < 1 or seconds < 2 or workers < 1 or seed < 0:
        raise UserError(
            "The demo corpus needs songs_per_genre >= 1, seconds >= 2, workers >= 1 and seed >= 0; "
            f"got {songs_per_genre}, {seconds}, {workers} and {seed}."
        )
    directory = Path(directory).absolute()
    settings = {"version": DEMO_VERSION, "songs_per_genre": songs_per_genre, "seconds": float(seconds), "seed": seed}
    if _is_built(directory, settings):
        return directory / "tracks.csv"
    import_symusic()
    sound_font()
    with scratch_beside(directory) as scratch:
        if _is_built(directory, settings):  # by another process, for which this one has waited
            return directory / "tracks.csv"
        rows = _make_songs(scratch, songs_per_genre, seconds=seconds, seed=seed, workers=workers, progress=progress)
        pd.DataFrame(rows).to_csv(scratch / "tracks.csv", index=False)
        (scratch / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        try:
            # Renaming onto a folder that is not empty fails: then another process was faster.
            scratch.rename(directory)
        except OSError:
            if not _is_built(directory, settings):
                raise
    return directory / "tracks.csv"


def _is_built(directory: Path, settings: dict[str, Any]) -> bool:
    """Tell whether the directory holds this corpus; raise if it holds anything else."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        found = json.loads((directory / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(
            f"{directory} is not empty and holds no demo corpus. Name a new directory for the demo corpus."
        ) from None
    if found != settings:
        raise UserError(
            f"{directory} holds another demo corpus: {_spell(found)}.\n"
            f"Wanted: {_spell(settings)}. Remove that directory, or name another."
        )
    return True


def _spell(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _make_songs(
    directory: Path, songs_per_genre: int, *, seconds: float, seed: int, workers: int, progress: bool
) -> list[dict[str, Any]]:
    """Make all songs in parallel and return their rows in order."""
    songs = [place for genre in GENRES for place in places(genre, songs_per_genre, seed=seed)]
    for genre in GENRES:
        (directory / "audio" / genre).mkdir(parents=True)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    rows = parallel(joblib.delayed(make_song)(directory, place, seconds=seconds, seed=seed) for place in songs)
    return list(Terminal(quiet=not progress).track(rows, "demo", len(songs), "songs composed"))


def make_song(directory: Path, place: SongPlace, *, seconds: float, seed: int) -> dict[str, Any]:
    """Compose, render and write one song, and return its row of the table.

    Returns
    -------
    dict
        Columns track_id, audio, genre, artist, title, lyrics, seconds, sha256, license, synthetic.
    """
    end_with_parent()
    artist = make_artist(place.genre, place.artist, seed=seed)
    song = compose_song(artist, place.song, seconds=seconds, seed=seed)
    sound = render_song(song, artist, place.song, seed=seed)
    lyric = write_lyrics(artist, place.song, seed=seed)
    track_id = f"{place.genre}.{place.song:03d}"
    audio = f"audio/{place.genre}/{track_id}.flac"
    soundfile.write(directory / audio, sound.astype(np.float32), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return {
        "track_id": track_id,
        "audio": audio,
        "genre": place.genre,
        "artist": artist.name,
        "title": lyric.title,
        "lyrics": lyric.text,
        "seconds": round(len(sound) / SAMPLE_RATE, 3),
        "sha256": hashlib.sha256((directory / audio).read_bytes()).hexdigest(),
        "license": "CC0-1.0",
        "synthetic": True,
    }
