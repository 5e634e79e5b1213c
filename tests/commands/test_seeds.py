"""Several runs that differ in the seed end with what they say together."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import TINY_DATA
from genrefusion.cli import train
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.intervals import seeds_interval
from genrefusion.metrics.predictions import read_predictions


@pytest.mark.long
def test_runs_with_several_seeds_end_with_a_row_for_each_combination_of_the_rest(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*TINY_DATA, "output=out", "workers=1", "experiment=lyrics_tfidf", "pipeline.c=1,-1", "seed=0,1"]
    monkeypatch.setattr(sys, "argv", ["train", "-m", *words])
    with pytest.raises(SystemExit, match="1"):
        train()
    runs = [path.parent for path in sorted(tmp_path.rglob("metrics.json"))]
    tests = [json.loads((run / "metrics.json").read_text())["test"] for run in runs]
    predictions = [read_predictions(run / "predictions" / "test.csv") for run in runs]
    songs = set().union(*(table["track_id"] for table in predictions))
    said = capsys.readouterr().out.partition("mean over the seeds, demo (synthetic), holdout by artist\n")[2]
    figures = []
    for name in ("accuracy", "macro_f1"):
        low, high = seeds_interval(predictions, name, groups=groups_of(runs))[1]
        figures.append(f"{np.mean([test[name] for test in tests]):.3f} [{low:.3f}, {high:.3f}]")
    assert re.search(r"^pipeline\.c=1 .*$", said, re.M)[0].split() == (
        ["pipeline.c=1", *" ".join(figures).split(), str(len(songs)), "2"]
    )
    assert "pipeline.c=-1" not in said
    assert "draw artists" in said
    assert "seeds have other test songs" in said
    assert "left out 2 runs that failed" in said
