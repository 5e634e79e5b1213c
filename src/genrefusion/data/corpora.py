"""From the settings of a corpus to its checked tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import soundfile
from joblib import Parallel, delayed

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import extend_record, read_record
from genrefusion.core.terminal import Terminal
from genrefusion.data import gtzan
from genrefusion.data.audio import EXTENSIONS, inspect_sound
from genrefusion.data.digests import digest_files
from genrefusion.data.pieces import cut_into_pieces
from genrefusion.data.tracks import Tracks, load_table, validate_table
from genrefusion.settings.data import DataSettings, DemoData, FolderData, GtzanData, ManifestData
from genrefusion.settings.registry import behind

CHANGED = "changed since the table was made (its SHA-256 differs)"


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


def demo_tracks(settings: DemoData, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Compose the demo corpus, or take the one that was."""
    from genrefusion.demo import DEMO_VERSION, build_demo

    name = f"demo-{DEMO_VERSION}-{settings.songs_per_genre}x{settings.seconds:g}s-{settings.seed}"
    table = build_demo(
        cache / "corpora" / name,
        songs_per_genre=settings.songs_per_genre,
        seconds=settings.seconds,
        seed=settings.seed,
        workers=workers,
        progress=not terminal.quiet,
    )
    return load_table(table, corpus="demo")


def gtzan_tracks(settings: GtzanData, **_: Any) -> Tracks:
    """Find the clips of GTZAN."""
    index = Path(settings.artist_index) if settings.artist_index else None
    return gtzan.load_gtzan(Path(str(settings.root)), artist_index=index)


def folder_tracks(settings: FolderData, **_: Any) -> Tracks:
    """Find the songs in a folder of genres."""
    return load_folder(Path(str(settings.root)))


def manifest_tracks(settings: ManifestData, **_: Any) -> Tracks:
    """Read a tracks table, and require of each track what `data.needs` says."""
    path = find_table(settings)
    tracks = load_table(path, corpus=_table_name(path), skip=settings.on_error == "skip")
    needed = {"any": (), "both": ("audio", "lyrics")}.get(settings.needs, (settings.needs,))
    for side in needed:
        tracks = require_sides(tracks, [side], settings)
    return tracks


def find_table(settings: ManifestData) -> Path:
    """Path of the tracks table: `data.manifest`, or the one in the folder `data.root`.

    Raises
    ------
    UserError
        The folder has no table, or two.
    """
    if not settings.root:
        return Path(str(settings.manifest))
    root = Path(settings.root)
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder.")
    found = [root / name for name in ("tracks.csv", "tracks.jsonl") if (root / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"data.root={root}: holds tracks.csv and tracks.jsonl. Name one: data.manifest={found[0]}")
    raise UserError(
        f"data.root={root}: holds no tracks.csv or tracks.jsonl. 'corpus action=build source={root} out=DIR' makes a\n"
        "corpus of a folder of music; data=folder takes a folder of genres as it is."
    )


def load_folder(root: Path) -> Tracks:
    """Take a folder of genres: ``<root>/<genre>/…/<song>``; the track id is the path below the root without its ending.

    Raises
    ------
    UserError
        The folder does not exist or holds no songs.
    """
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder.")
    songs = sorted(p for p in root.glob("*/**/*") if p.suffix.lower() in EXTENSIONS)
    if not songs:
        raise UserError(
            f"data.root={root}: no songs. It needs one folder for each genre, with files that end in "
            f"{', '.join(EXTENSIONS)}."
        )
    relative = [song.relative_to(root) for song in songs]
    stems = [str(path.with_suffix("")) for path in relative]
    counts = Counter(stems)
    # Two encodings of one song lie side by side now and then; their endings tell them apart.
    ids = [str(path) if counts[stem] > 1 else stem for path, stem in zip(relative, stems, strict=True)]
    table = pd.DataFrame(
        {
            "track_id": ids,
            "genre": [path.parts[0] for path in relative],
            "audio": [str(song.absolute()) for song in songs],
        },
        dtype=object,
    )
    return Tracks(validate_table(table, where=str(root)).set_index("track_id"), _folder_name(root))


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


def require_sides(tracks: Tracks, sides: Sequence[str], settings: DataSettings) -> Tracks:
    """Refuse tracks that have none of the sides, or with ``on_error="skip"`` leave them out and list them."""
    without = tracks.lacking(*sides)
    if not without:
        return tracks
    if settings.on_error == "raise" or len(without) == len(tracks):
        tracks.require(*sides)
    skipped = tracks.skipped | dict.fromkeys(without, f"no {' and no '.join(sides)}")
    left = tracks.table.drop(index=without).reset_index()
    table = validate_table(left, where=f"{tracks.corpus} with {' or '.join(sides)}")
    return replace(tracks, table=table.set_index("track_id"), skipped=skipped)


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
    table = validate_table(table.reset_index(), where=f"{tracks.corpus} without the skipped files")
    return replace(tracks, table=table.set_index("track_id"), skipped=tracks.skipped | problems)


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
    known = [facts.get(str(track), FileFacts("", "", "")) for track in table.index]
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
    """

    digest: str
    problem: str
    samples: str


def inspect_files(
    paths: list[Path], settings: DataSettings, cache: Path, workers: int, terminal: Terminal
) -> list[FileFacts]:
    """Find out about every file; what was decoded before is known by its bytes, and bytes that did not change by path.

    A verdict belongs to the limits and to the version of the decoder.
    """
    limits = f"{settings.min_seconds:g}-{settings.max_seconds:g}"
    record = cache / "checks" / f"verdicts_{limits}_libsndfile-{soundfile.__libsndfile_version__}.json"
    known = {digest: verdict for digest, verdict in read_record(record).items() if _is_verdict(verdict)}
    digests = digest_files(paths, cache, workers=workers)
    new = {digest: path for path, (digest, problem) in zip(paths, digests, strict=True) if not problem}
    new = {digest: path for digest, path in new.items() if digest not in known}
    run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    jobs = run(delayed(inspect_sound)(path, settings.min_seconds, settings.max_seconds) for path in new.values())
    verdicts = dict(zip(new, map(list, terminal.track(jobs, "check", len(new), "songs")), strict=True))
    if verdicts:
        extend_record(record, verdicts)
    known |= verdicts
    return [
        FileFacts(digest, problem, "") if problem else FileFacts(digest, *known[digest]) for digest, problem in digests
    ]


def _is_verdict(verdict: object) -> bool:
    return isinstance(verdict, list) and len(verdict) == 2 and all(isinstance(part, str) for part in verdict)


def shown_path(path: str) -> str:
    """Path as the user would type it: relative to the working directory where it lies below; on one line."""
    if Path(path).is_relative_to(Path.cwd()):
        path = str(Path(path).relative_to(Path.cwd()))
    return path if path.isprintable() else repr(path)


def _table_name(path: Path) -> str:
    """Name of the table's folder when the file is called something like tracks.csv, else of the file."""
    return _folder_name(path.parent) if path.stem in ("tracks", "manifest", "index") else path.stem


def _folder_name(folder: Path) -> str:
    """Name of a folder, also where it was written as ``..``; links keep the names that they were given."""
    folder = folder.absolute()
    if ".." in folder.parts:
        folder = folder.resolve()
    return folder.name or "corpus"  # the root has none
