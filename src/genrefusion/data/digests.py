"""Digests of files, which are remembered, so that a corpus is not read from end to end at each start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed

from genrefusion.core.files import extend_record, read_record, signature
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import digest_audio

_RACE_NS = 2_000_000_000


def digest_files(paths: Sequence[Path], cache: Path, *, workers: int, terminal: Terminal) -> list[tuple[str, str]]:
    """Digest each file; the bytes of one with the size, modification time and inode of last time are not read.

    Parameters
    ----------
    paths : sequence of Path
        Files of any size.
    cache : Path
        Where digests are remembered, by absolute path.
    workers : int
        Threads that read.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    list of (str, str)
        SHA-256, and why the file cannot be read (empty if it can).
    """
    record = cache / "checks" / "files.json"
    now = time.time_ns()
    remembered = read_record(record)
    facts: dict[Path, tuple[str, str]] = {}
    stamps: dict[Path, list[int]] = {}
    for path in paths:
        try:
            stamps[path] = list(signature(path))
        except OSError:
            continue  # told below
        match remembered.get(str(path.absolute())):
            case [*stamp, str(digest)] if stamp == stamps[path]:
                facts[path] = (digest, "")
    unknown = [path for path in dict.fromkeys(paths) if path not in facts]
    run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
    digests = run(delayed(digest_audio)(path) for path in unknown)
    facts |= zip(unknown, list(terminal.track(digests, "digest", len(unknown), "files")), strict=True)
    # A file that was changed just now may change again without another modification time, as git knows too.
    new = {
        str(path.absolute()): [*stamps[path], facts[path][0]]
        for path in unknown
        if path in stamps and not facts[path][1] and stamps[path][1] < now - _RACE_NS
    }
    if new:
        extend_record(record, new)
    return [facts[path] for path in paths]
