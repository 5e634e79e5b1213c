"""What identifies a run: its signature, versions and commit."""

from __future__ import annotations

import importlib.metadata
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from conftest import TINY_DATA, compose_train, shared
from genrefusion.core.errors import UserError
from genrefusion.data.splits import split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.runs.record import (
    RESULTS_VERSION,
    _difference,
    chosen,
    code,
    ensemble_signature,
    git_state,
    require_same_code,
    signature,
)
from genrefusion.settings.features import MusicnnFeatures, PrecomputedFeatures
from genrefusion.settings.pipelines import EnsembleSettings, MultiframeSettings

NAMED = {
    "table": ("experiment=xgboost", "features=table", "features.path={}"),
    "precomputed": ("experiment=xgboost", "features=precomputed", "features.path={}"),
    "weights": ("experiment=multiframe", "pipeline.weights={}"),
}
"""Settings that name a file."""


def sign(tracks: Tracks, *overrides: str, split_seed: int = 0) -> str:
    config = compose_train(*TINY_DATA, *overrides)
    return signature(config, tracks, split_tracks(tracks, config.split, seed=split_seed))


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", NAMED)
def test_of_a_named_file_the_content_counts_and_not_the_place(kind: str, demo: Tracks, tmp_path: Path) -> None:
    def with_file(path: Path) -> str:
        return sign(demo, *(override.format(path) for override in NAMED[kind]))

    here = with_file(write(tmp_path / "here" / "f", b"one"))
    assert with_file(write(tmp_path / "there" / "g", b"one")) == here
    assert with_file(write(tmp_path / "here" / "f", b"other")) != here


def test_a_file_in_the_home_folder_counts_by_its_content(
    demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "w.hdf5", b"one")
    first = sign(demo, "pipeline.weights='~/w.hdf5'")
    write(tmp_path / "w.hdf5", b"other")
    assert sign(demo, "pipeline.weights='~/w.hdf5'") != first


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1"],
        ["pipeline.lr=0.5"],
        ["features.trim=1"],
        ["trainer.mixed_precision=bf16"],
        ["data.max_seconds=5"],
        ["pipeline.weights=msd"],
    ],
)
def test_what_changes_a_result_changes_the_signature(demo: Tracks, overrides: list[str]) -> None:
    assert sign(demo, *overrides) != sign(demo)


@pytest.mark.parametrize(
    "override", ["workers=1", "trainer.threads=1", "trainer.device=cuda", "cache=elsewhere", "output=elsewhere"]
)
def test_where_and_how_fast_a_run_is_made_does_not(demo: Tracks, override: str) -> None:
    assert sign(demo, override) == sign(demo)


def test_corpus_and_split_are_part_of_the_signature(demo: Tracks) -> None:
    assert sign(demo, split_seed=1) != sign(demo)
    lyrics = demo.table["lyrics"].where(demo.table.index != demo.ids[0], "la")
    config = compose_train(*TINY_DATA)
    split = split_tracks(demo, config.split, seed=0)
    other = replace(demo, table=demo.table.assign(lyrics=lyrics))
    assert signature(config, other, split) != signature(config, demo, split)


def test_a_setting_that_is_added_later_leaves_old_signatures_as_they_are() -> None:
    @dataclass
    class Later(MultiframeSettings):
        added: int = 3

    Later.__name__ = "MultiframeSettings"
    assert chosen(Later(width=8)) == chosen(MultiframeSettings(width=8)) == {"schema": "MultiframeSettings", "width": 8}
    assert chosen(Later(added=4)) != chosen(MultiframeSettings())


def test_settings_within_settings_count(demo: Tracks) -> None:
    knn = ["experiment=multiframe_knn"]
    assert sign(demo, *knn, "pipeline.knn.neighbours=5") != sign(demo, *knn)
    lyrics = ["experiment=lyrics_frozen"]
    assert sign(demo, *lyrics, "text_encoder.window=64") != sign(demo, *lyrics)


def test_the_name_of_a_choice_does_not_count(demo: Tracks) -> None:
    words = ["experiment=lyrics_tfidf", "text_encoder=tfidf"]
    assert sign(demo, *words, "text_encoder.name=other") == sign(demo, *words)


