"""What all figures share: nothing is cropped, letters of every script, files that a page can take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genrefusion.core.terminal import Terminal
from genrefusion.metrics.predictions import with_truth
from genrefusion.reports import plots
from genrefusion.reports.drawing import WIDTH, in_lines, missing_letters, without_font
from genrefusion.reports.summary import _say_without_font

LONG = (
    f"{4 * '長い題名、'} a corpus of long names (synthetic), predefined split by artist, validation from train, n = 12"
)
DRAWN: dict[str, Callable[[Path, int, str], None]] = {
    "confusion": lambda path, n, title: plots.plot_confusion(predictions(n), path, title=title),
    "roc": lambda path, n, title: plots.plot_roc(predictions(n), path, title=title),
    "reliability": lambda path, n, title: plots.plot_reliability(predictions(n), path, title=title),
    "learning_curve": lambda path, n, title: plots.plot_learning_curve(history(members=n), path, title=title),
    "importance": lambda path, n, title: plots.plot_importance(importance(n), path, title=title),
    "frames": lambda path, n, title: plots.plot_frames(frames(n), path, title=title, genres=names(n)),
}


def names(n: int) -> list[str]:
    return [f"genre {number:02}" for number in range(n)]


def predictions(n: int, *, songs: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    ids = pd.Index([f"t{number}" for number in range(songs)], name="track_id")
    probabilities = pd.DataFrame(rng.dirichlet(np.ones(n), songs), index=ids, columns=names(n))
    return with_truth(probabilities, pd.Series(rng.choice(names(n), songs), index=ids))


def history(members: int) -> pd.DataFrame:
    """Two epochs of each training, of which the first is kept."""
    rows = pd.DataFrame([(member, epoch) for member in range(members) for epoch in (1, 2)], columns=["member", "epoch"])
    return rows.assign(fold=0, loss=1.0, val_log_loss=2.0, val_accuracy=0.5, best=rows["epoch"] == 1)


def importance(n: int) -> pd.DataFrame:
    rows = pd.DataFrame(np.random.default_rng(0).random((3, n + 1)), columns=["gain", *names(n)])
    return rows.assign(feature=["a", "a_feature_with_a_long_name", "c"], fold=0)


def frames(n: int) -> list[tuple[str, pd.DataFrame]]:
    rows = predictions(n, songs=3)[names(n)]
    return [(f"a song with a long name, number {number}: genre 00, taken for genre 01", rows) for number in range(5)]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures in place of their files."""
    kept: list[Figure] = []

    def keep(figure: Figure, _: Path) -> None:
        FigureCanvasAgg(figure).draw()
        kept.append(figure)

    monkeypatch.setattr(plots, "save_for_page", keep)
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4, 24])
@pytest.mark.parametrize("kind", DRAWN)
def test_no_title_or_label_is_cropped(kind: str, n: int, drawn: list[Figure], tmp_path: Path) -> None:
    with missing_letters():
        DRAWN[kind](tmp_path / "a.png", n, LONG)
    (figure,) = drawn
    pixels = np.asarray(cast(FigureCanvasAgg, figure.canvas).buffer_rgba())[..., :3]
    edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
    assert all((edge == 255).all() for edge in edges), "something reaches the border"
    assert figure.get_figwidth() == WIDTH


def test_trainings_have_colours_of_their_own_and_a_legend(drawn: list[Figure], tmp_path: Path) -> None:
    plots.plot_learning_curve(history(members=2), tmp_path / "a.png", title="demo")
    (figure,) = drawn
    losses = figure.axes[0]
    kept = [line for line in losses.lines if line.get_marker() == "o"]
    assert len({line.get_color() for line in kept}) == len(kept) == 2
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"training loss", "validation", "epoch that was kept", "member 1", "member 2"}


def test_parts_of_a_system_are_called_by_their_names(drawn: list[Figure], tmp_path: Path) -> None:
    rows = history(members=2)
    rows["member"] = rows["member"].map({0: "0", 1: "convolutions"})
    plots.plot_learning_curve(rows, tmp_path / "a.png", title="demo")
    assert {"whole network", "convolutions"} <= {text.get_text() for text in drawn[0].legends[0].get_texts()}


def test_drawings_are_whole_whatever_the_names(tmp_path: Path) -> None:
    odd = "<b>&\x07演歌"
    table = predictions(2).rename(columns={"genre 00": odd}).replace({"genre 00": odd})
    plots.plot_confusion(table, tmp_path / "a.png", title="demo")
    texts = [element.text for element in ElementTree.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("<b>&\ufffd演歌") == 2


def test_lines_are_broken_by_the_room_that_letters_take() -> None:
    assert in_lines("abc def", 3) == "abc\ndef"
    assert in_lines("東京大阪", 4) == "東京\n大阪"


def test_letters_that_no_font_has_are_named_with_a_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert without_font(["jazz", "רוק", "a\u200db"]) == ""
    _say_without_font(["jazz", "𓀀𓁐"], Terminal())
    said = capsys.readouterr().out
    assert "𓀀𓁐" in said
    assert "apt install fonts-noto" in said
