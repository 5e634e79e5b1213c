"""Token embeddings: windows, cache, coverage, names that do not exist."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.features.cache import FeatureCache, LazyArray
from genrefusion.features.text_encoder import (
    TokenEncoder,
    _minilm_folder,
    load_pretrained,
    model_identity,
)
from genrefusion.features.transformer import Transformer, stitch, window_spans
from genrefusion.settings.pipelines import TextEncoderSettings


def encoder(cache: Path, **settings: Any) -> TokenEncoder:
    return TokenEncoder(TextEncoderSettings(**settings), FeatureCache(cache), Terminal(quiet=True))


@pytest.mark.parametrize(
    ("n", "width", "overlap"), [(1, 6, 2), (6, 6, 2), (7, 6, 2), (50, 6, 0), (50, 6, 5), (101, 30, 7)]
)
def test_windows_cover_all_tokens_and_overlap(n: int, width: int, overlap: int) -> None:
    spans = window_spans(n, width, overlap)
    assert spans[0][0] == 0
    assert spans[-1][1] == n
    assert all(b - a <= width for a, b in spans)
    assert all(second[0] == first[1] - overlap for first, second in itertools.pairwise(spans))


def test_stitching_takes_each_token_once_from_where_it_lies_deeper() -> None:
    spans = [(0, 6), (4, 10)]
    states = np.zeros((2, 6, 2), np.float32)
    for window, (start, stop) in enumerate(spans):
        states[window, : stop - start, 0] = np.arange(start, stop)
        states[window, :, 1] = window
    stitched = stitch(states, spans)
    np.testing.assert_array_equal(stitched[:, 0], np.arange(10))
    np.testing.assert_array_equal(stitched[:, 1], [0] * 5 + [1] * 5)


def test_embeddings_are_those_of_the_published_network(tmp_path: Path) -> None:
    found = encoder(tmp_path).embed(["I walk the line", ""])
    tokenizer, model = (kind.from_pretrained(_minilm_folder()) for kind in (AutoTokenizer, AutoModel))
    with torch.inference_mode():
        states = model.eval()(**tokenizer("I walk the line", return_tensors="pt")).last_hidden_state
    assert found[0].dtype == np.float16
    np.testing.assert_allclose(found[0], states[0, 1:-1].numpy(), atol=2e-3)
    assert found[1].shape == (0, 384)
    mean = encoder(tmp_path).mean(["I walk the line", ""])
    np.testing.assert_allclose(mean[0], states[0, 1:-1].mean(dim=0).numpy(), atol=1e-5)
    assert not mean[1].any()


@pytest.mark.parametrize("changed", [{"window": 100}, {"overlap": 10}, {"max_tokens": 300}], ids=str)
def test_what_changes_the_embeddings_is_part_of_the_cache_key(
    changed: dict[str, int], tiny_encoder: Path, tmp_path: Path
) -> None:
    for settings in ({}, {}, changed):
        encoder(tmp_path, model=str(tiny_encoder), **settings).mean(["rain on the roof"])
    assert len(list((tmp_path / "text").iterdir())) == 2


def test_a_window_that_holds_all_changes_little_against_several(tmp_path: Path) -> None:
    text = "rain on the roof of the house by the sea " * 12
    whole = encoder(tmp_path, window=256, overlap=32).embed([text])[0]
    parts = encoder(tmp_path, window=64, overlap=32).embed([text])[0]
    assert whole.shape == parts.shape
    likeness = torch.cosine_similarity(torch.tensor(whole).float(), torch.tensor(parts).float(), dim=1)
    assert likeness.mean() > 0.8


def test_coverage_says_what_was_cut_off(tmp_path: Path) -> None:
    coverage = encoder(tmp_path, max_tokens=100).coverage(["rain " * 400, "sun"])
    assert (coverage.used, coverage.total) == (101, 401)
    assert str(coverage) == "25.2% of 401 tokens used"


def test_the_order_of_texts_does_not_matter_and_the_cache_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encoder(tmp_path).embed(["one", "two", "one"])
    monkeypatch.setattr("genrefusion.features.text_encoder.load_pretrained", None)
    second = encoder(tmp_path).embed(["two", "one"])
    np.testing.assert_array_equal(first[0], second[1])
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[1], second[0])


@pytest.mark.parametrize("text", ["word " * 50_000, "שלום עולם", "🎵🎵 👩\u200d👧", "\u2028"])
def test_any_text_is_read(tmp_path: Path, text: str) -> None:
    vectors = encoder(tmp_path, max_tokens=64).embed([text])[0]
    assert len(vectors) <= 64
    assert np.isfinite(vectors).all()


def test_an_encoder_that_does_not_exist_is_named_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match=r"text_encoder\.model=no/such-encoder[\s\S]*Without a network there is: minilm"
    ):
        load_pretrained("no/such-encoder")


def test_a_window_wider_than_the_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"text_encoder\.window=4000"):
        encoder(tmp_path, window=4000).embed(["text"])


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors", "vocab.txt"])
def test_every_file_of_a_model_counts(tiny_encoder: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    before = model_identity(str(folder))
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert model_identity(str(folder)) != before


@pytest.mark.parametrize("name", ["README.md", "README.txt", ".gitattributes", ".cache.json"])
def test_what_only_describes_a_model_does_not_count(tiny_encoder: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    before = model_identity(str(folder))
    (folder / name).write_text("about it")
    assert model_identity(str(folder)) == before


def test_a_copy_of_a_model_is_the_same_model(tiny_encoder: Path, tmp_path: Path) -> None:
    assert model_identity(str(shutil.copytree(tiny_encoder, tmp_path / "copy"))) == model_identity(str(tiny_encoder))


def test_a_model_of_the_hub_is_told_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def downloaded(name: str, file: str) -> str:
        return f"/hub/models--some--model/snapshots/0123abc/{file}"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", downloaded)
    assert model_identity("some/model-with-a-commit") == "some/model-with-a-commit@0123abc"


def test_a_model_of_the_hub_that_cannot_be_had_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert model_identity("no/such-encoder") == "no/such-encoder"
    assert model_identity("not a name at all!") == "not a name at all!"


def test_embeddings_are_computed_on_the_given_device_and_found_from_any_other(tmp_path: Path) -> None:
    asked = []

    def accelerator() -> str:
        asked.append("here")
        return "cpu"

    settings, cache = TextEncoderSettings(), FeatureCache(tmp_path)
    elsewhere = TokenEncoder(settings, cache, Terminal(quiet=True), accelerator)
    (embedded,) = elsewhere.embed(["one"])
    assert asked == ["here"]
    vars(elsewhere)["transformer"] = None  # nothing is left to compute
    np.testing.assert_array_equal(embedded, encoder(tmp_path).embed(["one"])[0])
    assert len(list(tmp_path.rglob("about.json"))) == 1


LINE = "rain on the roof of the old house by the sea and nobody home to love me tonight my baby is gone"


def texts_of_all_lengths(count: int) -> list[str]:
    """Different texts of 2 to some 600 words."""
    words = 40 * LINE.split()
    return [" ".join([str(n), *words[n % 20 :][: 1 + round(600 * (n / count) ** 2)]]) for n in range(count)]


def likeness(first: LazyArray, second: LazyArray) -> float:
    """Least cosine of a token's two embeddings."""
    return float(torch.cosine_similarity(*(torch.tensor(np.array(a)).float() for a in (first, second)), dim=1).min())


