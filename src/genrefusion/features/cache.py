"""Content-addressed cache of features, and the extraction that fills it.

What one extractor of one version computed with one set of parameters and libraries lies in one folder; an array is
found there by the digest of its song's audio. A changed file or setting finds nothing, a copied or renamed file finds
its own. Entries are written whole or not at all, and computed by one process while others wait for them, so several
processes can share a cache; an entry that was damaged is computed again. How they are kept is in
`genrefusion.features.shards`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from joblib import Parallel, delayed

from genrefusion.core.errors import UserError
from genrefusion.core.faults import why_not_writable
from genrefusion.core.files import say_not_kept
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import DECODING, AudioError
from genrefusion.data.tracks import Tracks
from genrefusion.features.shards import ComputeBatch, ShardStore

Array = npt.NDArray[Any]


class Extractor(Protocol):
    """Turns one audio file into one array."""

    name: str
    version: int

    def parameters(self) -> Mapping[str, Any]:
        """Everything beside the audio, and the libraries that decode it, that decides the result."""

    def __call__(self, path: Path) -> Array:
        """Compute the array."""


class LazyArray(Protocol):
    """An array whose values may be read from the disk where they are asked for; numpy's own are such ones too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...

    def __array__(self) -> Array: ...


class LazyView:
    """Some of a lazy array, which is cut out when it is read.

    Parameters
    ----------
    array : LazyArray
        The whole.
    index : Any
        As numpy takes it.
    """

    def __init__(self, array: LazyArray, index: Any) -> None:
        self.array = array
        self.index = index
        self.dtype = array.dtype
        self.shape: tuple[int, ...] = np.broadcast_to(np.empty((), array.dtype), array.shape)[index].shape

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        # What is read from a ready file is shared and cannot be written; who asks for a copy gets one.
        return np.array(self.array[self.index], dtype=dtype, copy=copy)

    def __getitem__(self, index: Any) -> Array:
        """What numpy would give."""
        return np.asarray(np.asarray(self)[index])


@dataclass(frozen=True)
class Recipe:
    """What decides an entry beside the song.

    Attributes
    ----------
    name, version
        Of the extractor.
    parameters : mapping
        Its settings.
    made_with : mapping
        Versions of libraries and the kind of device, where another one gives other values.
    """

    name: str
    version: int
    parameters: Mapping[str, Any]
    made_with: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """64 hexadecimal digits."""
        identity = [self.name, self.version, dict(self.parameters), dict(self.made_with)]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def decoders() -> dict[str, str]:
    """Versions of what everything computed from audio has gone through."""
    return {"libsndfile": soundfile.__libsndfile_version__, "soxr": soxr.__version__, "decoding": str(DECODING)}


class Store(Protocol):
    """Arrays by song and kind; see `genrefusion.features.shards.ShardStore`."""

    def find(self, songs: Iterable[str], kinds: Sequence[str]) -> Mapping[str, Mapping[str, LazyArray]]:
        """Arrays of the songs that have all kinds."""

    def fill(
        self,
        songs: Iterable[str],
        kinds: Sequence[str],
        compute: Callable[[str], Mapping[str, Array]],
        *,
        workers: int = 1,
    ) -> Iterator[str]:
        """Compute the arrays of songs that have none, and tell each song that is done."""

    def fill_batches(
        self, batches: Iterable[Sequence[str]], kinds: Sequence[str], compute: ComputeBatch, *, workers: int = 1
    ) -> Iterator[str]:
        """Do that for songs that are computed together."""


class FeatureCache:
    """Arrays on disk that are read where they are asked for, so that memory stays flat as a corpus grows.

    Parameters
    ----------
    directory : Path
        Made at the first write.

    Attributes
    ----------
    keeps : bool
        Whether what is computed stays there when the process ends.
    """

    keeps = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stores: dict[tuple[str, str], Any] = {}  # by name and digest of the recipe
        self._lock = threading.Lock()

    def store(self, recipe: Recipe) -> Store:
        """What was, and will be, computed after a recipe."""
        with self._lock:
            key = recipe.name, recipe.digest
            if key not in self.stores:
                self.stores[key] = self._make(recipe)
            found: Store = self.stores[key]
            return found

    def _make(self, recipe: Recipe) -> Store:
        return ShardStore(self.directory / recipe.name / recipe.digest[:32], asdict(recipe))

    def forget(self, name: str | None = None) -> None:
        """Give memory back, where songs are kept there: of all features, or of those of one name."""

    def _forget_stores(self, name: str | None) -> None:
        self.stores = {key: store for key, store in self.stores.items() if name not in (None, key[0])}


class ScratchCache(FeatureCache):
    """A cache in memory, for songs that are seldom asked for twice.

    Parameters
    ----------
    directory : Path
        Of what is kept on disk all the same: published weights.
    """

    keeps = False

    def _make(self, recipe: Recipe) -> Store:
        return MemoryStore(recipe)

    def forget(self, name: str | None = None) -> None:
        """Forget all songs."""
        self._forget_stores(name)


class ReadOnlyCache(FeatureCache):
    """A cache whose folder cannot be written: what is there is read, what is not is computed and kept in memory."""

    keeps = False

    def _make(self, recipe: Recipe) -> Store:
        return _StoreInFront(super()._make(recipe), MemoryStore(recipe))

    def forget(self, name: str | None = None) -> None:
        """Forget the songs that were computed."""
        self._forget_stores(name)


