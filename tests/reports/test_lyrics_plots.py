"""Lyrics are drawn as they are written, in colours that say what a word gets against its even share."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from genrefusion.reports import attention_plots
from genrefusion.reports.attention_plots import SongPicture, plot_audio, plot_song
from genrefusion.reports.lyrics_plots import MOST_ROWS, SCALE, LyricsPicture, most_attended, strength, wrap

VERSE = "She never said goodbye to me\nand I was never gone\n\n"


def song(lines: int = 4, *, seconds: float = 95.0) -> SongPicture:
    words = (VERSE * lines).split()
    before = ["", *("\n\n" if word == "She" else "\n" if word == "and" else " " for word in words[1:])]
    rng = np.random.default_rng(0)
    even = np.full(len(words), 1 / len(words))
    spans = np.linspace(0, seconds, 11)
    return SongPicture(
        words,
        before,
        rng.dirichlet(np.ones(len(words))),
        even,
        rng.gamma(2, 0.5, (len(words), 10)),
        np.full(10, 0.1),
        np.stack([spans[:-1], spans[1:]], axis=1),
        rng.normal(-40, 10, (96, round(seconds * 12000 / 256))).astype(np.float32),
        256 / 12000,
    )


def test_colours_end_at_a_quarter_and_at_four_times_the_even_share() -> None:
    times = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 99.0])
    np.testing.assert_allclose(strength(times), [-1, -1, -0.5, 0, 0.5, 1, 1], atol=1e-12)
    np.testing.assert_allclose(SCALE(0.5)[:3], 1, atol=0.01)


def test_rows_end_where_lines_end_and_where_they_are_full() -> None:
    before = ["\n", " ", " ", "\r\n", "\n \n\n", ""]
    rows = wrap(before, [1.0, 1.0, 1.0, 1.0, 9.0, 0.5], room=2.5, space=0.25)
    assert rows == [[(0, 0.0), (1, 1.25)], [(2, 0.0)], [(3, 0.0)], [], [(4, 0.0)], [(5, 0.0)]]


def test_letters_without_a_space_between_them_touch() -> None:
    assert wrap(["", "", " "], [1.0, 1.0, 1.0], room=9, space=0.5) == [[(0, 0.0), (1, 1.0), (2, 2.5)]]


def test_of_too_many_rows_those_are_shown_that_get_most_for_their_tokens() -> None:
    rows = [[(0, 0.0), (1, 1.0)], [], [(2, 0.0)], [(3, 0.0)]]
    shares, even = np.array([0.2, 0.2, 0.35, 0.25]), np.array([0.125, 0.125, 0.5, 0.25])
    assert most_attended(rows, shares, even, 4) == [0, 1, 2, 3]
    assert most_attended(rows, shares, even, 2) == [0, 3]


def test_long_lyrics_take_no_more_room_than_a_picture_has() -> None:
    lyrics = {lines: song(lines) for lines in (4, 200)}
    pictures = {lines: LyricsPicture(s.words, s.before, s.shares, s.even, width=9.7) for lines, s in lyrics.items()}
    assert pictures[4].shown == pictures[4].rows == 4 * 3 - 1
    assert pictures[200].shown == MOST_ROWS < pictures[200].rows
    assert pictures[200].height < 10


def test_lyrics_stand_in_the_picture_in_the_colours_of_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[plt.Figure] = []
    monkeypatch.setattr(attention_plots, "save_figure", lambda figure, path: drawn.append(figure))
    picture = song()
    plot_song(picture, Path("unused.png"), title="song")
    (axes,) = (axis for axis in drawn[0].get_axes() if axis.get_title(loc="left").startswith("Lyrics"))
    texts = [text.get_text() for text in axes.texts]
    assert texts == picture.words
    colors = np.array([patch.get_facecolor() for patch in axes.patches])
    np.testing.assert_allclose(colors, SCALE((strength(picture.shares / picture.even) + 1) / 2))
    marks = [[label.get_text() for label in axis.get_xticklabels()] for axis in drawn[0].get_axes()]
    assert ["0:00", "0:15", "0:30", "0:45", "1:00", "1:15", "1:30"] in marks


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("script", ["שלום", "愛の歌", "موسيقى", "प्रेम", "👩\u200d👧", "$\\bad{", "x" * 500])
def test_words_of_every_script_are_drawn_without_a_warning(script: str, tmp_path: Path) -> None:
    even, spans = np.full(2, 0.5), np.array([[0.0, 1.0], [1.0, 2.0]])
    picture = SongPicture([script, "Ω"], ["", " "], even, even, np.ones((2, 2)), even, spans, None, 0.0)
    plot_song(picture, tmp_path / "song.png", title=script)
    plot_audio(picture, tmp_path / "audio.png")
    assert min(plt.imread(tmp_path / "song.png").shape[:2]) > 200
    assert min(plt.imread(tmp_path / "audio.png").shape[:2]) > 150
