"""What all figures share: nothing is cropped, letters of every script, files that a page can take."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from genrefusion.core.terminal import Terminal
from genrefusion.metrics.predictions import with_truth
from genrefusion.reports import attention_plots, plots
from genrefusion.reports.drawing import WIDTH, in_lines, missing_letters, without_font
from genrefusion.reports.summary import _say_without_font

LONG = (
    f"{4 * '長い題名、'} a corpus of long names (synthetic), predefined split by artist, validation from train, n = 12"
)
SONG = f"{12 * 'a_long_name'}.mp3"
DRAWN: dict[str, Callable[[Path, list[str], str], None]] = {
    "confusion": lambda path, names, title: plots.plot_confusion(predictions(names), path, title=title),
    "roc": lambda path, names, title: plots.plot_roc(predictions(names), path, title=title),
    "reliability": lambda path, names, title: plots.plot_reliability(predictions(names), path, title=title),
    "learning_curve": lambda path, names, title: plots.plot_learning_curve(history(names), path, title=title),
    "importance": lambda path, names, title: plots.plot_importance(importance(names), path, title=title),
    "frames": lambda path, names, title: plots.plot_frames(frames(names), path, title=title, genres=names),
    "song": lambda path, names, title: plots.plot_song(*song(names), path, title=f"{SONG}, {title}"),
    "words": lambda path, names, title: attention_plots.plot_words(words(names), names, path, title=title),
}
NAMES = {
    "short": "genre {:02}",
    "long": "{:02} psychedelic folk rock of a long revival",
    "CJK": "{:02}演歌と歌謡曲のなかの長い名前",
}


def names(n: int, kind: str = "short") -> list[str]:
    return [NAMES[kind].format(number) for number in range(n)]


def predictions(names: list[str], *, songs: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(len(names))
    ids = pd.Index([f"t{number}" for number in range(songs)], name="track_id")
    probabilities = pd.DataFrame(rng.dirichlet(np.ones(len(names)), songs), index=ids, columns=names)
    return with_truth(probabilities, pd.Series(rng.choice(names, songs), index=ids))


def history(members: list[str]) -> pd.DataFrame:
    """Two epochs of each training, of which the first is kept."""
    rows = pd.DataFrame([(member, epoch) for member in members for epoch in (1, 2)], columns=["member", "epoch"])
    return rows.assign(fold=0, loss=1.0, val_log_loss=2.0, val_accuracy=0.5, best=rows["epoch"] == 1)


def importance(names: list[str]) -> pd.DataFrame:
    rows = pd.DataFrame(np.random.default_rng(0).random((3, len(names) + 1)), columns=["gain", *names])
    return rows.assign(feature=["a", "a_feature_with_a_name_that_is_even_longer", "c"], fold=0)


def frames(names: list[str]) -> list[tuple[str, pd.DataFrame]]:
    rows = predictions(names, songs=3)[names]
    return [(f"{SONG if number else 'a song'}: {names[0]}, taken for {names[1]}", rows) for number in range(5)]


def song(names: list[str]) -> tuple[pd.Series, list[tuple[tuple[float, float], pd.Series]]]:
    rows = predictions(names, songs=5)[names]
    return rows.mean(), [((20.0 * number, 20.0 * number + 30), row) for number, (_, row) in enumerate(rows.iterrows())]


def words(names: list[str]) -> pd.DataFrame:
    rows = [(name, f"word{number}", 1.0 + number, 3) for name in names for number in range(4)]
    return pd.DataFrame(rows, columns=["genre", "word", "times", "songs"])


def shown_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """What is written straight and where; slanted texts lie in the boxes of their neighbours."""
    every = [each for axes in figure.axes for each in (axes, *axes.child_axes)]
    marks = {
        id(mark) for axes in every for axis in (axes.xaxis, axes.yaxis) for mark in axis.get_ticklabels(which="both")
    }
    lines = [axis for axes in every if axes.axison for axis in (axes.xaxis, axes.yaxis)]
    drawn = {id(label) for axis in lines for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(Text) if id(text) in drawn or id(text) not in marks]
    straight = [text for text in texts if text.get_visible() and text.get_text() and text.get_rotation() % 90 == 0]
    return [(text.get_text(), text.get_window_extent()) for text in straight]


def over_each_other(figure: Figure) -> list[tuple[str, str]]:
    """Texts of which one lies over another, by more than the gap that fonts leave around their letters."""
    return [
        (name, other)
        for (name, box), (other, its) in itertools.combinations(shown_texts(figure), 2)
        if min(box.x1, its.x1) - max(box.x0, its.x0) > 2 and min(box.y1, its.y1) - max(box.y0, its.y0) > 4
    ]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures in place of their files."""
    kept: list[Figure] = []

    def keep(figure: Figure, _: Path) -> None:
        FigureCanvasAgg(figure).draw()
        kept.append(figure)

    for module, name in ((plots, "save_for_page"), (plots, "save_figure"), (attention_plots, "save_for_page")):
        monkeypatch.setattr(module, name, keep)
    return kept


@pytest.mark.slow
@pytest.mark.parametrize(("script", "n"), [("short", 4), ("short", 24), ("long", 2), ("long", 30), ("CJK", 10)])
@pytest.mark.parametrize("kind", DRAWN)
def test_no_title_or_label_is_cropped_or_written_over(
    kind: str, script: str, n: int, drawn: list[Figure], tmp_path: Path
) -> None:
    with missing_letters():
        DRAWN[kind](tmp_path / "a.png", names(n, script), LONG)
        (figure,) = drawn
        assert over_each_other(figure) == []
    pixels = np.asarray(cast(FigureCanvasAgg, figure.canvas).buffer_rgba())[..., :3]
    edges = [pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]]
    assert all((edge == 255).all() for edge in edges), "something reaches the border"
    assert script != "short" or n > 20 or figure.get_figwidth() == WIDTH


def test_trainings_have_colours_of_their_own_and_a_legend(drawn: list[Figure], tmp_path: Path) -> None:
    plots.plot_learning_curve(history(["0", "1"]), tmp_path / "a.png", title="demo")
    (figure,) = drawn
    losses = figure.axes[0]
    kept = [line for line in losses.lines if line.get_marker() == "o"]
    assert len({line.get_color() for line in kept}) == len(kept) == 2
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == {"training loss", "validation", "epoch that was kept", "member 1", "member 2"}


def test_parts_of_a_system_are_called_by_their_names(drawn: list[Figure], tmp_path: Path) -> None:
    rows = history(["0", "convolutions"])
    plots.plot_learning_curve(rows, tmp_path / "a.png", title="demo")
    assert {"whole network", "convolutions"} <= {text.get_text() for text in drawn[0].legends[0].get_texts()}


def test_drawings_are_whole_whatever_the_names(tmp_path: Path) -> None:
    odd = "<b>&\x01演歌"
    table = predictions([odd, "rock"])
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
