"""Arrays in shards: what comes back, what is shared, what damage and small limits do."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrefusion.core.files import locked
from genrefusion.features import shards
from genrefusion.features.shard_files import OPEN_SHARDS, StoredArray, read_header
from genrefusion.features.shards import SONGS_A_SHARD, ShardStore

ARRAY = np.arange(600, dtype=np.float32).reshape(20, 30)
FORK = multiprocessing.get_context("fork")


def open_store(tmp_path: Path) -> ShardStore:
    return ShardStore(tmp_path / "mel", {"name": "mel"})


@pytest.fixture
def store(tmp_path: Path) -> ShardStore:
    return open_store(tmp_path)


def numbered(song: str) -> dict[str, np.ndarray]:
    """An array that tells its song."""
    return {"mel": ARRAY + int(song)}


def fill(store: ShardStore, songs: int, compute: Callable[[str], Mapping[str, np.ndarray]] = numbered) -> list[str]:
    return list(store.fill(map(str, range(songs)), ["mel"], compute))


def put(store: ShardStore, array: np.ndarray, song: str = "0") -> StoredArray:
    list(store.fill([song], ["mel"], lambda _: {"mel": array}))
    return store.find([song], ["mel"])[song]["mel"]


def shard_files(store: ShardStore) -> list[Path]:
    return sorted(store.directory.glob("shards/*"), key=lambda path: path.stat().st_mtime_ns)


def locks(store: ShardStore) -> list[Path]:
    return list(store.directory.glob("locks/*"))


@pytest.mark.parametrize(
    "array",
    [
        *(ARRAY, ARRAY.astype(np.float64), ARRAY.astype(np.float16), ARRAY.T, ARRAY[:, ::2], ARRAY > 3),
        *(np.arange(3), np.zeros((0, 5), np.float16), np.array(7, np.float32)),
    ],
    ids=["float32", "float64", "float16", "transposed", "strided", "truth", "integers", "empty", "scalar"],
)
def test_an_array_comes_back_as_it_was(store: ShardStore, array: np.ndarray) -> None:
    found = put(store, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(np.asarray(found), array)
    assert np.asarray(found).dtype == array.dtype


@pytest.mark.parametrize(
    "index",
    [
        *(
            np.s_[:, 5:9],
            np.s_[:, 25:40],
            np.s_[:, 40:50],
            np.s_[3],
            np.s_[-1],
            np.s_[:0],
            np.s_[None],
            np.s_[..., -3:],
        ),
        *(np.s_[:, -3:], np.s_[2, 3], np.s_[::2], np.s_[[1, 4]], np.s_[np.int64(2)], np.s_[5:2], np.s_[4:6, 1]),
    ],
    ids=str,
)
def test_a_part_is_what_numpy_would_give(store: ShardStore, index: Any) -> None:
    found = put(store, ARRAY)[index]
    np.testing.assert_array_equal(found, ARRAY[index])
    assert found.shape == ARRAY[index].shape


def test_an_index_past_the_end_is_refused(store: ShardStore) -> None:
    with pytest.raises(IndexError):
        put(store, ARRAY)[20]


def test_arrays_are_found_by_another_process_which_computes_none(store: ShardStore, tmp_path: Path) -> None:
    fill(store, 40)
    code = f"""
from pathlib import Path
import numpy as np
from genrefusion.features.shard_files import OPEN_SHARDS, StoredArray, read_header
from genrefusion.features.shards import SONGS_A_SHARD, ShardStore
found = ShardStore(Path({str(tmp_path / "mel")!r}), {{}}).find([str(n) for n in range(41)], ["mel"])
print(len(found), *(int(np.asarray(arrays["mel"])[0, 0]) for arrays in found.values()))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["40", *map(str, range(40))]


def test_a_handle_can_be_sent_to_another_process(store: ShardStore) -> None:
    sent = pickle.loads(pickle.dumps(put(store, ARRAY)))
    np.testing.assert_array_equal(sent[:, 2:4], ARRAY[:, 2:4])


def test_kinds_of_a_song_are_found_together_or_not_at_all(store: ShardStore) -> None:
    list(store.fill(["a"], ["mean"], lambda _: {"mean": ARRAY[0]}))
    assert store.find(["a"], ["mean", "tokens"]) == {}
    list(store.fill(["a"], ["mean", "tokens"], lambda _: {"mean": ARRAY[0], "tokens": ARRAY}))
    assert set(store.find(["a"], ["mean", "tokens"])["a"]) == {"mean", "tokens"}


def test_songs_share_files(store: ShardStore) -> None:
    fill(store, 2 * SONGS_A_SHARD + 1)
    assert len(shard_files(store)) == 3


