from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import pickle
import resource
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genrefusion.data.audio import AudioError, load_audio, sha256_of
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.features.cache import FeatureCache, extract, feature_key
from genrefusion.terminal import Terminal

ARRAY = np.arange(12, dtype=np.float32).reshape(3, 4)
KEY = feature_key("0" * 64, "mel", 1, {"hop": 256})
QUIET = Terminal(quiet=True)

WriteTone = Callable[..., Path]


class Loudness:
    """Level of a file times a gain; counts how often it is asked."""

    name = "loudness"

    def __init__(self, *, gain: float = 1.0, version: int = 1) -> None:
        self.gain = gain
        self.version = version
        self.asked: list[str] = []

    def parameters(self) -> Mapping[str, Any]:
        return {"gain": self.gain}

    def __call__(self, path: Path) -> np.ndarray:
        self.asked.append(path.name)
        return self.gain * np.abs(load_audio(path)).max(keepdims=True)


@pytest.fixture
def store(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


def entries(store: FeatureCache) -> list[Path]:
    """All files of a cache, hidden ones too."""
    return [path for path in store.directory.rglob("*") if path.is_file()]


def tracks_of(*paths: Path) -> Tracks:
    table = pd.DataFrame({"genre": "jazz", "audio": [str(path) for path in paths]}, dtype=object)
    table["sha256"] = [sha256_of(path) for path in paths]
    table.index = pd.Index([path.stem for path in paths], name="track_id")
    return Tracks(table, "small")


def run(extractor: Loudness, store: FeatureCache, *paths: Path) -> dict[str, np.ndarray]:
    return extract(tracks_of(*paths), extractor, store, workers=1, terminal=QUIET)


def test_an_entry_is_computed_once(store: FeatureCache) -> None:
    calls: list[int] = []

    def compute() -> np.ndarray:
        calls.append(1)
        return ARRAY

    assert store.get(KEY) is None
    for _ in range(3):
        np.testing.assert_array_equal(store.get_or_compute(KEY, compute), ARRAY)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "array",
    [ARRAY, ARRAY.astype(np.float64), ARRAY.T, ARRAY[:, ::2], np.arange(3), np.zeros((0, 5)), np.float32(7)],
    ids=["float32", "float64", "transposed", "strided", "integers", "empty", "scalar"],
)
def test_an_array_comes_back_as_it_was(store: FeatureCache, array: np.ndarray) -> None:
    store.put(KEY, array)
    found = store.get(KEY)
    assert found is not None
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found.reshape(np.shape(array)), array)


def test_entries_are_read_only_memory_maps(store: FeatureCache) -> None:
    for found in (store.put(KEY, ARRAY), store.get(KEY)):
        assert isinstance(found, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found[0, 0] = 1


@pytest.mark.parametrize("extractor", [Loudness(gain=2), Loudness(version=2)], ids=["parameters", "version"])
def test_other_settings_miss(store: FeatureCache, write_tone: WriteTone, tmp_path: Path, extractor: Loudness) -> None:
    path = write_tone(tmp_path / "a.wav")
    run(Loudness(), store, path)
    run(extractor, store, path)
    assert extractor.asked == ["a.wav"]


def test_a_renamed_file_finds_its_entry(store: FeatureCache, write_tone: WriteTone, tmp_path: Path) -> None:
    extractor = Loudness()
    first = run(extractor, store, write_tone(tmp_path / "a.wav"))
    moved = (tmp_path / "a.wav").rename(tmp_path / "b.wav")
    second = run(extractor, store, moved)
    assert extractor.asked == ["a.wav"]
    np.testing.assert_array_equal(first["a"], second["b"])


def test_changed_bytes_miss(store: FeatureCache, write_tone: WriteTone, tmp_path: Path) -> None:
    extractor = Loudness()
    for level in (0.2, 0.4):
        found = run(extractor, store, write_tone(tmp_path / "a.wav", level=level))
        assert found["a"][0] == pytest.approx(level, abs=0.01)
    assert extractor.asked == ["a.wav", "a.wav"]


def test_only_what_is_missing_is_computed(store: FeatureCache, write_tone: WriteTone, tmp_path: Path) -> None:
    paths = [write_tone(tmp_path / f"{level}.wav", level=level / 10) for level in (1, 2, 3)]
    run(Loudness(), store, paths[1])
    extractor = Loudness()
    found = run(extractor, store, *paths)
    assert extractor.asked == ["1.wav", "3.wav"]
    assert list(found) == ["1", "2", "3"]
    assert [float(array[0]) for array in found.values()] == pytest.approx([0.1, 0.2, 0.3], abs=0.01)


def test_a_file_that_cannot_be_decoded_is_named(store: FeatureCache, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(UserError, match=r"a\.wav: empty"):
        run(Loudness(), store, tmp_path / "a.wav")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            lambda content: content[:-10] + bytes([content[-10] ^ 1]) + content[-9:], id="flipped bit of data"
        ),
        pytest.param(lambda content: bytes([content[0] ^ 1]) + content[1:], id="flipped bit of the header"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="flipped bit of the checksum"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
        pytest.param(lambda content: content[:-4], id="without the checksum"),
        pytest.param(lambda content: content + b"\0", id="longer"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"\0" * 4, id="zeros"),
        pytest.param(lambda _: b"<html>", id="something else"),
    ],
)
def test_a_damaged_entry_is_computed_again(store: FeatureCache, damage: Callable[[bytes], bytes]) -> None:
    store.put(KEY, ARRAY)
    (entry,) = entries(store)
    entry.write_bytes(damage(entry.read_bytes()))
    assert store.get(KEY) is None
    np.testing.assert_array_equal(store.get_or_compute(KEY, lambda: ARRAY + 1), ARRAY + 1)
    np.testing.assert_array_equal(store.get(KEY), ARRAY + 1)


