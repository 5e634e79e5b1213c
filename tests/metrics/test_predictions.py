from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genrefusion.core.errors import UserError
from genrefusion.metrics.predictions import (
    arrays,
    frames_table,
    genre_columns,
    read_predictions,
    with_truth,
    worst_errors,
    write_predictions,
)

GENRES = ["NA", "hip, hop", "rock"]
IDS = ["007", 'it\'s "live"\n', "é", "null", "1e5"]


@pytest.fixture
def probabilities() -> pd.DataFrame:
    values = np.random.default_rng(0).dirichlet(np.ones(3), 5).astype(np.float32)
    return pd.DataFrame(values, index=pd.Index(IDS, name="track_id"), columns=GENRES)


@pytest.fixture
def genres() -> pd.Series:
    return pd.Series(["rock", "NA", "hip, hop", "NA", "rock"], index=IDS[::-1])


def test_truth_is_joined_by_track(probabilities: pd.DataFrame, genres: pd.Series) -> None:
    table = with_truth(probabilities, genres, fold=3)
    assert table["track_id"].tolist() == IDS
    assert table["genre"].tolist() == ["rock", "NA", "hip, hop", "NA", "rock"]
    assert table["fold"].tolist() == [3] * 5
    assert list(table.columns) == ["track_id", "fold", "genre", "predicted", *GENRES]


def test_the_prediction_is_the_most_probable_genre(probabilities: pd.DataFrame, genres: pd.Series) -> None:
    expected = [GENRES[i] for i in probabilities.to_numpy().argmax(axis=1)]
    assert with_truth(probabilities, genres)["predicted"].tolist() == expected


def test_a_track_without_a_genre_is_an_error(probabilities: pd.DataFrame, genres: pd.Series) -> None:
    with pytest.raises(KeyError):
        with_truth(probabilities, genres.drop("é"))


def test_predictions_come_back_as_they_were(tmp_path: Path, probabilities: pd.DataFrame, genres: pd.Series) -> None:
    table = with_truth(probabilities, genres)
    write_predictions(table, tmp_path / "predictions" / "test.csv")
    found = read_predictions(tmp_path / "predictions" / "test.csv")
    assert found[["track_id", "fold", "genre", "predicted"]].equals(
        table[["track_id", "fold", "genre", "predicted"]].astype(
            found.dtypes[["track_id", "fold", "genre", "predicted"]]
        )
    )
    assert genre_columns(found) == GENRES


def test_single_precision_comes_back_almost_to_the_bit(
    tmp_path: Path, probabilities: pd.DataFrame, genres: pd.Series
) -> None:
    write_predictions(with_truth(probabilities, genres), tmp_path / "test.csv")
    found = read_predictions(tmp_path / "test.csv")[GENRES].to_numpy()
    np.testing.assert_allclose(found, probabilities.to_numpy(), rtol=5e-7)


def test_small_probabilities_keep_their_digits(tmp_path: Path) -> None:
    row = pd.DataFrame([[1 - 1e-20, 1e-20]], index=pd.Index(["a"], name="track_id"), columns=["jazz", "rock"])
    write_predictions(with_truth(row, pd.Series({"a": "jazz"})), tmp_path / "test.csv")
    assert read_predictions(tmp_path / "test.csv")["rock"].item() == pytest.approx(1e-20)


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product([["01", "02"], range(3)], names=["track_id", "frame"])
    values = np.random.default_rng(0).dirichlet(np.ones(2), 6)
    table = frames_table(pd.DataFrame(values, index=index, columns=["jazz", "rock"]), fold=2)
    write_predictions(table, tmp_path / "test.csv")
    found = read_predictions(tmp_path / "test.csv")
    assert list(found.columns) == ["track_id", "fold", "frame", "jazz", "rock"]
    assert found["track_id"].tolist() == ["01"] * 3 + ["02"] * 3
    assert found["frame"].tolist() == [0, 1, 2] * 2
    assert genre_columns(found) == ["jazz", "rock"]
    np.testing.assert_allclose(found[["jazz", "rock"]], values, atol=1e-7)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test.csv: no such file. A finished run has it"):
        read_predictions(tmp_path / "test.csv")