def test_files_are_listed_once_for_each_that_is_written_not_for_each_song(
    store: ShardStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, plain = [], store._list
    monkeypatch.setattr(store, "_list", lambda: (listed.append(1), plain())[1])
    fill(store, 640)
    assert len(listed) <= 640 / SONGS_A_SHARD + 2


def test_large_songs_fill_a_file_sooner(store: ShardStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_SHARD_BYTES", 3 * ARRAY.nbytes)
    fill(store, 9)
    assert len(shard_files(store)) == 3


def damaged(path: Path, damage: Callable[[bytes], bytes]) -> None:
    path.write_bytes(damage(path.read_bytes()))
    os.utime(path, ns=(1, 1))  # two writes can fall into one tick of the file system's clock


FLIPPED = [
    pytest.param(lambda content: content[:-10] + bytes([content[-10] ^ 1]) + content[-9:], id="of the last array"),
    pytest.param(lambda content: content.replace(b"2.mel", b"9.mel", 1), id="of a name"),
    pytest.param(lambda content: content.replace(b"[20,30]", b"[30,20]", 1), id="of a shape"),
]


@pytest.mark.parametrize("again", [True, False], ids=["same process", "new process"])
@pytest.mark.parametrize("flip", FLIPPED)
def test_of_a_file_with_a_wrong_byte_one_song_is_computed_again(
    store: ShardStore, tmp_path: Path, flip: Callable[[bytes], bytes], again: bool
) -> None:
    fill(store, 5)
    damaged(shard_files(store)[0], flip)
    store = store if again else open_store(tmp_path)
    left = store.find(map(str, range(5)), ["mel"])
    assert len(left) == 4
    computed: list[str] = []
    fill(store, 5, lambda song: computed.append(song) or numbered(song))
    assert set(computed) == set(map(str, range(5))) - left.keys()
    for song, arrays in store.find(map(str, range(5)), ["mel"]).items():
        np.testing.assert_array_equal(np.asarray(arrays["mel"]), ARRAY + int(song))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: bytes([content[0] ^ 1]) + content[1:], id="flipped bit of the header"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
        pytest.param(lambda content: content + b"\0", id="longer"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: bytes(8), id="zeros"),
        pytest.param(lambda _: b"<html>", id="something else"),
        pytest.param(lambda _: pickle.dumps(ARRAY), id="a pickle"),
    ],
)
def test_songs_of_a_file_that_is_damaged_as_a_whole_are_computed_again_and_others_kept(
    store: ShardStore, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    fill(store, SONGS_A_SHARD + 5)
    damaged(shard_files(store)[-1], damage)
    for each in (store, open_store(tmp_path)):
        assert len(each.find(map(str, range(SONGS_A_SHARD + 5)), ["mel"])) == SONGS_A_SHARD
    computed: list[str] = []
    fill(store, SONGS_A_SHARD + 5, lambda song: computed.append(song) or numbered(song))
    assert len(computed) == 5
    assert len(open_store(tmp_path).find(map(str, range(SONGS_A_SHARD + 5)), ["mel"])) == SONGS_A_SHARD + 5


def test_a_folder_that_was_removed_is_filled_again(store: ShardStore) -> None:
    put(store, ARRAY)
    for path in shard_files(store):
        path.unlink()
    assert store.find(["0"], ["mel"]) == {}
    np.testing.assert_array_equal(np.asarray(put(store, ARRAY + 1)), ARRAY + 1)


def test_a_second_start_reads_no_array_again(
    store: ShardStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 40)
    (store.directory / "verified.json").unlink()
    read: list[Path] = []
    whole = shards.damaged_arrays
    monkeypatch.setattr(shards, "damaged_arrays", lambda shard: read.append(shard.path) or whole(shard))
    for _ in range(3):
        assert len(open_store(tmp_path).find(map(str, range(40)), ["mel"])) == 40
    assert sorted(read) == sorted(shard_files(store))


def test_what_this_process_wrote_is_not_read_to_be_verified(store: ShardStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "damaged_arrays", None)
    fill(store, 40)
    assert len(store.find(map(str, range(40)), ["mel"])) == 40


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"x.safetensors": 3}', "null"])
def test_a_damaged_record_of_what_was_verified_is_made_again(store: ShardStore, tmp_path: Path, content: str) -> None:
    fill(store, 3)
    (store.directory / "verified.json").write_text(content)
    assert len(open_store(tmp_path).find("012", ["mel"])) == 3


def test_a_computation_that_fails_keeps_the_songs_before_it_and_leaves_no_lock(store: ShardStore) -> None:
    def fail(song: str) -> dict[str, np.ndarray]:
        if song == "3":
            raise ValueError("no such song")
        return numbered(song)

    with pytest.raises(ValueError, match="no such song"):
        fill(store, 5, fail)
    assert set(store.find(map(str, range(5)), ["mel"])) == {"0", "1", "2"}
    assert locks(store) == []


