from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.features.cache import FeatureCache
from genrefusion.features.text_encoder import minilm_encoder
from genrefusion.features.text_vectors import (
    Block,
    MeanEmbedding,
    MeanWordVector,
    Scaled,
    Style,
    TextVectors,
    Words,
    read_word_vectors,
)

SONGS = [
    "rain on the roof\nrain in my heart",
    "the road goes on\nand my truck goes on",
    "rain on the road\nmy heart goes on",
    "heart of the road",
]


@pytest.fixture
def word_file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\nrain 1 0\nroad 0 1\nheart 2 2\n")
    return path


def test_tfidf_rows_are_those_of_the_formula() -> None:
    block = Words()
    block.fit(SONGS)
    rows = block.transform(["rain rain road"])
    names = list(block.weights_.transformer_list[0][1].get_feature_names_out())
    assert sparse.issparse(rows)

    def idf(n: int) -> float:
        return float(np.log((1 + len(SONGS)) / (1 + n)) + 1)

    expected = np.zeros(len(names))
    expected[names.index("rain")] = (1 + np.log(2)) * idf(2)
    expected[names.index("road")] = idf(3)
    np.testing.assert_allclose(rows.toarray()[0], expected / np.linalg.norm(expected), atol=1e-9)


def test_characters_stand_beside_the_words_in_rows_of_their_own_length() -> None:
    block = Words(characters=True)
    block.fit(SONGS)
    np.testing.assert_allclose(sparse.linalg.norm(block.transform(SONGS), axis=1), np.sqrt(2))


def test_word_vectors_are_averaged_over_the_known_words(word_file: Path) -> None:
    rows = MeanWordVector(word_file).transform(["Rain, rain on the ROAD", "nothing known", ""])
    np.testing.assert_allclose(rows, [[2 / 3, 1 / 3], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rain 1 0\nroad 1\n", "line 2 is no word with 2 numbers"),
        ("rain one two\n", "line 1 is no word with some numbers"),
        ("", "no word vectors"),
    ],
)
def test_a_damaged_file_of_word_vectors_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_word_vectors(path)


def test_a_missing_file_of_word_vectors_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"text_encoder.model=.*gone.vec: no such file"):
        read_word_vectors(tmp_path / "gone.vec")


def test_scaled_rows_have_the_length_that_is_asked_for_on_average() -> None:
    block = Scaled(Style(), 0.5, "style")
    block.fit(SONGS)
    rows = block.transform(SONGS)
    varies = np.isfinite(block.deviation_).mean()
    assert np.mean(np.sum(rows**2, axis=1)) == pytest.approx(0.25 * varies)
    assert np.abs(rows.mean(axis=0)).max() < 1e-6


def test_empty_lyrics_give_rows_of_numbers(cache: Path) -> None:
    blocks = [Words(svd=2), MeanEmbedding(minilm_encoder(FeatureCache(cache), Terminal(quiet=True))), Style()]
    vectors = TextVectors(blocks).fit([*SONGS, ""])
    rows = vectors.transform(["", SONGS[0]])
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert not rows[0].any()
    assert len(vectors.names()) == rows.shape[1] == len(set(vectors.names()))


def test_lyrics_that_are_all_empty_are_refused() -> None:
    with pytest.raises(UserError, match="No training track has lyrics"):
        TextVectors([Words()]).fit(["", " \n"])


def test_lyrics_without_a_word_in_common_are_refused() -> None:
    with pytest.raises(UserError, match="no words in common"):
        TextVectors([Words()]).fit(["one two", "three four"])


def blocks(word_file: Path) -> list[Block]:
    return [
        Words(characters=True),
        Scaled(MeanWordVector(word_file), 1.0, "word_vectors"),
        Scaled(Style(), 0.5, "style"),
    ]


def test_saved_vectors_are_the_same(word_file: Path, tmp_path: Path) -> None:
    fitted = TextVectors(blocks(word_file)).fit(SONGS)
    fitted.save(tmp_path)
    loaded = TextVectors(blocks(word_file)).load(tmp_path)
    new = ["the heart of the rain", ""]
    assert abs(loaded.transform(new) - fitted.transform(new)).max() == 0
    assert not list(tmp_path.glob("*.pkl"))
