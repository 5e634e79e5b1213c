"""Paths lead to the same place from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from genrefusion.core.paths import absolute, folder_name


def test_links_keep_their_names_unless_the_way_goes_back_behind_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "music").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "disk" / "music")
    monkeypatch.chdir(tmp_path / "here")
    assert absolute(Path("link")) == tmp_path / "here" / "link"
    assert absolute(Path("link/..")) == tmp_path / "disk"
    assert folder_name(Path("link")) == "link"
    assert folder_name(Path("link/..")) == "disk"
    assert folder_name(Path("/")) == "corpus"
