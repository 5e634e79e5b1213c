from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from genrefusion.metrics.predictions import with_truth
from genrefusion.reports import plots
from genrefusion.reports.plots import (
    draw_spectrogram,
    plot_confusion,
    plot_importance,
    plot_learning_curve,
    plot_reliability,
    plot_roc,
    plot_song,
)


def predictions(genres: int, *, songs: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(genres)
    names = [f"genre {i:02}" for i in range(genres)]
    ids = pd.Index([f"t{i}" for i in range(songs)], name="track_id")
    probabilities = pd.DataFrame(rng.dirichlet(np.ones(genres), songs), index=ids, columns=names)
    return with_truth(probabilities, pd.Series(rng.choice(names, songs), index=ids))


def history(*, folds: int = 1, members: int = 1, epochs: int = 4) -> pd.DataFrame:
    rows = [
        {
            "fold": fold,
            "member": member,
            "epoch": epoch,
            "loss": 2 / epoch,
            "val_log_loss": 2.2 / epoch,
            "val_accuracy": 1 - 0.5 / epoch,
            "best": epoch == epochs - 1,
        }
        for fold in range(folds)
        for member in range(members)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def read_image(path: Path) -> np.ndarray:
    """Pixels, shape (height, width, 4)."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    return plt.imread(path)


@pytest.mark.parametrize("genres", [2, 10, 30])
def test_a_confusion_matrix_is_an_image_of_sensible_size(tmp_path: Path, genres: int) -> None:
    plot_confusion(predictions(genres), tmp_path / "figures" / "confusion.png", title="demo (synthetic), n = 60")
    height, width, _ = read_image(tmp_path / "figures" / "confusion.png").shape
    assert 250 <= height <= 4000
    assert 250 <= width <= 4000
    assert 0.5 < width / height < 2


def test_a_confusion_matrix_may_have_genres_that_do_not_occur(tmp_path: Path) -> None:
    table = predictions(4)
    plot_confusion(table[table["genre"] == "genre 00"], tmp_path / "confusion.png", title="few")
    assert read_image(tmp_path / "confusion.png").size


def test_a_confusion_matrix_is_drawn_where_the_tracks_are(tmp_path: Path) -> None:
    """A system that is always right darkens the diagonal and nothing else."""
    table = predictions(6)
    right = table.assign(predicted=table["genre"])
    for name, rows in (("right", right), ("random", table)):
        plot_confusion(rows, tmp_path / f"{name}.png", title="same title")
    blue = [(read_image(tmp_path / f"{name}.png")[..., 0] < 0.3).mean() for name in ("right", "random")]
    assert blue[0] > 2 * blue[1]


@pytest.mark.parametrize(("folds", "members"), [(1, 1), (5, 1), (2, 3)])
def test_a_learning_curve_is_an_image_of_sensible_size(tmp_path: Path, folds: int, members: int) -> None:
    plot_learning_curve(history(folds=folds, members=members), tmp_path / "curve.png", title="demo")
    height, width, _ = read_image(tmp_path / "curve.png").shape
    assert 250 <= height < width <= 4000


def test_a_learning_curve_may_have_one_epoch(tmp_path: Path) -> None:
    plot_learning_curve(history(epochs=1).assign(best=True), tmp_path / "curve.png", title="demo")
    assert np.ptp(read_image(tmp_path / "curve.png")[..., :3]) > 0.5


@pytest.mark.parametrize("genres", [2, 10, 30])
def test_roc_curves_are_an_image_of_sensible_size(tmp_path: Path, genres: int) -> None:
    plot_roc(predictions(genres), tmp_path / "roc.png", title="demo")
    height, width, _ = read_image(tmp_path / "roc.png").shape
    assert 250 <= height <= 4000
    assert 250 <= width <= 4000


def test_roc_curves_may_be_of_one_genre_alone(tmp_path: Path) -> None:
    table = predictions(4)
    plot_roc(table[table["genre"] == "genre 00"], tmp_path / "roc.png", title="few")
    assert read_image(tmp_path / "roc.png").size


@pytest.mark.parametrize("genres", [2, 10, 30])
def test_a_reliability_diagram_is_an_image_of_sensible_size(tmp_path: Path, genres: int) -> None:
    plot_reliability(predictions(genres), tmp_path / "reliability.png", title="demo")
    height, width, _ = read_image(tmp_path / "reliability.png").shape
    assert 250 <= height < width <= 4000


def test_a_reliability_diagram_has_the_tracks_and_accuracy_of_each_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Figure] = []
    monkeypatch.setattr(plots, "save_for_page", lambda figure, _: kept.append(figure))
    confidence = [0.62, 0.68, 0.66, 0.95, 0.97]
    ids = pd.Index([f"t{i}" for i in range(5)], name="track_id")
    probabilities = pd.DataFrame({"jazz": confidence, "rock": [1 - c for c in confidence]}, index=ids)
    genres = pd.Series(["jazz", "rock", "rock", "jazz", "jazz"], index=ids)
    plot_reliability(with_truth(probabilities, genres), tmp_path / "reliability.png", title="demo")
    axes = kept[0].axes[0]
    points = np.asarray(axes.lines[1].get_xydata())
    np.testing.assert_allclose(points, [[0.653333, 1 / 3], [0.96, 1]], atol=1e-5)
    assert [text.get_text() for text in axes.texts] == ["3", "2"]


@pytest.mark.parametrize("features", [1, 97])
def test_importances_are_an_image_of_sensible_size(tmp_path: Path, features: int) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.random((2 * features, 3)), columns=["gain", "jazz", "rock"])
    table = rows.assign(feature=[f"mfccs_{i // 2}" for i in range(2 * features)], fold=[0, 1] * features)
    plot_importance(table, tmp_path / "importance.png", title="demo")
    height, width, _ = read_image(tmp_path / "importance.png").shape
    assert 250 <= height <= 4000
    assert 250 <= width <= 4000


@pytest.mark.parametrize(
    "spans", [[], [(0, 2)], [(5, 34), (20, 49), (49, 78)], [(30 * i, 30 * i + 30) for i in range(120)]]
)
@pytest.mark.parametrize("genres", [2, 20])
@pytest.mark.filterwarnings("error")
def test_a_song_is_drawn_with_and_without_frames(spans: list[tuple[float, float]], genres: int, tmp_path: Path) -> None:
    rows = predictions(genres, songs=len(spans) + 1).iloc[:, 4:].reset_index(drop=True)
    frames = [(span, rows.iloc[number]) for number, span in enumerate(spans)]
    plot_song(rows.iloc[-1], frames, tmp_path / "song.png", title="$\\bad{ 東京")
    assert read_image(tmp_path / "song.png").shape[1] >= (1000 if spans else 400)


def test_areas_of_a_song_end_where_its_frames_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure))
    rows = predictions(3, songs=2).iloc[:, 4:].reset_index(drop=True)
    frames = [((5.0, 25.0), rows.iloc[0]), ((15.0, 35.0), rows.iloc[1])]
    plot_song(rows.mean(), frames, tmp_path / "song.png", title="song")
    course, bars = drawn[0].axes
    areas = [patch.get_data() for patch in course.patches]
    np.testing.assert_allclose(areas[0].edges, [5, 20, 35])
    np.testing.assert_allclose([height for height, _, _ in areas], np.cumsum(rows.to_numpy(), axis=1).T)
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], rows.mean())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("script", ["演歌", "रॉक", "موسيقى", "♫🎸"])
def test_genres_of_every_script_are_drawn_without_a_warning(script: str, tmp_path: Path) -> None:
    table = predictions(2).rename(columns={"genre 00": script}).replace({"genre 00": script})
    plot_confusion(table, tmp_path / "confusion.png", title=script)
    assert read_image(tmp_path / "confusion.png").size


def test_names_are_never_read_as_formulas(tmp_path: Path) -> None:
    table = predictions(2).rename(columns={"genre 00": "$\\bad{", "genre 01": "50 % _x_"})
    table = table.replace({"genre 00": "$\\bad{", "genre 01": "50 % _x_"})
    plot_confusion(table, tmp_path / "confusion.png", title="a $\\bad{ corpus")
    assert read_image(tmp_path / "confusion.png").size


def test_the_same_predictions_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        plot_confusion(predictions(3), tmp_path / f"{name}.png", title="demo")
    for kind in ("png", "svg"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_no_figure_is_left_open_and_no_style_behind(tmp_path: Path) -> None:
    before = dict(plt.rcParams)
    plot_confusion(predictions(3), tmp_path / "confusion.png", title="demo")
    plot_learning_curve(history(), tmp_path / "curve.png", title="demo")
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("confusion.png", "confusion.svg", "curve.png", "curve.svg")
    ]


def test_drawing_leaves_it_to_the_program_how_it_draws(tmp_path: Path) -> None:
    code = f"""
import pathlib, sys, matplotlib
import pandas as pd
from genrefusion.reports import attention_plots, lyrics_plots, plots, result_tables, sides_plot, sweep_plots
plots.plot_song(pd.Series({{"jazz": 0.7, "rock": 0.3}}), [], pathlib.Path({str(tmp_path)!r}) / "song.png", title="song")
print("matplotlib.pyplot" in sys.modules, matplotlib.get_backend())
"""
    environment = os.environ | {"MPLBACKEND": "svg"}
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert asked.stdout.split() == ["False", "svg"]
    assert (tmp_path / "song.png").is_file()


def test_a_notebook_shows_a_spectrogram() -> None:
    figure = draw_spectrogram(np.zeros(22050, dtype=np.float32), sample_rate=22050, title="silence")
    assert figure._repr_png_().startswith(b"\x89PNG")
