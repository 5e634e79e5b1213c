"""What is frozen computes where the trainer's settings say, as what is trained does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import TINY_DATA, compose_train
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.pipelines.base import Context, make_pipeline
from genrefusion.settings.trainer import TrainerSettings

MPS = TrainerSettings(device="mps", threads=3)

READ_BY_A_TRANSFORMER = {
    "lyrics": ["experiment=lyrics", "text_encoder=minilm", "text_encoder.model={}", "pipeline.embedding=false"],
    "head": ["experiment=lyrics_frozen", "text_encoder.model={}"],
    "minilm beside TF-IDF": ["experiment=lyrics"],
    "minilm beside audio": ["experiment=xgboost_text_early", "features=handcrafted", "pipeline.text.embedding=true"],
    "co-attention": ["experiment=coattention", "text_encoder.model={}", "pipeline.sides=lyrics", "features=none"],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainerSettings]:
    """What an accelerator was asked for by; there is but the processor here."""
    found: list[TrainerSettings] = []

    def accelerator(trainer: TrainerSettings) -> Any:
        found.append(trainer)
        return SimpleNamespace(device="cpu")

    monkeypatch.setattr("genrefusion.training.loop.make_accelerator", accelerator)
    return found


def prepare(words: list[str], tracks: Tracks, cache: Path) -> None:
    config = compose_train(*TINY_DATA, *words)
    context = Context(FeatureCache(cache), trainer=MPS)
    make_pipeline(config.pipeline, config.features, context).prepare(tracks)


@pytest.mark.parametrize("words", READ_BY_A_TRANSFORMER.values(), ids=READ_BY_A_TRANSFORMER)
def test_lyrics_are_embedded_on_the_trainers_device(
    words: list[str], demo: Tracks, asked: list[TrainerSettings], tiny_encoder: Path, tmp_path: Path
) -> None:
    few = demo.subset(demo.ids[:2])
    prepare([word.format(tiny_encoder) for word in words], few, tmp_path)
    assert asked
    assert all(trainer == MPS for trainer in asked)


def test_audio_is_encoded_on_the_trainers_device(
    demo: Tracks, asked: list[TrainerSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moved(Exception):
        pass

    class Network:
        def to(self, device: str) -> None:
            raise Moved(device)

    parts = (SimpleNamespace(sampling_rate=16000), Network())
    monkeypatch.setattr("genrefusion.features.audio_encoder.load_audio_model", lambda _: parts)
    words = ["experiment=coattention", "features=audio_encoder", "features.model=none", "pipeline.sides=audio"]
    monkeypatch.setattr("genrefusion.features.audio_encoder.model_identity", lambda _: "made")
    with pytest.raises(Moved, match="cpu"):
        prepare(words, demo.subset(demo.ids[:1]), tmp_path)
    assert asked == [MPS]
