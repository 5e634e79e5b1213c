"""What is said where a disk cannot be written or is full."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from safetensors import SafetensorError

from genrefusion.core.disks import Place, disk_mistake, disks_in_words, require_writable
from genrefusion.core.errors import UserError
from genrefusion.core.faults import fault_of
from genrefusion.core.folders import places_of

OUTPUT = Place(Path("/data/outputs"), "output", "output=FOLDER")
CACHE = Place(Path("/data/outputs/cache"), "cache", "cache=FOLDER")


def failed(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (failed(errno.ENOSPC), errno.ENOSPC),
        (failed(errno.EDQUOT), errno.EDQUOT),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (SafetensorError("Error while deserializing header: InvalidHeader"), None),
        (sqlite3.OperationalError("database or disk is full"), errno.ENOSPC),
        (sqlite3.OperationalError("attempt to write a readonly database"), errno.EROFS),
        (sqlite3.OperationalError("no such table: trials"), None),
        (RuntimeError("write failed: No space left on device"), errno.ENOSPC),
        (RuntimeError("open failed: No such device or address"), errno.ENXIO),
        (RuntimeError("open failed: No such device"), errno.ENODEV),
        (failed(errno.EMFILE), None),
        (ValueError("Permission denied"), None),
    ],
)
def test_a_disk_is_to_blame_by_whatever_library_it_is_told(error: Exception, number: int | None) -> None:
    assert fault_of(error) == number


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/data/outputs/a/run.json",
            r"^output /data/outputs: Disk quota exceeded \(.*\)\. Make room there, or take .*: output=",
        ),
        ("/data/outputs/cache/a", r"^cache /data/outputs/cache: .* another folder: cache=FOLDER\.$"),
        ("/data", r"^output /data/outputs: .*output=FOLDER\.$"),
        ("/elsewhere/a", r"^/elsewhere/a: Disk quota exceeded\.$"),
        (
            None,
            r"^Disk quota exceeded\. .*output /data/outputs: output=FOLDER; or cache /data/outputs/cache: cache=FOLDER",
        ),
    ],
)
def test_the_sentence_names_the_innermost_folder_and_its_setting(path: str | None, said: str) -> None:
    error = RuntimeError("it broke")
    error.__cause__ = failed(errno.EDQUOT, path)
    with pytest.raises(UserError, match=said), disks_in_words([OUTPUT, CACHE]):
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError), disks_in_words([OUTPUT]):
        _ = 1 / 0
    assert disk_mistake(FileNotFoundError(errno.ENOENT, "No such file", "/data/outputs/a/model"), [OUTPUT]) is None


def test_what_was_mended_is_not_to_blame_for_what_came_then() -> None:
    with pytest.raises(KeyError), disks_in_words([OUTPUT]):  # noqa: PT012
        try:
            raise failed(errno.ENOSPC)
        except OSError:
            raise KeyError("a") from None


def test_how_to_go_on_is_said_of_a_run_that_has_begun(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="resume=true goes on with it"), disks_in_words([OUTPUT], run=tmp_path):
        raise failed(errno.ENOSPC, "/data/outputs/a")


def test_a_command_has_the_folders_of_its_settings(tmp_path: Path) -> None:
    whats = {place.what: place.cure for place in places_of({"cache": str(tmp_path), "output": "o", "run": "r"})}
    assert whats["cache"].startswith("cache=FOLDER, or GENREFUSION_CACHE=")
    assert whats["output"] == "output=FOLDER"
    assert whats["temporary files"].startswith("TMPDIR=")
    assert "run" in whats


def test_a_folder_is_tried_before_the_work(tmp_path: Path) -> None:
    require_writable(Place(tmp_path / "new" / "cache", "cache", "cache=FOLDER"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"^cache .*file/cache: Not a directory.* cache=FOLDER\.$"):
        require_writable(Place(tmp_path / "file" / "cache", "cache", "cache=FOLDER"))
