"""Experiments on one corpus and split, and the runs that were made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from conftest import TINY_DATA
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.runs.experiments import Experiments, shared_overrides
from genrefusion.runs.training import run_experiment
from genrefusion.settings.composing import configs_directory, register

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unrendered")]


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    register()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        yield


def experiments(
    output: Path, *overrides: str, weights: str | None = None, features: tuple[str, ...] = ()
) -> Experiments:
    return Experiments(str(output), [*TINY_DATA, *overrides], Terminal(quiet=True), weights=weights, features=features)


def test_what_concerns_one_experiment_is_not_shared() -> None:
    typed = ["experiment=ensemble", "pipeline.combine=mean", "seed=1", "data=demo", "split.folds=3", "+output=x"]
    assert shared_overrides(typed) == ["data=demo", "split.folds=3", "+output=x"]


def test_a_missing_member_names_the_command_that_makes_it(demo: Tracks, tmp_path: Path) -> None:
    command = f"train experiment=lyrics_tfidf {' '.join(TINY_DATA)} split=kfold seed=3"
    with pytest.raises(UserError, match="'lyrics_tfidf' on this corpus, split and seed does not exist") as error:
        experiments(tmp_path, "split=kfold").member("lyrics_tfidf", 3)
    assert command in str(error.value).splitlines()


def test_the_newest_finished_run_with_the_same_settings_is_found(demo: Tracks, tmp_path: Path) -> None:
    found = experiments(tmp_path)
    settings = found.compose("lyrics_tfidf", seed=0)
    for name in ("1", "2"):
        run_experiment(settings, tmp_path / "lyrics_tfidf" / "demo" / name, quiet=True)
    assert found.member("lyrics_tfidf", 0).name == "2"
    assert found.find(found.compose("lyrics_tfidf", "pipeline.c=2", seed=0)) == (None, False)
    with pytest.raises(UserError, match="does not exist"):
        found.member("lyrics_tfidf", 1)


def test_an_unfinished_member_names_how_to_go_on(demo: Tracks, tmp_path: Path) -> None:
    found = experiments(tmp_path)
    folder = tmp_path / "lyrics_tfidf" / "demo" / "1"
    run_experiment(found.compose("lyrics_tfidf", seed=0), folder, quiet=True)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "running"}))
    with pytest.raises(UserError, match=f"is not finished.*\n.*resume=true hydra.run.dir={folder}\n"):
        found.member("lyrics_tfidf", 0)
    (folder / "run.json").write_text(json.dumps(record | {"status": "trial"}))
    with pytest.raises(UserError, match="does not exist"):  # what a trial of a sweep left is no run
        found.member("lyrics_tfidf", 0)


def test_a_damaged_record_is_no_run(demo: Tracks, tmp_path: Path) -> None:
    folder = tmp_path / "lyrics_tfidf" / "demo" / "1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"signature"')
    assert experiments(tmp_path).find(experiments(tmp_path).compose("lyrics_tfidf", seed=0)) == (None, False)


def test_weights_go_to_what_has_convolutions_and_stand_for_msd(tmp_path: Path) -> None:
    found = experiments(tmp_path, weights="w.h5")
    assert found.compose("multiframe", seed=0).pipeline.weights == "w.h5"
    assert found.compose("multiframe", "pipeline.weights=msd", seed=0).pipeline.weights == "w.h5"
    assert found.compose("multiframe", "pipeline.weights=none", seed=0).pipeline.weights == "none"
    assert not hasattr(found.compose("xgboost", seed=0).pipeline, "weights")


def test_features_go_to_what_reads_audio(tmp_path: Path) -> None:
    found = experiments(tmp_path, features=("features=precomputed", "features.path=v.npz"))
    assert found.compose("xgboost", seed=0).features.path == "v.npz"
    assert found.compose("lyrics", seed=0).features.name == "none"