@contextlib.contextmanager
def small_disk() -> Iterator[None]:
    """No file can grow beyond 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_is_told_and_leaves_no_half(store: ShardStore) -> None:
    with pytest.raises(OSError, match="too large"), small_disk():
        put(store, ARRAY)
    assert shard_files(store) == locks(store) == []
    assert store.find(["0"], ["mel"]) == {}


def test_arrays_of_objects_are_refused(store: ShardStore) -> None:
    with pytest.raises(ValueError, match="objects"):
        put(store, np.array([{"a": 1}], dtype=object))
    assert shard_files(store) == []


def fill_slowly(tmp_path: Path, songs: list[str], counted: Path, start: Any) -> None:
    def compute(song: str) -> dict[str, np.ndarray]:
        with counted.open("a") as file:  # lines this short are appended whole
            file.write(f"{song}\n")
        time.sleep(0.01)
        return numbered(song)

    start.wait()
    store = open_store(tmp_path)
    assert sorted(store.fill(songs, ["mel"], compute, workers=2)) == sorted(songs)
    assert store.find(songs, ["mel"]).keys() == set(songs)


def test_processes_that_need_the_same_songs_compute_each_once(store: ShardStore, tmp_path: Path) -> None:
    songs = list(map(str, range(100)))
    start = FORK.Barrier(3)
    orders = (songs, songs[::-1], songs[50:] + songs[:50])
    processes = [
        FORK.Process(target=fill_slowly, args=(tmp_path, order, tmp_path / "counted", start)) for order in orders
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted((tmp_path / "counted").read_text().split()) == sorted(songs)
    assert locks(store) == []


def fill_and_hang(tmp_path: Path, hangs: Any) -> None:
    def compute(song: str) -> dict[str, np.ndarray]:
        if int(song) == SONGS_A_SHARD + 3:
            hangs.set()
            time.sleep(600)
        return numbered(song)

    fill(open_store(tmp_path), 2 * SONGS_A_SHARD, compute)


def test_a_killed_process_loses_less_than_a_file_and_blocks_nobody(store: ShardStore, tmp_path: Path) -> None:
    hangs = FORK.Event()
    process = FORK.Process(target=fill_and_hang, args=(tmp_path, hangs))
    process.start()
    assert hangs.wait(timeout=60)
    process.kill()
    process.join()
    assert len(store.find(map(str, range(2 * SONGS_A_SHARD)), ["mel"])) == SONGS_A_SHARD
    assert len(fill(store, 2 * SONGS_A_SHARD)) == 2 * SONGS_A_SHARD
    assert len(store.find(map(str, range(2 * SONGS_A_SHARD)), ["mel"])) == 2 * SONGS_A_SHARD
    assert locks(store) == []


def write_for_ever(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(100_000):
        put(store, np.full((200, 500), number, np.float32), str(number))


def test_a_process_killed_while_it_writes_leaves_nothing_half(store: ShardStore, tmp_path: Path) -> None:
    for wait in (0.1, 0.23, 0.31):
        process = FORK.Process(target=write_for_ever, args=(tmp_path,))
        process.start()
        time.sleep(wait)
        process.kill()
        process.join()
    assert all(read_header(path).arrays for path in store.directory.glob("shards/*.safetensors"))
    for song, arrays in store.find(map(str, range(1000)), ["mel"]).items():
        assert (np.asarray(arrays["mel"]) == int(song)).all()


def test_a_song_that_another_thread_has_is_waited_for(store: ShardStore) -> None:
    with locked(store._lock_of("1")):
        jobs = store.fill(["0", "1"], ["mel"], numbered)
        assert next(jobs) == "0"
    assert list(jobs) == ["1"]


LIMITED = """
import random, resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from genrefusion.features.shard_files import OPEN_SHARDS, StoredArray, read_header
from genrefusion.features.shards import SONGS_A_SHARD, ShardStore
songs = [str(n) for n in range(int(sys.argv[2]))]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
list(ShardStore(Path(sys.argv[1]), {}).fill(songs, ["mel"], lambda song: {"mel": np.full((4, 6), int(song))}, workers=4))
found = ShardStore(Path(sys.argv[1]), {}).find(songs, ["mel"])
held = {song: np.asarray(arrays["mel"]) for song, arrays in found.items()}
random.Random(0).shuffle(songs)
with ThreadPoolExecutor(8) as pool:
    read = list(pool.map(lambda song: int(found[song]["mel"][1:3, 2:4].mean()), songs))
assert read == [int(song) for song in songs]
assert all((held[song] == int(song)).all() for song in songs)
print(len(held), sum(1 for line in open("/proc/self/maps") if ".safetensors" in line))
"""


@pytest.mark.long
@pytest.mark.parametrize("songs", [1000, 3000])
def test_with_64_open_files_allowed_thousands_of_songs_are_written_and_read(tmp_path: Path, songs: int) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "mel"), str(songs)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    found, maps = map(int, said.stdout.split())
    assert found == songs
    assert maps <= OPEN_SHARDS + songs / SONGS_A_SHARD  # an array that is held may hold its file's map


def test_too_many_open_files_are_no_missing_songs(store: ShardStore, tmp_path: Path) -> None:
    fill(store, 3)
    fresh = open_store(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        with pytest.raises(OSError, match="Too many open files"):
            fresh.find("012", ["mel"])
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(fresh.find("012", ["mel"])) == 3


def test_a_start_takes_less_than_a_millisecond_a_song(store: ShardStore, tmp_path: Path) -> None:
    fill(store, 2000)
    began = time.perf_counter()
    found = open_store(tmp_path).find(map(str, range(2000)), ["mel"])
    assert time.perf_counter() - began < 2
    assert len(found) == 2000
