"""Folders that are found among those of other users."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from genrefusion.commands.corpus.build import build_corpus
from genrefusion.core.disks import Place, disk_mistake
from genrefusion.core.errors import UserError
from genrefusion.core.folders import give_numba_a_folder, run_folder
from genrefusion.settings.commands import CorpusConfig

_NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of a user who is not root: root may look into all."""
    with tempfile.TemporaryDirectory() as folder:
        root = os.geteuid() == 0
        if root:
            os.chown(folder, _NOBODY, -1)
            os.seteuid(_NOBODY)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


@pytest.fixture
def private(place: Path) -> Iterator[Path]:
    """One in it into which that user cannot look."""
    folder = place / "outputs" / "xgboost" / "demo" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def test_a_run_is_begun_beside_one_of_another_user(place: Path, private: Path) -> None:
    taken = Path(run_folder(str(place / "outputs"), "xgboost", "demo", resume=False))
    assert taken.is_dir()
    assert taken.parent == private.parent


def test_numba_compiles_elsewhere_where_one_cannot_look_into_the_home_folder(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(private / ".cache" / name))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is taken back
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    give_numba_a_folder()
    assert os.access(os.environ["NUMBA_CACHE_DIR"], os.W_OK, effective_ids=True)


def test_a_corpus_is_not_built_where_one_cannot_look(place: Path, private: Path) -> None:
    with pytest.raises(UserError, match=f"{private} cannot be written. Take another folder: out=FOLDER"):
        build_corpus(CorpusConfig(action="build", source=str(place), out=str(private / "new" / "corpus")), quiet=True)


def test_a_full_disk_is_told_where_one_cannot_look(private: Path) -> None:
    mistake = disk_mistake(OSError(28, "No space left on device"), [Place(private / "a", "cache", "cache=FOLDER")])
    assert "cache=FOLDER" in str(mistake)


def test_what_was_killed_before_it_began_is_removed_by_the_next_run_with_the_table_that_it_kept(tmp_path: Path) -> None:
    killed = tmp_path / "xgboost" / "manifest" / "2026-01-01_00-00-00"
    other = killed.with_name("2026-01-02_00-00-00")
    for folder in (killed, other):
        (folder / "corpus").mkdir(parents=True)
        (folder / "corpus" / "mine.csv").touch()
    (killed / ".lock").touch()
    taken = Path(run_folder(str(tmp_path), "xgboost", "manifest", resume=False))
    assert sorted(taken.parent.iterdir()) == [other, taken]
