from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import shared
from genrefusion.errors import UserError
from genrefusion.features.precomputed import read_feature_table, read_sequences, summarise_sequence


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


def test_summary_is_mean_deviation_and_maximum() -> None:
    np.testing.assert_allclose(summarise_sequence(np.array([[1.0, 4.0], [3.0, 4.0]])), [2, 4, 1, 0, 3, 4])


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.array([0, 2])},
        {"offsets": np.array([0, 2, 4])},
        {"offsets": np.array([0, 5, 5])},
        {"frames": np.arange(5.0)},
        {"track_id": np.array([{"a": 1}, None], dtype=object)},
    ],
)
def test_another_layout_is_refused(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(UserError, match=r"s\.npz"):
        read_sequences(write_sequences(tmp_path / "s.npz", **changes))


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
