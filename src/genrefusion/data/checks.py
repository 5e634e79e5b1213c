"""What tracks must have before they are used: sides to read, and audio that can be decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import soundfile
from joblib import Parallel, delayed

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import extend_record, read_record
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import DECODING, inspect_sound
from genrefusion.data.digests import digest_files
from genrefusion.data.ffmpeg import MissingExtra
from genrefusion.data.tracks import Tracks
from genrefusion.settings.data import DataSettings

CHANGED = "changed since the table was made (its SHA-256 differs)"


def require_sides(tracks: Tracks, sides: Sequence[str], settings: DataSettings) -> Tracks:
    """Refuse tracks that have none of the sides, or with ``on_error="skip"`` leave them out and list them."""
    without = tracks.lacking(*sides)
    if not without:
        return tracks
    if settings.on_error == "raise" or len(without) == len(tracks):
        tracks.require(*sides)
    skipped = tracks.skipped | dict.fromkeys(without, f"no {' and no '.join(sides)}")
    return replace(tracks, table=tracks.table.drop(index=without), skipped=skipped)


def check_audio(tracks: Tracks, settings: DataSettings, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Decode every audio file once, note its digests, and leave out or refuse what cannot be used.

    A file's verdict is kept under its digest, and its digest under its path, so the next run reads only files that are
    new or changed.

    Parameters
    ----------
    tracks : Tracks
        Tracks without audio are passed over.
    settings : DataSettings
        `on_error`, `min_seconds`, `max_seconds`.
    cache : Path
        Where verdicts are kept.
    workers : int
        Threads that decode.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    Tracks
        With ``sha256`` (of the file) and ``samples_sha256`` (of what is heard) filled in, without the tracks that were
        skipped (they are listed in `skipped`).

    Raises
    ------
    UserError
        With ``on_error="raise"``: some files cannot be used.
    """
    if not tracks.has("audio"):
        return tracks
    audio = tracks.table["audio"].dropna()
    facts, problems = inspect_audio(tracks, settings, cache=cache, workers=workers, terminal=terminal)
    if problems and settings.on_error == "raise":
        rows = [f"{shown_path(audio[track])}   {problem}" for track, problem in problems.items()]
        raise UserError(
            f"{len(problems)} of {len(audio)} files cannot be used:\n"
            + bullet_list(rows)
            + "\nRemove them, or go on without them: data.on_error=skip"
        )
    table = noted(tracks.table, facts).drop(index=list(problems))
    if not len(table):
        raise UserError(f"{tracks.corpus}: not one of its {len(audio)} files can be used.")
    return replace(tracks, table=table, skipped=tracks.skipped | problems)


def inspect_audio(
    tracks: Tracks, settings: DataSettings, *, cache: Path, workers: int, terminal: Terminal
) -> tuple[dict[str, FileFacts], dict[str, str]]:
    """What is known of each track's audio file, and what is wrong with those that cannot be used; see `check_audio`."""
    if not tracks.has("audio"):
        return {}, {}
    audio = tracks.table["audio"].dropna()
    paths = [Path(path) for path in audio]
    facts = dict(zip(map(str, audio.index), inspect_files(paths, settings, cache, workers, terminal), strict=True))
    promised = tracks.table.get("sha256", pd.Series(index=tracks.table.index, dtype=object))
    problems: dict[str, str] = {}
    for track, known in facts.items():
        if known.problem:
            problems[track] = known.problem
        elif isinstance(promised[track], str) and promised[track] != known.digest:
            problems[track] = CHANGED
    return facts, problems


def noted(table: pd.DataFrame, facts: Mapping[str, FileFacts]) -> pd.DataFrame:
    """Table of tracks with the digests of their audio in the columns ``sha256`` and ``samples_sha256``."""
    known = [facts.get(str(track), FileFacts("", "")) for track in table.index]
    columns = {"sha256": [of.digest or None for of in known], "samples_sha256": [of.samples or None for of in known]}
    return table.assign(**{name: pd.Series(values, table.index, dtype=object) for name, values in columns.items()})


class FileFacts(NamedTuple):
    """What is known of an audio file.

    Attributes
    ----------
    digest : str
        SHA-256 of its bytes; empty if they cannot be read.
    problem : str
        Why it cannot be used; empty if it can.
    samples : str
        SHA-256 of its samples (`genrefusion.data.audio.inspect_sound`); empty if it cannot be used.
    note : str
        What is to be known of it though it can be used; mostly empty.
    """

    digest: str
    problem: str
    samples: str = ""
    note: str = ""


def inspect_files(
    paths: list[Path], settings: DataSettings, cache: Path, workers: int, terminal: Terminal
) -> list[FileFacts]:
    """Find out about every file; what was decoded before is known by its bytes, and bytes that did not change by path.

    A verdict belongs to the limits and to the version of the decoder.
    """
    limits = f"{settings.min_seconds:g}-{settings.max_seconds:g}"
    decoder = f"libsndfile-{soundfile.__libsndfile_version__}-{DECODING}"
    record = cache / "checks" / f"verdicts_{limits}_{decoder}.json"
    known = {digest: verdict for digest, verdict in read_record(record).items() if _is_verdict(verdict)}
    digests = digest_files(paths, cache, workers=workers, terminal=terminal)
    new = {digest: path for path, (digest, problem) in zip(paths, digests, strict=True) if not problem}
    new = {digest: path for digest, path in new.items() if digest not in known}
    run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    jobs = run(delayed(_verdict)(path, settings.min_seconds, settings.max_seconds) for path in new.values())
    verdicts = dict(zip(new, terminal.track(jobs, "check", len(new), "songs"), strict=True))
    if lasting := {digest: verdict for digest, (verdict, lasts) in verdicts.items() if lasts}:
        extend_record(record, lasting)
    known |= {digest: verdict for digest, (verdict, _) in verdicts.items()}
    return [FileFacts(digest, problem) if problem else FileFacts(digest, *known[digest]) for digest, problem in digests]


def _verdict(path: Path, min_seconds: float, max_seconds: float) -> tuple[list[str], bool]:
    """What is known of a file's sound, and whether it stays true: an extra that is missing may be installed."""
    try:
        return list(inspect_sound(path, min_seconds, max_seconds)), True
    except MissingExtra as error:
        return [str(error), "", ""], False


def _is_verdict(verdict: object) -> bool:
    return isinstance(verdict, list) and len(verdict) == 3 and all(isinstance(part, str) for part in verdict)


def shown_path(path: str) -> str:
    """Path as the user would type it: relative to the working directory where it lies below; on one line."""
    if Path(path).is_relative_to(Path.cwd()):
        path = str(Path(path).relative_to(Path.cwd()))
    return path if path.isprintable() else repr(path)
