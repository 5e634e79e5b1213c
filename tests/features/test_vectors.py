from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genrefusion.features.vectors import HandcraftedExtractor, segment_spans
from genrefusion.settings.features import HandcraftedFeatures


@pytest.mark.parametrize("seconds", [1.0, 2.9, 3.0, 3.1, 4.999, 5.0, 5.001])
@pytest.mark.parametrize("rate", [22050, 16000])
def test_there_are_as_many_spans_as_segments(
    seconds: float, rate: int, write_tone: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_tone(tmp_path / "song.wav", seconds=seconds, rate=rate)
    settings = HandcraftedFeatures(segment_seconds=2)
    spans = segment_spans(round(seconds * rate) / rate, 2)
    assert len(spans) == len(HandcraftedExtractor(settings, max_seconds=600)(path))


def test_segments_lie_side_by_side_and_are_equally_long() -> None:
    np.testing.assert_allclose(segment_spans(9.3, 3), [(0, 3.1), (3.1, 6.2), (6.2, 9.3)])


@pytest.mark.parametrize("changed", [{"kind": "published"}, {"segment_seconds": 3.0}, {"max_seconds": 30.0}], ids=str)
def test_what_changes_the_values_is_part_of_the_cache_key(changed: dict[str, Any]) -> None:
    def key(max_seconds: float = 600, **settings: Any) -> Mapping[str, Any]:
        return HandcraftedExtractor(HandcraftedFeatures(**settings), max_seconds=max_seconds).parameters()

    assert key(kind="wide") == key(kind="wide")
    assert key(**({"kind": "wide"} | changed)) != key(kind="wide")