def test_a_computation_that_fails_leaves_no_file(store: FeatureCache) -> None:
    def fail() -> np.ndarray:
        raise AudioError("empty")

    with pytest.raises(AudioError):
        store.get_or_compute(KEY, fail)
    assert entries(store) == []


@contextlib.contextmanager
def small_disk() -> Iterator[None]:
    """No file can grow beyond 100 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_no_file(store: FeatureCache) -> None:
    with pytest.raises(OSError, match="too large"), small_disk():
        store.put(KEY, ARRAY)
    assert entries(store) == []


def test_a_write_that_fails_keeps_the_entry_that_was_there(store: FeatureCache) -> None:
    store.put(KEY, ARRAY)
    with pytest.raises(OSError, match="too large"), small_disk():
        store.put(KEY, ARRAY + 1)
    np.testing.assert_array_equal(store.get(KEY), ARRAY)
    assert len(entries(store)) == 1


def test_a_mapped_entry_outlives_its_replacement(store: FeatureCache) -> None:
    mapped = store.put(KEY, ARRAY)
    store.put(KEY, ARRAY + 1)
    np.testing.assert_array_equal(mapped, ARRAY)


def write_many_times(directory: Path, value: int, start: Any) -> None:
    store = FeatureCache(directory)
    start.wait()
    for _ in range(20):
        array = store.put(KEY, np.full(100_000, value, np.float32))
        assert len(np.unique(array)) == 1


def test_processes_that_write_one_key_end_with_one_whole_entry(store: FeatureCache) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    processes = [context.Process(target=write_many_times, args=(store.directory, n, start)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * 4
    found = store.get(KEY)
    assert found is not None
    assert found[0] in range(4)
    np.testing.assert_array_equal(found, np.full(100_000, found[0]))
    assert len(entries(store)) == 1


def extract_slowly(directory: Path, tracks: Tracks, counted: Path, start: Any) -> None:
    class Slow(Loudness):
        def __call__(self, path: Path) -> np.ndarray:
            with counted.open("a") as file:  # lines this short are appended whole
                file.write(f"{path.name}\n")
            time.sleep(0.05)
            return super().__call__(path)

    start.wait()
    extract(tracks, Slow(), FeatureCache(directory), workers=2, terminal=QUIET)


def test_two_processes_with_one_cache_compute_no_entry_twice(
    store: FeatureCache, write_tone: WriteTone, tmp_path: Path
) -> None:
    paths = [write_tone(tmp_path / f"{level}.wav", level=level / 10) for level in range(1, 9)]
    counted = tmp_path / "counted"
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    arguments = (store.directory, tracks_of(*paths), counted, start)
    processes = [context.Process(target=extract_slowly, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(counted.read_text().split()) == [path.name for path in paths]
    assert len(entries(store)) == len(paths), "no lock is left"


def hold_for_ever(directory: Path, held: Any) -> None:
    with FeatureCache(directory).lock(KEY):
        held.set()
        time.sleep(600)


def test_the_lock_of_a_killed_process_blocks_nobody(store: FeatureCache) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold_for_ever, args=(store.directory, held))
    process.start()
    assert held.wait(timeout=60)
    process.kill()
    process.join()
    assert len(entries(store)) == 1, "the lock's file has stayed"
    np.testing.assert_array_equal(store.get_or_compute(KEY, lambda: ARRAY), ARRAY)
    assert len(entries(store)) == 1, "the entry, and no lock"


def test_arrays_of_objects_are_refused(store: FeatureCache) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        store.put(KEY, np.array([{"a": 1}], dtype=object))
    assert entries(store) == []


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["array of objects", "bare pickle"])
def test_a_pickle_in_the_place_of_an_entry_is_never_loaded(store: FeatureCache, tmp_path: Path, form: str) -> None:
    buffer = io.BytesIO()
    if form == "bare pickle":
        pickle.dump(Bomb(tmp_path / "exploded"), buffer)
    else:
        np.save(buffer, np.array([Bomb(tmp_path / "exploded")], dtype=object), allow_pickle=True)
    store.put(KEY, ARRAY)
    (entry,) = entries(store)
    entry.write_bytes(buffer.getvalue() + zlib.crc32(buffer.getvalue()).to_bytes(4, "little"))
    assert store.get(KEY) is None
    assert not (tmp_path / "exploded").exists()


def test_a_key_is_that_of_its_audio_extractor_version_and_parameters() -> None:
    parts: list[tuple[str, str, int, dict[str, Any]]] = [
        ("a", "mel", 1, {"hop": 256}),
        ("b", "mel", 1, {"hop": 256}),
        ("a", "cqt", 1, {"hop": 256}),
        ("a", "mel", 2, {"hop": 256}),
        ("a", "mel", 1, {"hop": 128}),
        ("a", "mel", 1, {"hop": 256, "power": 1}),
        ("a", "mel", 1, {}),
    ]
    keys = {feature_key(*part) for part in parts}
    assert len(keys) == len(parts)
    assert {len(key) for key in keys} == {64}


def test_a_key_does_not_depend_on_the_order_of_parameters() -> None:
    assert feature_key("a", "mel", 1, {"hop": 1, "n_fft": 2}) == feature_key("a", "mel", 1, {"n_fft": 2, "hop": 1})