def test_an_embedding_does_not_depend_on_what_is_embedded_beside_it(tmp_path: Path) -> None:
    texts = texts_of_all_lengths(20)
    together, anew = encoder(tmp_path / "together").embed(texts), encoder(tmp_path).embed_anew(texts)
    for text, *found in zip(texts, together, anew, strict=True):
        (alone,) = encoder(tmp_path / "alone").embed([text])
        for other in found:
            assert other.shape == alone.shape
            assert likeness(other, alone) >= 0.9999
            np.testing.assert_allclose(other, alone, atol=2e-3)


def test_bfloat16_changes_little_and_has_a_key_of_its_own(tmp_path: Path) -> None:
    texts = texts_of_all_lengths(12)
    cache, quiet = FeatureCache(tmp_path), Terminal(quiet=True)
    single = TokenEncoder(TextEncoderSettings(), cache, quiet).embed(texts)
    half = TokenEncoder(TextEncoderSettings(), cache, quiet, precision="bfloat16").embed(texts)
    assert all(likeness(*pair) >= 0.999 for pair in zip(half, single, strict=True))
    assert any(np.any(np.array(a) != np.array(b)) for a, b in zip(half, single, strict=True))
    keys = [json.loads(about.read_text())["made_with"] for about in tmp_path.rglob("about.json")]
    assert sorted(keys, key=len) == [{"device": "cpu"}, {"device": "cpu", "precision": "bfloat16"}]


def test_a_text_of_any_length_passes_the_network_in_parts(tmp_path: Path, tiny_encoder: Path) -> None:
    sizes = []
    long = encoder(tmp_path, model=str(tiny_encoder), max_tokens=1_000_000)
    long.transformer.network.register_forward_pre_hook(
        lambda _, __, given: sizes.append(given["input_ids"].numel()), with_kwargs=True
    )
    (vectors,) = long.embed(["word " * 50_000])
    assert len(vectors) == 50_000
    assert max(sizes) <= 4096


def test_texts_that_were_embedded_before_a_kill_are_kept_and_the_others_come_out_the_same(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    texts = texts_of_all_lengths(100)
    whole = encoder(tmp_path / "whole", model=str(tiny_encoder)).embed(texts)
    broken = encoder(tmp_path / "broken", model=str(tiny_encoder))
    encode, calls = Transformer.encode, itertools.count()

    def dies(self: Transformer, texts: list[str]) -> Any:
        if next(calls) == 5:
            raise Killed
        return encode(self, texts)

    monkeypatch.setattr(Transformer, "encode", dies)
    with pytest.raises(Killed):
        broken.embed(texts)
    embedded = []
    monkeypatch.setattr(Transformer, "encode", lambda self, texts: (embedded.extend(texts), encode(self, texts))[1])
    resumed = encoder(tmp_path / "broken", model=str(tiny_encoder)).embed(texts[::-1])[::-1]
    assert len(embedded) == 100 - 5 * 16
    for first, second in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(first, second)


def test_many_texts_become_few_files(tmp_path: Path, tiny_encoder: Path) -> None:
    tiny = TokenEncoder(TextEncoderSettings(model=str(tiny_encoder)), FeatureCache(tmp_path), Terminal(quiet=True))
    tiny.embed([f"line {number}" for number in range(100)])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4
