from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.audio import load_audio, sha256_of
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache, LazyArray, LazyView, Recipe, ScratchCache, decoders, extract

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


def run(extractor: Loudness, store: FeatureCache, *paths: Path) -> dict[str, LazyArray]:
    return extract(tracks_of(*paths), extractor, store, workers=1, terminal=QUIET)


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
    assert [path for path in entries(store) if path.suffix == ".lock"] == []


def test_the_number_of_workers_changes_nothing(store: FeatureCache, write_tone: WriteTone, tmp_path: Path) -> None:
    tracks = tracks_of(*(write_tone(tmp_path / f"{level}.wav", level=level / 10) for level in (1, 2, 3)))
    extractor = Loudness()
    first = extract(tracks, extractor, store, workers=3, terminal=QUIET)
    second = extract(tracks, extractor, store, workers=1, terminal=QUIET)
    assert len(extractor.asked) == 3
    assert [float(first[t][0]) for t in tracks.ids] == [float(second[t][0]) for t in tracks.ids]


@pytest.mark.parametrize("version", ["soundfile.__libsndfile_version__", "soxr.__version__"])
def test_another_version_of_a_decoding_library_misses(
    store: FeatureCache, write_tone: WriteTone, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, extractor = write_tone(tmp_path / "a.wav"), Loudness()
    run(extractor, store, path)
    monkeypatch.setattr(version, "99.0")
    run(extractor, store, path)
    run(extractor, store, path)
    assert extractor.asked == ["a.wav", "a.wav"]


def test_two_files_of_the_same_bytes_are_computed_once(
    store: FeatureCache, write_tone: WriteTone, tmp_path: Path
) -> None:
    extractor = Loudness()
    found = run(extractor, store, write_tone(tmp_path / "a.wav"), write_tone(tmp_path / "b.wav"))
    assert len(extractor.asked) == 1
    np.testing.assert_array_equal(found["a"], found["b"])


def test_how_many_songs_came_from_the_cache_is_told(
    store: FeatureCache, write_tone: WriteTone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write_tone(tmp_path / f"{level}.wav", level=level / 10) for level in (1, 2, 3)]
    run(Loudness(), store, paths[1])
    extract(tracks_of(*paths), Loudness(), store, workers=1, terminal=Terminal())
    assert "3 songs (1 from cache)" in capsys.readouterr().out


def test_a_folder_of_the_cache_says_what_is_in_it(store: FeatureCache, write_tone: WriteTone, tmp_path: Path) -> None:
    run(Loudness(gain=2), store, write_tone(tmp_path / "a.wav"))
    (about,) = store.directory.rglob("about.json")
    assert json.loads(about.read_text()) == {
        "name": "loudness",
        "version": 1,
        "parameters": {"gain": 2},
        "made_with": decoders(),
    }


def test_the_scratch_cache_writes_nothing_and_forgets(write_tone: WriteTone, tmp_path: Path) -> None:
    store, extractor, path = ScratchCache(tmp_path / "features"), Loudness(), write_tone(tmp_path / "a.wav")
    for asked in (1, 1):
        run(extractor, store, path)
        assert len(extractor.asked) == asked
    store.forget("text")
    run(extractor, store, path)
    assert len(extractor.asked) == 1, "those of another name stay"
    store.forget()
    run(extractor, store, path)
    assert len(extractor.asked) == 2
    assert not (tmp_path / "features").exists()


RECIPE = Recipe("mel", 1, {"hop": 256, "n_fft": 512}, {"device": "cpu"})


@pytest.mark.parametrize(
    "other",
    [
        {"name": "cqt"},
        {"version": 2},
        {"parameters": {"hop": 128, "n_fft": 512}},
        {"parameters": {"hop": 256}},
        {"made_with": {"device": "cuda"}},
    ],
    ids=str,
)
def test_a_recipe_is_that_of_its_extractor_version_parameters_and_device(other: dict[str, Any]) -> None:
    assert replace(RECIPE, **other).digest != RECIPE.digest
    assert len(RECIPE.digest) == 64


def test_a_recipe_does_not_depend_on_the_order_of_parameters() -> None:
    assert replace(RECIPE, parameters={"n_fft": 512, "hop": 256}).digest == RECIPE.digest


@pytest.mark.parametrize("index", [np.s_[:, :, -2:], np.s_[None], np.s_[:, 1:]], ids=str)
def test_a_view_is_what_numpy_would_give(index: Any) -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    view = LazyView(array, index)
    assert view.shape == array[index].shape
    assert len(view) == len(array[index])
    np.testing.assert_array_equal(np.asarray(view), array[index])
    np.testing.assert_array_equal(np.array(view, np.float32), array[index])
    np.testing.assert_array_equal(view[0], array[index][0])


def test_a_copy_of_a_view_can_be_written_whatever_it_looks_at() -> None:
    shared = np.arange(6.0)
    shared.setflags(write=False)
    view = LazyView(shared, np.s_[None])
    copy = np.array(view)
    copy[:] = 1
    np.testing.assert_array_equal(np.asarray(view), [[0, 1, 2, 3, 4, 5]])
