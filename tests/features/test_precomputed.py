from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY_DATA, compose_train, shared
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.features import precomputed
from genrefusion.features.precomputed import (
    read_feature_table,
    read_sequences,
    refuse_genre_columns,
    require_numbers,
)
from genrefusion.runs.training import run_experiment
from genrefusion.settings.features import PrecomputedFeatures, TableFeatures


def write_sequences(path: Path, **changes: np.ndarray) -> Path:
    arrays = {
        "track_id": np.array(["a", "b"]),
        "frames": np.arange(10.0).reshape(5, 2),
        "offsets": np.array([0, 2, 5]),
    }
    np.savez(path, **(arrays | changes))
    return path


def test_each_track_gets_its_sequence(tmp_path: Path) -> None:
    sequences = read_sequences(write_sequences(tmp_path / "s.npz"))
    np.testing.assert_array_equal(sequences["a"], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(sequences["b"], [[4, 5], [6, 7], [8, 9]])


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.array([0, 2])},
        {"offsets": np.array([0, 2, 4])},
        {"offsets": np.array([0, 5, 5])},
        {"frames": np.arange(5.0)},
        {"offsets": np.array([0.0, 2.0, 5.0])},
        {"offsets": np.array([1, 2, 5])},
        {"offsets": np.array([0, 2, 5], np.uint8)[::-1]},
        {"frames": np.full((5, 2), "x")},
        {"track_id": np.array(["a", "a"])},
    ],
)
def test_another_layout_is_refused(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(UserError, match=r"s\.npz"):
        read_sequences(write_sequences(tmp_path / "s.npz", **changes))


@pytest.mark.parametrize("name", ["track_id", "frames", "offsets"])
def test_an_array_of_objects_is_refused_with_what_to_save_it_as(tmp_path: Path, name: str) -> None:
    path = write_sequences(tmp_path / "s.npz", **{name: np.array(["a", "b"], dtype=object)})
    with pytest.raises(UserError, match=rf"s\.npz: {name} is an array of Python objects.*np\.array\({name}, dtype="):
        read_sequences(path)


def test_ids_of_bytes_are_text(tmp_path: Path) -> None:
    path = write_sequences(tmp_path / "s.npz", track_id=np.array(["é".encode(), b"b"]))
    assert list(read_sequences(path)) == ["é", "b"]


def corpus(n: int = 24, genres: int = 3) -> Tracks:
    ids = pd.Index([f"t{number}" for number in range(n)], name="track_id")
    return Tracks(pd.DataFrame({"genre": [f"genre {number % genres}" for number in range(n)]}, index=ids), "mine")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_sequence_with_what_is_no_number_is_refused_by_its_track(tmp_path: Path, value: float) -> None:
    frames = np.arange(10.0).reshape(5, 2)
    frames[3, 1] = value
    ids = np.array(["t1", "t7"])
    features = PrecomputedFeatures(path=str(write_sequences(tmp_path / "s.npz", track_id=ids, frames=frames)))
    with pytest.raises(UserError, match=r"s\.npz: 1 of 24 tracks have values that are no numbers.*\n  t7\n"):
        require_numbers(corpus(), [features])
    require_numbers(corpus(n=7), [features])  # it is none of these


def write_table(path: Path, tracks: Tracks, **columns: object) -> TableFeatures:
    noise = np.random.default_rng(0).normal(size=len(tracks))
    pd.DataFrame({"track_id": tracks.ids, "x": noise, "y": noise**2} | columns).to_csv(path, index=False)
    return TableFeatures(path=str(path))


def test_a_row_with_what_is_no_number_is_refused_by_its_track(tmp_path: Path) -> None:
    column = np.arange(24.0) ** 2
    column[5] = np.inf
    with pytest.raises(UserError, match=r"f\.csv: 1 of 24 tracks have values that are no numbers.*\n  t5\n"):
        require_numbers(corpus(), [write_table(tmp_path / "f.csv", corpus(), z=column)])


def test_single_values_of_a_table_may_be_missing_but_not_all_of_a_track(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=24)
    noise[5] = np.nan
    require_numbers(corpus(), [write_table(tmp_path / "f.csv", corpus(), z=noise)])
    with pytest.raises(UserError, match=r"\n  t5\n"):
        require_numbers(corpus(), [write_table(tmp_path / "f.csv", corpus(), x=noise, y=noise)])


GENRES = np.arange(24) % 3


@pytest.mark.parametrize("column", [GENRES, GENRES * -1.5, GENRES == 1], ids=["label", "encoded", "one of them"])
def test_a_column_that_tells_the_genre_is_refused(tmp_path: Path, column: np.ndarray) -> None:
    features = write_table(tmp_path / "f.csv", corpus(), target=column.astype(float))
    with pytest.raises(UserError, match=r"f\.csv: 'target' has one number for all tracks of a genre.*Take it out"):
        refuse_genre_columns(corpus(), [features])


@pytest.mark.parametrize(
    ("tracks", "column"),
    [
        (corpus(), np.full(24, 7)),
        (corpus(), [*GENRES[:-1], 0]),
        (corpus(n=6, genres=2), [0, 1] * 3),
        (corpus(genres=24), range(0, 48, 2)),
    ],
    ids=["constant", "not all", "may be chance", "one of each"],
)
def test_a_column_that_may_be_a_feature_is_none_that_tells_the_genre(
    tmp_path: Path, tracks: Tracks, column: list[int]
) -> None:
    refuse_genre_columns(tracks, [write_table(tmp_path / "f.csv", tracks, z=column)])


@pytest.mark.parametrize("ending", ["csv", "CSV", "tsv", "jsonl"])
def test_a_table_of_features_is_read_as_a_spreadsheet_writes_it(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"track_id": ["01", "é"], "x": [1.5, -2.25], "y": [1000.0, 3e-5]})
    path = tmp_path / f"f.{ending}"
    if ending == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if ending == "tsv" else ";", decimal=",", encoding="cp1252")
    read = read_feature_table(path)
    assert list(read.index) == ["01", "é"]
    np.testing.assert_allclose(read, table[["x", "y"]])


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"\x80\x04 a pickle, perhaps")
    with pytest.raises(UserError, match=r"not an \.npz file"):
        read_sequences(tmp_path / "s.npz")


