"""The benchmark of the tag network measures each alternative, and judges what it measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from benchmarks import encoder

pytestmark = pytest.mark.slow


def test_each_alternative_is_measured_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder.main(["--seconds", "6", "--repeats", "1", "--json", str(tmp_path / "encoder.json")])
    record = json.loads((tmp_path / "encoder.json").read_text())
    assert len(record["rows"]) == 6
    for row in record["rows"].values():
        assert row["times_real_time"] == pytest.approx(6 / row["median_seconds"])
    assert record["rows"]["side by side"]["ratio"] == 1
    printed = capsys.readouterr().out
    assert all(name in printed for name in record["rows"])
    assert "\n".join(record["verdict"]) in printed


def test_the_verdict_says_which_promise_is_broken() -> None:
    rows = {name: {"times_real_time": 60.0, "ratio": 1.4} for name in encoder.alternatives(4)}
    assert [line[:6] for line in encoder.verdict(rows)] == ["kept  ", "kept  "]
    rows["a hop of 1 s"]["ratio"] = 1.5
    assert [line[:6] for line in encoder.verdict(rows)] == ["kept  ", "BROKEN"]
