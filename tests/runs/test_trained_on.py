"""What a run has learnt from is kept beside its record, and read there or in the record of an older run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from conftest import REPOSITORY, TINY_DATA, compose_train
from genrefusion.core.errors import UserError
from genrefusion.data.splits import split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.runs.record import open_record
from genrefusion.runs.store import Run, open_run
from genrefusion.runs.trained_on import FILE, fitted_on, read_trained_on

OLD = REPOSITORY / "tests" / "fixtures" / "cea9ebd" / "runs" / "xgboost"


def begun(tracks: Tracks, folder: Path) -> tuple[Run, int]:
    """A run that has begun, and the size of its record."""
    config = compose_train(*TINY_DATA, "experiment=lyrics_tfidf")
    split = split_tracks(tracks, config.split, seed=0)
    record = open_record(config, tracks, split, folder, "", status="running")
    return Run(folder, record, split), (folder / "run.json").stat().st_size


def test_a_record_is_as_large_for_many_songs_as_for_few(demo: Tracks, tmp_path: Path) -> None:
    few = demo.subset(demo.table.index[demo.table["genre"].isin(["metal", "pop"])])
    many, few_too = (begun(tracks, tmp_path / str(len(tracks))) for tracks in (demo, few))
    assert len(many[0].trained_on.songs) > 2 * len(few_too[0].trained_on.songs)
    assert many[1] - few_too[1] < 500  # names of genres


def test_what_is_read_is_what_was_learnt_from(demo: Tracks, tmp_path: Path) -> None:
    run, _ = begun(demo, tmp_path)
    fold = run.split.folds[0]
    learnt = demo.subset([*fold.train, *fold.val])
    assert run.trained_on.songs == frozenset().union(*learnt.content_digests())
    assert run.trained_on.artists == frozenset(learnt.artist_digests()) - {""}
    assert run.trained_on == fitted_on(demo, run.split)


def test_an_older_run_says_it_in_its_record() -> None:
    record = json.loads((OLD / "run.json").read_text())
    assert not (OLD / FILE).exists()
    assert open_run(OLD).trained_on.songs == frozenset(record["trained_on"])
    assert len(record["trained_on"]) > 10


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"trained_on": 3}'])
def test_a_run_that_cannot_say_what_it_knows_is_named(content: str | None, demo: Tracks, tmp_path: Path) -> None:
    run, _ = begun(demo, tmp_path)
    (tmp_path / FILE).unlink()
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=rf"{tmp_path.name}.*{FILE} is missing or damaged"):
        read_trained_on(tmp_path, run.record)


def test_a_folder_with_the_file_of_another_run_is_not_written_over(demo: Tracks, tmp_path: Path) -> None:
    begun(demo, tmp_path / "one")
    (tmp_path / "two").mkdir()
    shutil.copy(tmp_path / "one" / FILE, tmp_path / "two")
    with pytest.raises(UserError, match=f"holds {FILE}"):
        begun(demo, tmp_path / "two")
