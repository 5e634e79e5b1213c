"""Songs cut into pieces, each a track of its own: to measure how much a split flatters that shares songs or artists.

Pieces lie in the cache as mono FLAC files of 16 bits at the song's own rate, so that every pipeline reads them like
songs: ``pieces/<digest of the song>/<piece_seconds>_<max_seconds>/<number>.flac``. Beside them ``pieces.json`` lists
their digests; it is written last, and pieces that do not agree with it are cut again. All files are written whole or
not at all, and the same song gives the same bytes, so several processes can share them.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile
from joblib import Parallel, delayed

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import AudioError, decode
from genrefusion.data.digests import digest_files
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import DataSettings

Samples = npt.NDArray[np.int16]

LIST = "pieces.json"


def cut_into_pieces(tracks: Tracks, settings: DataSettings, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Put pieces side by side, of `piece_seconds` each, in the place of every song.

    Parameters
    ----------
    tracks : Tracks
        Checked songs (`genrefusion.data.checks.check_audio` fills in their ``sha256``), each with audio.
    settings : DataSettings
        `piece_seconds`, which is not None here, and `max_seconds`: what comes after it is left out.
    cache : Path
        Where the pieces are kept.
    workers : int
        Threads that decode and write.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    Tracks
        With ids ``<track_id>#0``, ``<track_id>#1`` …, and all columns of the songs but ``seconds``; ``audio`` and
        ``sha256`` are of the piece. The column ``song`` names the song, by its id where the table did not name it, and
        ``song_sha256`` and ``song_path`` hold the digest and the place of its file.

    Raises
    ------
    UserError
        A track has no audio, or its file can no longer be decoded.
    """
    paths = tracks.paths()
    songs = {str(tracks.table["sha256"][track]): path for track, path in paths.items()}
    folders = {digest: _folder(cache, digest, settings) for digest in songs}
    run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    found = _whole_pieces({digest: _read_list(folders[digest]) for digest in songs}, folders, cache, workers, terminal)
    missing = [digest for digest, pieces in found.items() if not pieces]
    jobs = run(delayed(_write_pieces)(songs[digest], folders[digest], settings) for digest in missing)
    found |= dict(zip(missing, terminal.track(jobs, "pieces", len(missing), "songs"), strict=True))
    if missing:
        terminal.say("pieces", f"{len(songs)} songs ({len(songs) - len(missing)} from cache)")
    return replace(tracks, table=_piece_table(tracks.table, found, folders), piece_seconds=settings.piece_seconds)


def cut(samples: Samples, length: int) -> list[Samples]:
    """Divide samples into pieces of a length, with a rest of at least half of it, or whole if they are shorter.

    Examples
    --------
    >>> [len(piece) for piece in cut(np.zeros(25, np.int16), 10)]
    [10, 10, 5]
    >>> [len(piece) for piece in cut(np.zeros(24, np.int16), 10)]
    [10, 10]
    """
    pieces = [samples[start : start + length] for start in range(0, len(samples), length)]
    return pieces[:-1] if len(pieces) > 1 and 2 * len(pieces[-1]) < length else pieces


def _folder(cache: Path, digest: str, settings: DataSettings) -> Path:
    """Where the pieces of a song lie; `max_seconds` counts too, as the last piece may end there."""
    return cache / "pieces" / digest / f"{settings.piece_seconds:.12g}_{settings.max_seconds:.12g}"


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number}.flac"


def _read_list(folder: Path) -> list[str]:
    """Digests of a song's pieces; empty where there are none."""
    try:
        return list(json.loads((folder / LIST).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return []


def _whole_pieces(
    lists: dict[str, list[str]], folders: dict[str, Path], cache: Path, workers: int, terminal: Terminal
) -> dict[str, list[str]]:
    """Lists of the songs whose pieces are all as they were written; of the others, none."""
    promised = {
        _file(folders[song], number): (song, digest)
        for song, digests in lists.items()
        for number, digest in enumerate(digests)
    }
    found = digest_files(list(promised), cache, workers=workers, terminal=terminal)
    spoiled = {song for (song, digest), (now, _) in zip(promised.values(), found, strict=True) if now != digest}
    return {song: [] if song in spoiled else digests for song, digests in lists.items()}


def _write_pieces(song: Path, folder: Path, settings: DataSettings) -> list[str]:
    """Cut a song, and return the digests of the pieces."""
    try:
        samples, rate = decode(song, settings.max_seconds)
    except AudioError as error:
        raise UserError(f"{song}: {error}") from error
    # Scaled here, so that a song of 16 bits keeps its samples: libsndfile would scale by 32767 what it read as /32768.
    scaled = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    digests = []
    for number, piece in enumerate(cut(scaled, round(float(settings.piece_seconds or 0) * rate))):
        buffer = io.BytesIO()
        soundfile.write(buffer, piece, rate, format="FLAC", subtype="PCM_16")
        write_atomically(_file(folder, number), buffer.getvalue())
        digests.append(hashlib.sha256(buffer.getvalue()).hexdigest())
    write_atomically(folder / LIST, json.dumps(digests).encode())
    return digests


def _piece_table(songs: pd.DataFrame, pieces: Mapping[str, list[str]], folders: Mapping[str, Path]) -> pd.DataFrame:
    """One row for each piece of each song."""
    named = songs.get("song", [None] * len(songs))
    songs = songs.drop(columns="seconds", errors="ignore").assign(
        song=[name or str(track) for track, name in zip(songs.index, named, strict=True)],
        song_sha256=songs["sha256"],
        song_path=songs["audio"],
    )
    rows = [
        row | {"track_id": f"{track}#{number}", "audio": str(_file(folders[row["sha256"]], number)), "sha256": digest}
        for track, row in zip(songs.index, songs.to_dict("records"), strict=True)
        for number, digest in enumerate(pieces[row["sha256"]])
    ]
    return pd.DataFrame(rows, dtype=object).set_index("track_id")
