"""Settings that are given in Python are those that would be typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrefusion.core.errors import UserError
from genrefusion.settings.in_python import composed, composing, typed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("data.manifest", "a, b & 'c' [1].csv", "a, b & 'c' [1].csv"),
        ("data.manifest", Path("${oc.env:HOME}/音乐.csv"), "${oc.env:HOME}/音乐.csv"),
        ("data.min_seconds", 1e-05, 1e-05),
        ("data.max_seconds", np.float64(3.5), 3.5),
        ("data.min_tracks", None, None),
        ("data.min_tracks", np.int64(3), 3),
    ],
)
def test_values_arrive_as_they_are(name: str, value: Any, expected: Any) -> None:
    words = ["data=manifest", *typed({"data.manifest": "tracks.csv"} | {name: value})]
    with composing():
        config = composed("corpus", words)
    assert getattr(config.data, name.removeprefix("data.")) == expected


def test_lists_and_truths_arrive_as_they_are() -> None:
    settings = {"pipeline.runs": ["a b", Path("c,d")], "resume": True, "split.by_artist": False}
    with composing():
        config = composed("train", ["experiment=ensemble", "name=ensemble", *typed(settings)])
    assert (config.pipeline.runs, config.resume, config.split.by_artist) == (["a b", "c,d"], True, False)


def test_several_values_are_refused_in_a_sentence() -> None:
    with composing(), pytest.raises(UserError, match="seed"):
        composed("train", ["experiment=lyrics", "name=lyrics", "seed=0,1"])


def test_settings_are_a_dictionary_of_names() -> None:
    assert typed(None) == []
    for wrong in ({3: 4}, "pipeline.width=3"):
        with pytest.raises(UserError, match="settings is a dictionary"):
            typed(wrong)  # type: ignore[arg-type]
