"""The time of a fit is that of the fit alone: it finds in the cache what was computed before it began."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY_DATA, TINY_NETWORK, compose_train
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.mel import MelExtractor
from genrefusion.features.shards import ShardStore
from genrefusion.pipelines import frames
from genrefusion.pipelines.base import Context, Pipeline, make_pipeline
from genrefusion.pipelines.vectors import VectorPipeline
from genrefusion.runs.ensembles import run_ensemble
from genrefusion.runs.training import run_experiment
from genrefusion.settings.commands import TrainConfig

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("unrendered")]

TREES = ["experiment=xgboost_97", "pipeline.rounds=2"]
EXPERIMENTS = {
    "trees": TREES,
    "trees and lyrics": ["experiment=xgboost_text", "pipeline.rounds=2"],
    "trees and lyrics, early": ["experiment=xgboost_text_early", "pipeline.rounds=2"],
    "lyrics": ["experiment=lyrics"],
    "lyrics, frozen encoder": ["experiment=lyrics_frozen", "pipeline.epochs=1"],
    "frames": ["experiment=multiframe", "pipeline.epochs=1", *TINY_NETWORK],
    "nearest frames": ["experiment=multiframe_knn", "pipeline.epochs=1", *TINY_NETWORK],
}
COATTENTION = [
    *("experiment=coattention", "features.frame_seconds=3", "pipeline.width=16", "pipeline.trunk.width=4"),
    *("pipeline.epochs=1", "pipeline.trunk.epochs=1"),
]


@pytest.fixture(scope="module")
def tracks(demo: Tracks) -> Tracks:
    return demo.subset(demo.table.index[demo.table["genre"].isin(["country", "metal"])])


def prepared(config: TrainConfig, tracks: Tracks, cache: Path) -> Pipeline:
    """A pipeline that has computed nothing itself, beside a cache that another one has filled."""
    context = Context(FeatureCache(cache))
    make_pipeline(config.pipeline, config.features, context).prepare(tracks)
    return make_pipeline(config.pipeline, config.features, context)


def fit(pipeline: Pipeline, tracks: Tracks) -> None:
    pipeline.fit(tracks.subset(tracks.ids[::2]), tracks.subset(tracks.ids[1::2]))


def composed(overrides: list[str], encoder: Path) -> TrainConfig:
    config = compose_train(*TINY_DATA, *overrides)
    if getattr(config.text_encoder, "kind", "") == "transformer":
        config = compose_train(*TINY_DATA, *overrides, f"text_encoder.model={encoder}")
    return config


@pytest.mark.parametrize("overrides", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_a_fit_computes_nothing_that_its_preparation_could(
    overrides: list[str], tracks: Tracks, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = prepared(composed(overrides, tiny_encoder), tracks, tmp_path)
    assert list(tmp_path.rglob("*.safetensors")) or overrides == EXPERIMENTS["lyrics"]
    monkeypatch.setattr(ShardStore, "fill", refuse)
    fit(pipeline, tracks)


def test_what_trained_convolutions_make_of_the_songs_is_a_part_of_every_fit(
    tracks: Tracks, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed(COATTENTION, tiny_encoder)
    heard = []
    forward = frames._Sequence.forward
    monkeypatch.setattr(frames._Sequence, "forward", lambda *given: heard.append(1) or forward(*given))
    pipelines = [prepared(config, tracks, tmp_path) for _ in range(2)]
    monkeypatch.setattr(MelExtractor, "__call__", refuse)
    before = sorted(tmp_path.rglob("*"))
    for pipeline in pipelines:
        heard.clear()
        fit(pipeline, tracks)
        assert len(heard) == len(tracks)
    assert sorted(tmp_path.rglob("*")) == before, "they serve no other run: the cache does not grow"


def test_a_run_tells_the_time_of_its_fit_from_that_of_its_features(
    demo: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(pipeline: VectorPipeline, tracks: Tracks, prepare: Any = VectorPipeline.prepare) -> None:
        prepare(pipeline, tracks)
        time.sleep(2)

    monkeypatch.setattr(VectorPipeline, "prepare", slow)
    run_experiment(compose_train(*TINY_DATA, *TREES), tmp_path, quiet=True)
    record = json.loads((tmp_path / "run.json").read_text())
    assert 0 < record["fit_seconds"] <= record["wall_seconds"] - 2
    assert record["machine"]["cores"] > 0


def test_an_ensemble_takes_as_long_as_the_fits_of_its_members(demo: Tracks, tmp_path: Path) -> None:
    members = [tmp_path / "trees", tmp_path / "words"]
    for member, overrides in zip(members, (TREES, ["experiment=lyrics_tfidf"]), strict=True):
        run_experiment(compose_train(*TINY_DATA, *overrides), member, quiet=True)
    config = compose_train(*TINY_DATA, "experiment=ensemble", f"pipeline.runs=[{members[0]},{members[1]}]")
    records = [json.loads((member / "run.json").read_text()) for member in members]
    run_ensemble(config, tmp_path / "both", members, quiet=True)
    both = json.loads((tmp_path / "both" / "run.json").read_text())
    total = sum(record["fit_seconds"] for record in records)
    assert total <= both["fit_seconds"] < total + 1
    assert len(both["machines"]) == 1
    del records[1]["fit_seconds"]  # as a run of an earlier version has none
    (members[1] / "run.json").write_text(json.dumps(records[1]))
    run_ensemble(config, tmp_path / "unknown", members, quiet=True)
    assert json.loads((tmp_path / "unknown" / "run.json").read_text())["fit_seconds"] is None


def refuse(*_: Any) -> None:
    raise AssertionError("computed in the fit")
