"""What the lyrics pipeline does beyond the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import TINY_DATA, compose_train
from genrefusion.core.errors import UserError
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.models.lyrics import LyricsHead
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.lyrics import LyricsPipeline
from genrefusion.pipelines.readers import TunedReader
from genrefusion.pipelines.saved import read_pipeline


def pipeline(cache: Path, *overrides: str) -> LyricsPipeline:
    config = compose_train(*TINY_DATA, *overrides)
    return LyricsPipeline(config.pipeline, config.features, Context(FeatureCache(cache / "features")))


@pytest.fixture(scope="module")
def parts(demo: Tracks) -> tuple[Tracks, Tracks]:
    two = demo.subset(demo.table.index[demo.table["genre"].isin(["country", "metal"])])
    return two.subset(two.ids[::2]), two.subset(two.ids[1::2])


def with_lyrics(tracks: Tracks, text: str) -> Tracks:
    return replace(tracks, table=tracks.table.assign(lyrics=text))


STRANGE = {
    "emoji": "🎸🔥 love 🎶\n💔 me",
    "right to left": "אהבה שלי\nحبيبي يا نور العين",
    "one letter": "a",
    "50,000 words": "rain on the road " * 12_500,
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("experiment", ["lyrics_tfidf", "lyrics_frozen"])
def test_strange_lyrics_get_a_prediction(experiment: str, text: str, parts: tuple[Tracks, Tracks], cache: Path) -> None:
    fitted = pipeline(cache, f"experiment={experiment}", "pipeline.epochs=1").fit(*parts)
    found = fitted.predict_proba(with_lyrics(parts[1].subset(parts[1].ids[:1]), text)).tracks
    assert np.isfinite(found.to_numpy()).all()


def test_a_tuned_transformer_reads_long_lyrics_in_windows(
    tiny_encoder: Path, parts: tuple[Tracks, Tracks], cache: Path
) -> None:
    settings = ["experiment=lyrics_finetuned", f"text_encoder.model={tiny_encoder}", "text_encoder.window=16"]
    settings += ["text_encoder.overlap=4", "text_encoder.max_tokens=40", "pipeline.epochs=1"]
    fitted = pipeline(cache, *settings).fit(*parts)
    reader = fitted.reader_
    assert isinstance(reader, TunedReader)
    rows = reader._rows(["rain " * 100, "rain"])
    assert [song for song, _ in rows] == [0, 0, 0, 0, 1]
    assert {len(row) for _, row in rows[:3]} == {14}
    assert reader.coverage(["rain " * 100, "rain"]) == "40.6% of 101 tokens used"


def test_tuning_changes_the_transformer_of_this_pipeline_alone(
    tiny_encoder: Path, parts: tuple[Tracks, Tracks], cache: Path
) -> None:
    settings = ["experiment=lyrics_finetuned", f"text_encoder.model={tiny_encoder}", "pipeline.lr=1e-2"]
    fitted = pipeline(cache, *settings, "pipeline.epochs=1").fit(*parts).reader_
    assert isinstance(fitted, TunedReader)
    name = "encoder.layer.0.output.dense.weight"
    tuned = fitted.network.encoder.state_dict()[name]
    untouched = pipeline(cache, *settings).reader_.transformer.network.state_dict()[name]
    assert not torch.equal(tuned, untouched)
    torch.testing.assert_close(fitted.transformer.network.state_dict()[name], untouched)


def test_padding_changes_nothing_for_the_head() -> None:
    torch.manual_seed(0)
    head = LyricsHead(8, 3, width=16, heads=4, dropout=0.5).eval()
    tokens, mask = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    padded = torch.cat([tokens, torch.full((1, 3, 8), 7.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(1, 3, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(head(padded, longer), head(tokens, mask))


def test_a_tuned_transformer_of_another_width_is_named(
    tiny_encoder: Path, parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path, context: Context
) -> None:
    settings = ["experiment=lyrics_frozen", "pipeline.epochs=1"]
    pipeline(cache, *settings).fit(*parts).save(tmp_path)
    description = (tmp_path / "pipeline.json").read_text()
    (tmp_path / "pipeline.json").write_text(description.replace('"model": "minilm"', f'"model": "{tiny_encoder}"'))
    with pytest.raises(UserError, match=r"weights.safetensors: not the weights of this pipeline"):
        read_pipeline(tmp_path, context)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=lyrics", "pipeline.classifier=head"], "pipeline.classifier=head reads tokens"),
        (["experiment=lyrics_frozen", "pipeline.style=true"], "go beside vectors only"),
        (["experiment=lyrics", "pipeline.classifier=naive_bayes"], "naive_bayes counts words"),
        (["experiment=lyrics_tfidf", "pipeline.classifier=logistc"], "Did you mean 'logistic'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose_train(*TINY_DATA, *overrides)


def test_a_transformer_that_does_not_exist_is_named_with_what_there_is(
    demo: Tracks, cache: Path, tmp_path: Path
) -> None:
    for experiment in ("lyrics_frozen", "lyrics_finetuned"):
        wrong = pipeline(cache, f"experiment={experiment}", f"text_encoder.model={tmp_path / 'gone'}")
        with pytest.raises(
            UserError, match=r"text_encoder.model=.*gone: no folder.*\nWithout a network there is: minilm"
        ):
            wrong.prepare(demo)


def test_songs_with_hardly_any_lyrics_are_told(
    parts: tuple[Tracks, Tracks], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = compose_train(*TINY_DATA, "experiment=lyrics_tfidf")
    context = Context(FeatureCache(cache / "features"), terminal=Terminal())
    LyricsPipeline(config.pipeline, config.features, context).prepare(
        with_lyrics(parts[0].subset(parts[0].ids[:1]), "la")
    )
    assert "1 songs have hardly any lyrics" in capsys.readouterr().out


def test_balance_makes_rare_genres_count(parts: tuple[Tracks, Tracks], cache: Path) -> None:
    train = parts[0]
    rare = train.table.index[train.table["genre"] == "metal"][2:]
    uneven = train.subset([track for track in train.ids if track not in set(rare)])
    named = {}
    for balanced in (True, False):
        fitted = pipeline(cache, "experiment=lyrics_tfidf", f"pipeline.balanced={balanced}").fit(uneven, parts[1])
        named[balanced] = fitted.predict_proba(parts[1]).tracks["metal"].mean()
    assert named[True] > named[False]


def test_word_vectors_classify(parts: tuple[Tracks, Tracks], cache: Path, tmp_path: Path) -> None:
    words = sorted({word for text in parts[0].lyrics for word in text.casefold().split()})
    vectors = np.random.default_rng(0).normal(size=(len(words), 50))
    lines = [f"{word} {' '.join(f'{v:.4f}' for v in row)}" for word, row in zip(words, vectors, strict=True)]
    (tmp_path / "words.vec").write_text("\n".join(lines))
    settings = ["experiment=lyrics_tfidf", "text_encoder=vectors", f"text_encoder.model={tmp_path / 'words.vec'}"]
    found = pipeline(cache, *settings).fit(*parts).predict_proba(parts[1]).tracks
    truth = parts[1].table["genre"]
    assert (found.idxmax(axis=1) == pd.Series(truth)).mean() > 0.7


@pytest.mark.parametrize("experiment", ["lyrics_frozen", "lyrics_finetuned"])
def test_texts_are_made_rows_once_for_all_epochs(
    experiment: str, tiny_encoder: Path, parts: tuple[Tracks, Tracks], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [f"experiment={experiment}", f"text_encoder.model={tiny_encoder}", "pipeline.epochs=3"]
    reader = pipeline(cache, *settings)
    made, plain = [], reader.reader_._rows
    monkeypatch.setattr(reader.reader_, "_rows", lambda texts: (made.append(len(texts)), plain(texts))[1])
    reader.fit(*parts)
    assert sorted(made) == sorted([len(parts[0]), len(parts[1])])