def cache_to_read(directory: Path) -> FeatureCache:
    """Cache for work that needs features and not to keep them: one that cannot be written will do."""
    error = why_not_writable(directory)
    if error is None:
        return FeatureCache(directory)
    say_not_kept(directory, error)
    return ReadOnlyCache(directory)


class _StoreInFront:
    """What is in one store, and what is only in another, which is filled; see `Store`."""

    def __init__(self, there: Store, filled: Store) -> None:
        self.there = there
        self.filled = filled

    def find(self, songs: Iterable[str], kinds: Sequence[str]) -> Mapping[str, Mapping[str, LazyArray]]:
        """Arrays of the songs that have all kinds."""
        songs = list(songs)
        return {**self.filled.find(songs, kinds), **self.there.find(songs, kinds)}

    def fill(
        self,
        songs: Iterable[str],
        kinds: Sequence[str],
        compute: Callable[[str], Mapping[str, Array]],
        *,
        workers: int = 1,
    ) -> Iterator[str]:
        """Compute the arrays of songs, and tell each that is done."""
        return self.filled.fill(songs, kinds, compute, workers=workers)

    def fill_batches(
        self, batches: Iterable[Sequence[str]], kinds: Sequence[str], compute: ComputeBatch, *, workers: int = 1
    ) -> Iterator[str]:
        """Compute the arrays of songs together, and tell each that is done."""
        return self.filled.fill_batches(batches, kinds, compute, workers=workers)


class MemoryStore:
    """See `Store`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.songs: dict[str, dict[str, Array]] = {}

    def find(self, songs: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, Array]]:
        """Arrays of the songs that have all kinds."""
        there = {song: self.songs[song] for song in songs if song in self.songs}
        return {song: arrays for song, arrays in there.items() if arrays.keys() >= set(kinds)}

    def fill(
        self,
        songs: Iterable[str],
        kinds: Sequence[str],
        compute: Callable[[str], Mapping[str, Array]],
        *,
        workers: int = 1,
    ) -> Iterator[str]:
        """Compute the arrays of songs, and tell each that is done."""
        batches = [[song] for song in dict.fromkeys(songs)]
        return self.fill_batches(batches, kinds, lambda batch: {song: compute(song) for song in batch}, workers=workers)

    def fill_batches(
        self, batches: Iterable[Sequence[str]], kinds: Sequence[str], compute: ComputeBatch, *, workers: int = 1
    ) -> Iterator[str]:
        """Compute the arrays of songs together, and tell each that is done."""
        run = Parallel(n_jobs=workers, prefer="threads", return_as="generator")
        for computed in run(delayed(compute)(list(batch)) for batch in batches):
            for song, arrays in computed.items():
                self.songs.setdefault(song, {}).update(arrays)
                yield song


def extract(
    tracks: Tracks, extractor: Extractor, cache: FeatureCache, *, workers: int, terminal: Terminal
) -> dict[str, LazyArray]:
    """Compute one array for each track, from the cache where it is there.

    Parameters
    ----------
    tracks : Tracks
        Checked tracks (`genrefusion.data.checks.check_audio` fills in their ``sha256``), each with audio.
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
    dict of str to LazyArray
        By track id, in the order of the tracks.
    """
    recipe = Recipe(extractor.name, extractor.version, extractor.parameters(), decoders())
    tracks.require("audio")
    audio = dict(zip(tracks.ids, tracks.table["audio"].tolist(), strict=True))

    def compute(track: str) -> Array:
        path = Path(audio[track])
        try:
            return extractor(path)
        except AudioError as error:
            raise UserError(f"{path}: {error}") from error

    return look_up(tracks, recipe, lambda _: compute, cache, workers=workers, terminal=terminal)


def look_up(
    tracks: Tracks,
    recipe: Recipe,
    begin: Callable[[list[str]], Callable[[str], Array]],
    cache: FeatureCache,
    *,
    workers: int,
    terminal: Terminal,
) -> dict[str, LazyArray]:
    """Find the array of each track in the cache, or compute it.

    Parameters
    ----------
    tracks : Tracks
        With ``sha256``.
    recipe : Recipe
        What the arrays are.
    begin : callable
        Told which tracks have none, gives the function that computes one; not called where nothing is missing.
    cache, workers, terminal
        As for `extract`.
    """
    store, kind = cache.store(recipe), recipe.name
    digests = dict(zip(tracks.ids, map(str, tracks.table["sha256"].tolist()), strict=True))
    found = store.find(digests.values(), [kind])
    missing = {digest: track for track, digest in digests.items() if digest not in found}
    if missing:
        compute = begin(list(missing.values()))
        done = store.fill(missing, [kind], lambda digest: {kind: compute(missing[digest])}, workers=workers)
        for _ in terminal.track(done, kind, len(missing), "songs"):
            pass
        lacking = sum(digest in missing for digest in digests.values())
        terminal.say(kind, f"{len(digests)} songs ({len(digests) - lacking} from cache)")
        found = store.find(digests.values(), [kind])
    return {track: found[digest][kind] for track, digest in digests.items()}