def test_a_table_of_features_is_read_by_file_name_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("filename,length,tempo,mfcc1_mean,label\nblues.00000.wav,661794,120,-113.5,blues\n")
    table = read_feature_table(path)
    assert list(table.index) == ["blues.00000"]
    assert list(table.columns) == ["tempo", "mfcc1_mean"]


@pytest.mark.parametrize("column", ["track_id", "filename"])
def test_ids_that_look_like_numbers_stay_text(tmp_path: Path, column: str) -> None:
    (tmp_path / "f.csv").write_text(f"{column},tempo\n007,120\n1e3,90\n7,60\n")
    assert list(read_feature_table(tmp_path / "f.csv").index) == ["007", "1e3", "7"]


@pytest.mark.parametrize(
    ("name", "track"),
    [("a.AIFF", "a"), ("a.aif", "a"), ("a.Mp3", "a"), ("a.wav.flac", "a.wav"), ("a.b", "a.b"), ("awav", "awav")],
)
def test_an_id_is_the_file_name_without_the_ending_of_audio(tmp_path: Path, name: str, track: str) -> None:
    (tmp_path / "f.csv").write_text(f"filename,tempo\n{name},120\n")
    assert list(read_feature_table(tmp_path / "f.csv").index) == [track]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,tempo\na,1\n", "no column track_id"),
        ("track_id,tempo\na,1\na,2\n", "there twice"),
        ("track_id,tempo,mood\na,1,sad\n", "hold no numbers: mood"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_feature_table(tmp_path / "f.csv")


def test_the_gtzan_table_has_57_features_of_1000_clips() -> None:
    assert read_feature_table(shared("gtzan_meta/features_30_sec.csv")).shape == (1000, 57)


NOISE = np.random.default_rng(0).normal(size=30)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"": NOISE}, "column 2 has no name"),
        ({"Unnamed: 0": NOISE}, "column 2 has no name"),
        ({"index": NOISE.round()}, "column 'index' numbers the rows"),
        ({"level_0": NOISE.round()}, "column 'level_0' numbers the rows"),
        ({"row": range(7, 37)}, "column 'row' numbers the rows"),
        ({"row": np.arange(30.0)}, "column 'row' numbers the rows"),
        ({"row": np.random.default_rng(0).permutation(30)}, "column 'row' numbers the rows"),
    ],
)
def test_columns_that_number_the_rows_are_no_features(columns: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    table = pd.DataFrame({"track_id": [f"t{number}" for number in range(30)]} | columns | {"x": NOISE})
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match=re.escape(f"{path}: {message}")) as error:
        read_feature_table(path)
    assert "to_csv(path, index=False)" in str(error.value)


def test_a_table_as_pandas_saves_it_with_its_index_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"track_id": list("abcd"), "x": NOISE[:4]}).to_csv(tmp_path / "f.csv")
    with pytest.raises(UserError, match="column 1 has no name"):
        read_feature_table(tmp_path / "f.csv")


@pytest.mark.parametrize(
    "values",
    [[3, 1, 2, 4], [1, 2, 2, 3], [0.5, 1.5, 2.5, 3.5], [5, 5, 5, 5], [1, 2, 4, 5], [4, 3, 2, 1]],
)
def test_whole_numbers_that_do_not_number_the_rows_are_features(values: list[float], tmp_path: Path) -> None:
    pd.DataFrame({"track_id": list("abcd"), "tempo": values}).to_csv(tmp_path / "f.csv", index=False)
    assert list(read_feature_table(tmp_path / "f.csv")["tempo"]) == values


@pytest.mark.parametrize("kind", ["precomputed", "table"])
def test_a_run_reads_its_ready_file_once(
    kind: str, demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrendered: None
) -> None:
    path = tmp_path / ("f.npz" if kind == "precomputed" else "f.csv")
    rows = np.random.default_rng(0).normal(size=(len(demo), 20)).astype(np.float32)
    if kind == "precomputed":
        np.savez(path, track_id=demo.ids, frames=rows, offsets=np.arange(len(demo) + 1))
    else:
        pd.DataFrame(rows).assign(track_id=demo.ids).to_csv(path, index=False)
    module, name = (np, "load") if kind == "precomputed" else (precomputed, "read_numbers")
    read, plain = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda file, *a, **k: (read.append(file), plain(file, *a, **k))[1])
    words = ["experiment=xgboost", f"features={kind}", f"features.path={path}", "pipeline.rounds=2"]
    run_experiment(compose_train(*TINY_DATA, *words), tmp_path / "run", quiet=True)
    assert read.count(path) == 1


def test_a_ready_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    path = write_sequences(tmp_path / "s.npz")
    before = read_sequences(path)
    assert read_sequences(path) is before
    write_sequences(path, track_id=np.array(["c", "d"]))
    assert list(read_sequences(path)) == ["c", "d"]


def test_what_all_share_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_sequences(write_sequences(tmp_path / "s.npz"))["a"][0, 0] = 7