@pytest.mark.parametrize(
    "content",
    [
        "track_id,fold,genre,predicted,jazz,rock\na,0,jazz,jazz,0.9,0.3\n",
        "track_id,fold,genre,predicted,jazz,rock\n",
        "track_id,fold,genre,predicted,jazz,rock\na,0,jazz,jazz,,1\nb,0,jazz,jazz,0.5,0.5\n",
        "track_id,fold,genre,predicted,jazz,rock\na,0,jazz,jazz,nan,0.5\n",
        "track_id,fold,genre,predicted,jazz,rock\na,0,jazz,jazz,1.5,-0.5\n",
        "track_id,genre\na,jazz\n",
        "jazz,rock\n0.5,0.5\n",
        "",
        "\x00\x01\x02",
    ],
    ids=["sums", "no rows", "gap", "nan", "negative", "tracks table", "no ids", "empty", "binary"],
)
def test_a_file_that_is_no_table_of_predictions_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "test.csv").write_text(content)
    with pytest.raises(UserError, match=r"test.csv: not a table of predictions"):
        read_predictions(tmp_path / "test.csv")


def test_a_write_that_fails_keeps_the_table_that_was_there(
    tmp_path: Path, probabilities: pd.DataFrame, genres: pd.Series
) -> None:
    path = tmp_path / "test.csv"
    write_predictions(with_truth(probabilities, genres), path)
    before = path.read_bytes()
    broken = with_truth(probabilities, genres).assign(predicted="\ud800")  # cannot be encoded
    with pytest.raises(UnicodeEncodeError):
        write_predictions(broken, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_surest_errors_come_first() -> None:
    table = pd.DataFrame(
        {
            "track_id": ["a", "b", "c", "d"],
            "fold": 0,
            "genre": ["jazz", "jazz", "rock", "rock"],
            "predicted": ["rock", "jazz", "jazz", "jazz"],
            "jazz": [0.4, 0.9, 0.8, 0.7],
            "rock": [0.6, 0.1, 0.2, 0.3],
        }
    )
    found = worst_errors(table, most=2)
    assert found["track_id"].tolist() == ["c", "d"]
    assert found["p_genre"].tolist() == [0.2, 0.3]
    assert found["p_predicted"].tolist() == [0.8, 0.7]


def test_arrays_take_columns_by_name(probabilities: pd.DataFrame, genres: pd.Series) -> None:
    table = with_truth(probabilities, genres)
    truth, values = arrays(table, genres=["rock", "NA", "hip, hop"])
    assert truth.tolist() == [0, 1, 2, 1, 0]
    np.testing.assert_array_equal(values, probabilities[["rock", "NA", "hip, hop"]].to_numpy(np.float64))
    assert arrays(table)[0].tolist() == [2, 0, 1, 0, 2]


def test_arrays_refuse_other_genres_and_truths_without_a_column(probabilities: pd.DataFrame, genres: pd.Series) -> None:
    table = with_truth(probabilities, genres)
    with pytest.raises(UserError, match="folk: in one of them only"):
        arrays(table, genres=[*GENRES, "folk"])
    with pytest.raises(UserError, match=r"no column for:\n  polka"):
        arrays(table.assign(genre="polka"))


def test_arrays_refuse_two_rows_about_a_track_but_not_of_two_folds(
    probabilities: pd.DataFrame, genres: pd.Series
) -> None:
    table = with_truth(probabilities, genres)
    with pytest.raises(UserError, match=r"more than one row for 5 tracks:\n  007"):
        arrays(pd.concat([table, table]))
    assert len(arrays(pd.concat([table, table.assign(fold=1)]))[0]) == 10