def test_a_file_of_word_vectors_counts_by_its_content(demo: Tracks, tmp_path: Path) -> None:
    words = ["experiment=lyrics_tfidf", "text_encoder=vectors"]
    here, there, other = (
        write(tmp_path / name, text) for name, text in (("a", b"la 1"), ("b", b"la 1"), ("c", b"la 2"))
    )
    first = sign(demo, *words, f"text_encoder.model={here}")
    assert sign(demo, *words, f"text_encoder.model={there}") == first
    assert sign(demo, *words, f"text_encoder.model={other}") != first


def test_published_weights_by_name_and_by_path_are_the_same(demo: Tracks) -> None:
    path = shared("weights/music_tagger_crnn_weights_theano.h5")
    assert sign(demo, f"pipeline.weights={path}") == sign(demo, "pipeline.weights=msd")


@pytest.mark.slow
def test_so_are_those_of_the_tag_network(demo: Tracks, musicnn_weights: Path, other_weights: Path) -> None:
    tags = ["experiment=xgboost", "features=musicnn"]
    assert sign(demo, *tags, f"features.weights={musicnn_weights}") == sign(demo, *tags)
    assert sign(demo, *tags, f"features.weights={other_weights}") != sign(demo, *tags)


def test_what_a_run_notes_of_other_settings_does_not_count() -> None:
    noted = MusicnnFeatures(weights="w", weights_sha256="0"), PrecomputedFeatures(path="p", channels=3)
    plain = MusicnnFeatures(weights="w"), PrecomputedFeatures(path="p")
    assert [*map(chosen, noted)] == [*map(chosen, plain)]


def test_members_of_an_ensemble_count_by_their_predictions(tmp_path: Path) -> None:
    def folder(name: str, content: bytes) -> Path:
        for part in ("val", "test"):
            (tmp_path / name / "predictions").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "predictions" / f"{part}.csv").write_bytes(content)
        return tmp_path / name

    def sign_of(*folders: Path) -> str:
        settings = EnsembleSettings(runs=[str(path) for path in folders])
        return ensemble_signature(replace(compose_train(*TINY_DATA), pipeline=settings), folders)

    a, b, moved, other = (folder(*each) for each in (("a", b"1"), ("b", b"2"), ("moved", b"1"), ("other", b"3")))
    assert sign_of(a, b) == sign_of(moved, b)
    assert len({sign_of(a, b), sign_of(b, a), sign_of(other, b)}) == 3


def test_a_run_of_other_results_is_not_gone_on_with(tmp_path: Path) -> None:
    require_same_code({"results_version": RESULTS_VERSION}, tmp_path)
    for record in ({}, {"results_version": RESULTS_VERSION - 1, "versions": {"genrefusion": "0.0"}}):
        with pytest.raises(UserError, match=r"since when results have changed.*train it anew"):
            require_same_code(record, tmp_path)


def test_all_that_can_move_a_result_is_named_with_its_version() -> None:
    versions = code()["versions"]
    for package in ("torch", "xgboost", "transformers", "soxr", "skops", "numpy"):
        assert versions[package] == importlib.metadata.version(package)
    assert {"python", "libsndfile", "genrefusion"} <= set(versions)


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_a_commit_and_what_differs_from_it_are_told(tmp_path: Path) -> None:
    package = tmp_path / "src" / "genrefusion"
    write(package.parent / "x", b"")
    write(package / "__init__.py", b"1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    commit, difference = git_state(package)
    assert len(str(commit)) == 40
    assert difference is None
    write(package / "__init__.py", b"2")
    changed = git_state(package)
    assert changed[0] == f"{commit}-dirty"
    write(package / "new.py", b"3")
    assert len({changed[1], git_state(package)[1], None}) == 3, "a file that git does not know yet counts too"


def test_the_repository_of_a_user_is_not_that_of_the_package(tmp_path: Path) -> None:
    write(tmp_path / "thesis.tex", b"")
    write(tmp_path / ".gitignore", b".venv")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    package = tmp_path / ".venv" / "lib" / "genrefusion"
    package.mkdir(parents=True)
    write(package / "__init__.py", b"")
    assert git_state(package) == (None, None)


def test_what_differs_is_named_whatever_its_value_is_called() -> None:
    before, now = (
        compose_train("experiment=lyrics", "data=folder", f"data.root={root}", f"resume={resume}")
        for root, resume in (("resume_a", "false"), ("resume_b", "true"))
    )
    assert _difference({"config": asdict(before)}, now) == "  data.root: resume_a there, resume_b here"
