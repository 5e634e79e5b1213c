"""What is saved of a pipeline is data: reading it runs nothing, tells nothing of the reader, and knows its features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import compose_train
from genrefusion.core.errors import UserError
from genrefusion.data.tracks import Tracks
from genrefusion.pipelines.base import Context, make_pipeline, require_weights_read
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.settings.data import ManifestData
from genrefusion.settings.registry import read_settings


@pytest.mark.parametrize("text", ["${oc.env:SECRET}", "a/${name}", r"\${oc.env:SECRET}", "${", "$", "{}"])
def test_references_in_saved_settings_are_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    found = read_settings({"schema": "ManifestData", "manifest": text})
    assert found == ManifestData(manifest=text)


@pytest.mark.parametrize(
    "name", ["os", "UserError", "dataclass", "check_range", "process_count", "TextEncoder", "", None]
)
def test_only_dataclasses_of_settings_are_schemas(name: str | None) -> None:
    with pytest.raises(UserError, match="no schema"):
        read_settings({"schema": name, "manifest": "t.csv"})


READERS = {
    "multiframe": ["experiment=multiframe", "pipeline.epochs=1"],
    "co-attention": ["experiment=coattention", "pipeline.sides=audio", "pipeline.width=8", "pipeline.epochs=1"],
    "vectors": ["experiment=xgboost", "pipeline.rounds=2"],
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("width", [3, 5])
def test_vectors_of_another_width_are_refused_with_both_numbers(
    reader: str, width: int, tmp_path: Path, context: Context
) -> None:
    def write(name: str, width: int) -> str:
        frames = np.random.default_rng(0).normal(size=(len(ids), width))
        np.savez(tmp_path / name, track_id=ids, frames=frames, offsets=np.arange(len(ids) + 1))
        return str(tmp_path / name)

    ids = [f"song{number}" for number in range(8)]
    table = pd.DataFrame({"genre": ["jazz", "rock"] * 4}, index=pd.Index(ids, name="track_id"))
    train, val = Tracks(table[:4], "made"), Tracks(table[4:], "made")
    words = [*READERS[reader], "features=precomputed", f"features.path={write('four.npz', 4)}"]
    config = compose_train(*words)
    make_pipeline(config.pipeline, config.features, context).fit(train, val).save(tmp_path / "model")
    description = tmp_path / "model" / "pipeline.json"
    known = json.loads(description.read_text())
    if reader == "co-attention" and width == 5:  # as 0.3 wrote it
        del known["features"]["channels"]
    description.write_text(json.dumps(known))
    loaded = read_pipeline(tmp_path / "model", context)
    loaded.read_features_from(write("as_wide.npz", 4))
    with pytest.raises(UserError, match=rf"other\.npz: holds vectors of {width} values; .* on vectors of 4\."):
        loaded.read_features_from(write("other.npz", width))


def test_weights_that_nothing_reads_are_refused(context: Context) -> None:
    config = compose_train("experiment=xgboost")
    with pytest.raises(UserError, match=r"features\.weights=w\.whl: the run reads no features=musicnn\."):
        require_weights_read([make_pipeline(config.pipeline, config.features, context)], "w.whl")
