"""Files written whole or not at all, locks, and what is left of both by processes that are killed."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from genrefusion.core import files
from genrefusion.core.errors import UserError
from genrefusion.core.files import alone_in, atomic_path, extend_record, locked, scratch_beside, write_atomically

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not said or removed anything yet."""
    for known in ("_cleared", "_said_without_locks", "_said_not_kept"):
        monkeypatch.setattr(files, known, set())


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file can grow beyond 20 kB: what a full disk is, for anyone who runs the tests."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("library", ["python", "safetensors"])
def test_a_write_for_which_there_is_no_room_names_the_file_and_leaves_nothing(
    library: str, small_files: None, tmp_path: Path
) -> None:
    def write(path: Path) -> None:
        if library == "python":
            path.write_bytes(bytes(50_000))
        else:
            save_file({"a": np.zeros(50_000)}, path)

    path = tmp_path / "large"
    with pytest.raises(OSError, match="too large") as caught, atomic_path(path) as temporary:
        write(temporary)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert list(tmp_path.iterdir()) == []


def write_and_hang(path: Path, begun: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        begun.set()
        threading.Event().wait()


def test_what_a_killed_process_had_begun_to_write_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = FORK.Event()
    process = FORK.Process(target=write_and_hang, args=(tmp_path / "a", begun))
    process.start()
    try:
        assert begun.wait(30)
        write_atomically(tmp_path / "b", b"whole")
        assert len(list(tmp_path.glob(".*.part"))) == 1
    finally:
        process.kill()
        process.join()
    monkeypatch.setattr(files, "_cleared", set())
    write_atomically(tmp_path / "c", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("a" * (os.pathconf(tmp_path, "PC_NAME_MAX") - 4) + ".txt")
    write_atomically(path, b"words")
    assert path.read_bytes() == b"words"


def test_a_lock_whose_file_cannot_be_removed_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with pytest.raises(IsADirectoryError), locked(path):  # noqa: PT012
        path.rename(tmp_path / "held")
        path.mkdir()
    with (tmp_path / "held").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_who_is_alone_in_a_folder_finds_no_half_file_in_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".trees.ubj.0123.part").write_bytes(b"half")
    with alone_in(tmp_path, "is training"):
        assert not list(tmp_path.rglob("*.part"))


def build_and_hang(folder: Path, begun: Any) -> None:
    with scratch_beside(folder) as scratch:
        (scratch / "song").write_bytes(b"half")
        begun.set()
        threading.Event().wait()


def test_a_folder_that_a_killed_process_had_begun_is_removed_by_the_next(tmp_path: Path) -> None:
    begun = FORK.Event()
    process = FORK.Process(target=build_and_hang, args=(tmp_path / "corpus", begun))
    process.start()
    assert begun.wait(30)
    process.kill()
    process.join()
    assert list(tmp_path.glob("*.part"))
    with scratch_beside(tmp_path / "corpus") as scratch:
        scratch.rename(tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_corpus_leaves_one_that_is_built_beside_it_under_a_name_that_begins_alike(tmp_path: Path) -> None:
    with scratch_beside(tmp_path / "corpus.v2") as other, scratch_beside(tmp_path / "corpus"):
        assert other.is_dir()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL])
@pytest.mark.parametrize("wait", [True, False])
def test_a_disk_without_locks_is_used_without_and_one_line_says_so(
    number: int, wait: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    for name in ("a", "b"):
        with locked(tmp_path / name, wait=wait) as held:
            assert not held
    extend_record(tmp_path / "record.json", {"a": 1})
    with alone_in(tmp_path, "is training"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note     {tmp_path}: no locks on this disk ({os.strerror(number)})")


def test_locks_are_open_for_writing_as_nfs_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, modes = fcntl.flock, set()

    def noted(file: Any, operation: int) -> None:
        modes.add(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", noted)
    (tmp_path / ".old.0123.part").write_bytes(b"half")
    with alone_in(tmp_path, "is training"):
        write_atomically(tmp_path / "file", b"whole")
    assert modes == {os.O_RDWR}


def test_a_lock_that_is_held_is_told(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock"), pytest.raises(UserError, match="another process is training there"):  # noqa: SIM117
        with alone_in(tmp_path, "is training"):
            pass


def test_records_that_cannot_be_kept_are_said_once_of_each_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    folders = [tmp_path / "file" / "one", tmp_path / "file" / "other"]
    for folder in folders:
        for name in ("a.json", "b.json"):
            extend_record(folder / name, {"a": 1})
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in said] == [f"note     {folder}" for folder in folders]
