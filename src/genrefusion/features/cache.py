"""Content-addressed cache of features, and the extraction that fills it.

An entry's name is a digest of the audio bytes, the extractor, its version and its parameters: a changed file or setting
makes another entry, a copied or renamed file finds its own. Entries are written whole or not at all, and computed
by one process while others wait for it, so several processes can share a cache; an entry that was damaged is computed
again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from genrefusion.data.audio import AudioError
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.files import locked, write_atomically
from genrefusion.terminal import Terminal

Array = npt.NDArray[Any]

_CHECKSUM_BYTES = 4


class Extractor(Protocol):
    """Turns one audio file into one array."""

    name: str
    version: int

    def parameters(self) -> Mapping[str, Any]:
        """Everything beside the audio that decides the result."""

    def __call__(self, path: Path) -> Array:
        """Compute the array."""


class FeatureCache:
    """Arrays on disk, read through memory maps so that memory stays flat as a corpus grows.

    Parameters
    ----------
    directory : Path
        Made at the first write.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, key: str) -> Array | None:
        """Map the entry read-only; None if there is none, or if its bytes are not those that were written."""
        path = self._path(key)
        try:
            if not _is_whole(path):
                return None
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return None

    def put(self, key: str, array: Array) -> Array:
        """Write an entry and map it."""
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        content = buffer.getvalue()
        # The checksum lies behind the array, where numpy does not look.
        write_atomically(self._path(key), content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little"))
        return np.load(self._path(key), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def get_or_compute(self, key: str, compute: Callable[[], Array]) -> Array:
        """Map the entry, computing it first if need be; what another process is computing is waited for."""
        found = self.get(key)
        if found is not None:
            return found
        with self.lock(key):
            found = self.get(key)  # another process may have had the lock
            return self.put(key, compute()) if found is None else found

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keep other threads and processes from computing an entry."""
        return locked(self._path(key).with_suffix(".lock"))

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}.npy"


def feature_key(audio_digest: str, name: str, version: int, parameters: Mapping[str, Any]) -> str:
    """Name of an entry: 64 hexadecimal digits."""
    identity = json.dumps([audio_digest, name, version, dict(parameters)], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


def extract(
    tracks: Tracks, extractor: Extractor, cache: FeatureCache, *, workers: int, terminal: Terminal
) -> dict[str, Array]:
    """Compute one array for each track, from the cache where it is there.

    Parameters
    ----------
    tracks : Tracks
        Checked tracks (`genrefusion.data.corpora.check_audio` fills in their ``sha256``), each with audio.
    extractor : Extractor
        What to compute.
    cache : FeatureCache
        Where the arrays are kept.
    workers : int
        Threads; decoding, resampling and Fourier transforms release the interpreter's lock.
    terminal : Terminal
        Shows how far it is.

    Returns
    -------
    dict of str to Array
        Memory-mapped, by track id.
    """
    paths = tracks.paths()
    digests = tracks.table["sha256"]
    keys = {t: feature_key(digests[t], extractor.name, extractor.version, extractor.parameters()) for t in paths}
    found = {track: cache.get(key) for track, key in keys.items()}
    missing = [track for track, array in found.items() if array is None]

    def compute(track: str) -> Array:
        try:
            return cache.get_or_compute(keys[track], lambda: extractor(paths[track]))
        except AudioError as error:
            raise UserError(f"{paths[track]}: {error}") from error

    jobs = Parallel(n_jobs=workers, prefer="threads", return_as="generator")(delayed(compute)(t) for t in missing)
    computed = dict(zip(missing, terminal.track(jobs, extractor.name, len(missing), "songs"), strict=True))
    if missing:
        terminal.say(extractor.name, f"{len(paths)} songs ({len(paths) - len(missing)} from cache)")
    return {track: computed[track] if array is None else array for track, array in found.items()}


def _is_whole(path: Path) -> bool:
    content = path.read_bytes()
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    return bool(body) and zlib.crc32(body) == int.from_bytes(checksum, "little")
