"""What notebooks and other programs call: corpora, finished runs, trained pipelines."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import cast

import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from genrefusion.core.folders import cache_folder
from genrefusion.core.terminal import Terminal
from genrefusion.data.checks import check_audio
from genrefusion.data.corpora import load_corpus, load_usable
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import cache_to_read
from genrefusion.pipelines.base import Context, Predictor
from genrefusion.pipelines.ensemble import EnsemblePipeline
from genrefusion.runs.store import Run, open_run
from genrefusion.settings.commands import CorpusConfig
from genrefusion.settings.composing import as_override, configs_directory, register, to_settings

__all__ = ["Run", "find_runs", "load_pipeline", "open_corpus", "open_run"]


def open_corpus(*overrides: str, workers: int = 2) -> Tracks:
    """Find a corpus by what would be typed after ``corpus``.

    Parameters
    ----------
    *overrides : str
        Such as ``"data=manifest", "data.manifest=tracks.csv"``; without any, the demo corpus.
    workers : int
        Processes that compose the demo corpus.

    Returns
    -------
    Tracks
        With the table of the tracks; audio files are decoded once, and refused or skipped as a training would do it.
    """
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        config = cast(CorpusConfig, to_settings(compose("corpus", list(map(as_override, overrides)))))
    data = config.data
    cache, terminal = cache_folder(None), Terminal(quiet=True)
    if data.piece_seconds is not None:
        return load_usable(data, ["audio"], cache=cache, workers=workers, terminal=terminal)
    tracks = load_corpus(data, cache=cache, workers=workers, terminal=terminal)
    return check_audio(tracks, data, cache=cache, workers=workers, terminal=terminal)


def find_runs(output: str | Path = "outputs") -> pd.DataFrame:
    """List the finished runs in a folder of outputs, oldest first; one that is damaged is left out.

    Returns
    -------
    DataFrame
        Columns ``name``, ``corpus``, ``protocol``, ``seed``, ``n``, ``accuracy``, ``macro_f1``, ``directory``.
    """
    rows = []
    for path in sorted(Path(output).glob("**/run.json"), key=lambda found: found.parent.name):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # one that is damaged is none
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] != "finished":
                continue
            test = json.loads((path.parent / "metrics.json").read_text(encoding="utf-8"))["test"]
            facts = {name: record[name] for name in ("name", "corpus", "protocol", "seed")}
            facts |= {name: test[name] for name in ("n", "accuracy", "macro_f1")}
            rows.append(facts | {"directory": path.parent})
    return pd.DataFrame(rows, columns=["name", "corpus", "protocol", "seed", "n", "accuracy", "macro_f1", "directory"])


def load_pipeline(run: str | Path, *, cache: str | None = None, workers: int = 2) -> Predictor:
    """Load the trained pipeline of a run; that of several folds answers with the mean of their models.

    Parameters
    ----------
    run : str or Path
        The run folder; it may have been moved, and the corpus it was trained on is not needed.
    cache : str, optional
        Folder of computed features; by default that of the commands.
    workers : int
        Threads that extract features.

    Returns
    -------
    Predictor
        See `genrefusion.pipelines.base.Predictor`; ``predict_proba`` takes `Tracks`.
    """
    found = open_run(Path(run))
    seconds = found.record["config"]["data"]["max_seconds"]
    context = Context(cache_to_read(cache_folder(cache) / "features"), workers=workers, max_seconds=seconds)
    pipelines = found.pipelines(context)
    return pipelines[0] if len(pipelines) == 1 else EnsemblePipeline.mean_of(pipelines)
