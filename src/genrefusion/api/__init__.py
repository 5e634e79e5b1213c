"""What notebooks and other programs call: corpora, trainings, finished runs, predictions, features, pipelines.

Everything goes the way of the command line: the same defaults, checks, cache and signatures. Settings are called as
they are typed, ``settings={"pipeline.width": 64}``, and a mistake in them is a `UserError` with the same sentence.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd

from genrefusion.api.corpora import PathLike, as_path, checked, of_table, open_corpus, words_of
from genrefusion.commands.predict import ask
from genrefusion.commands.predict_formats import Answers, as_tables
from genrefusion.commands.train import make_run
from genrefusion.core.disks import disks_in_words
from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.folders import cache_folder, forgotten_unless_begun, places_of, run_folder
from genrefusion.core.paths import absolute
from genrefusion.core.processes import process_count
from genrefusion.core.terminal import Terminal, shown
from genrefusion.data.tracks import Tracks, require_tracks
from genrefusion.features.arrays import feature_arrays
from genrefusion.features.cache import cache_to_read
from genrefusion.pipelines import base, saved
from genrefusion.pipelines.base import Context, Pipeline, Predictor
from genrefusion.pipelines.ensemble import EnsemblePipeline
from genrefusion.runs.kept_corpus import corpus_kept, kept_name
from genrefusion.runs.listing import list_runs
from genrefusion.runs.store import Run, open_run
from genrefusion.runs.training import train_context
from genrefusion.settings.composing import require_once
from genrefusion.settings.in_python import composed, composing, typed

__all__ = [
    "Answers",
    "Run",
    "Tracks",
    "UserError",
    "extract",
    "find_runs",
    "load_pipeline",
    "make_pipeline",
    "open_corpus",
    "open_run",
    "predict",
    "train",
]

Chosen = Mapping[str, Any] | None


def train(
    experiment: str,
    tracks: Tracks,
    *,
    split: str | None = None,
    seed: int = 0,
    settings: Chosen = None,
    quiet: bool = False,
) -> Run:
    """Train and evaluate an experiment, as the command ``train`` does: in a run folder, with the same signature.

    Parameters
    ----------
    experiment : str
        As ``train experiment=…`` has it.
    tracks : Tracks
        From `open_corpus`. Of some of them, or of tracks that were made in memory, the table goes into the run folder,
        so that `evaluate` opens the corpus again.
    split : str, optional
        How they are divided: ``holdout`` (the default), ``kfold``, ``predefined``.
    seed : int
        Of everything random.
    settings : mapping of str to Any, optional
        Any other settings by the names that are typed, such as ``{"pipeline.width": 64, "output": "runs"}``.
    quiet : bool
        Say nothing; the run folder has it all.

    Returns
    -------
    Run
        With its figures, predictions and report.

    Raises
    ------
    UserError
        A mistake in settings or tracks.
    """
    require_tracks(tracks, "train")
    if process_count() > 1:
        raise UserError("train runs in one process from Python: start it without a launcher.")
    given = [*([] if split is None else [f"split={split}"]), f"seed={seed}", *typed(settings)]
    require_once(given)
    if ours := [name for name in settings or () if name.startswith("hydra.")]:
        raise UserError(f'{ours[0]} is of the command line; settings={{"output": FOLDER}} says where runs go.')
    if named := {"data", "data.manifest", "data.root"} & set(settings or ()):
        raise UserError(f"{min(named)} is told by the tracks: leave it out of settings, and open another corpus.")

    def words(data: Sequence[str]) -> list[str]:
        return [f"experiment={experiment}", *data, *given]

    def compose(data: Sequence[str]) -> Any:  # the name is the command's, which Hydra gives a command alone
        return composed("train", [f"name={experiment}", *words(data)])

    data = words_of(tracks)
    with composing(), contextlib.ExitStack() as kept:
        config = compose(data or of_table(Path("in_memory.csv")))
        corpus = config.data.corpus_name if data else kept_name(tracks)
        directory = Path(run_folder(config.output, config.name, corpus, config.resume))
        kept.enter_context(disks_in_words(places_of(vars(config)), run=directory))
        kept.enter_context(forgotten_unless_begun(directory))
        if not data:
            data = of_table(kept.enter_context(corpus_kept(tracks, directory)))
            config = compose(data)
        directory = make_run(config, directory, words(data), quiet=quiet)
    return open_run(absolute(directory))


def predict(
    run: PathLike | Sequence[PathLike] | None = None,
    songs: PathLike | Sequence[PathLike] | None = None,
    *,
    model: str | None = None,
    lyrics: PathLike | None = None,
    settings: Chosen = None,
    quiet: bool = False,
) -> Answers:
    """Name the genres of songs that are in no corpus, as the command ``predict`` does.

    Parameters
    ----------
    run : Run, str or Path, or several, optional
        Finished runs, whose answers are averaged.
    songs : str or Path, or several, optional
        Songs, folders or patterns.
    model : str, optional
        In place of a run, without training: ``"musicnn"``, the published tag network, as ``predict model=…`` has it.
    lyrics : str or Path, optional
        A file or a folder to look for lyrics in, before those beside the songs and in their tags. Without songs, whose.
    settings : mapping of str to Any, optional
        Others that ``predict`` takes: ``cache``, ``workers``, ``trainer``.
    quiet : bool
        Say nothing of songs that are left out, and of what is to be known of the others.

    Returns
    -------
    Answers
        A table of songs, and one of their frames.

    Raises
    ------
    UserError
        There is no run or no song, or not one can be answered.
    """
    if named := {"run", "model", "audio", "lyrics", "format", "plot", "output"} & set(settings or ()):
        raise UserError(f"{min(named)} is none of the settings here: runs, songs, model and lyrics are arguments.")
    if (run is None) == (model is None) or (songs is None and lyrics is None):
        raise UserError(
            'predict takes a run, or else model="musicnn", and songs: predict(run, "song.mp3"), '
            'predict(model="musicnn", songs="song.mp3"). Lyrics alone: predict(run, lyrics="song.lrc").'
        )
    runs, audio = _several(run, "runs"), _several(songs, "songs")
    with composing():
        config = composed("predict", typed(settings))
    config = replace(config, run=runs, model=model, audio=audio, lyrics=None if lyrics is None else os.fspath(lyrics))
    terminal = Terminal(quiet=quiet)
    with disks_in_words(places_of(vars(config))):
        asked = ask(config, terminal)
        found = list(asked.answers)
    answers = [answer for answer, _ in found if answer is not None]
    problems = [*(problem for _, problems in found for problem in problems), *asked.lost]
    if not answers:
        raise UserError(f"Not one of {asked.count} songs could be answered:\n{bullet_list(problems)}")
    notes = [f"{shown(answer.song.path)}   {fact}" for answer in answers for fact in answer.song.facts]
    for label, lines in (("note", [*filter(None, [asked.warning]), *asked.notes, *notes]), ("left out", problems)):
        for line in lines:
            terminal.say(label, line)
    return as_tables(answers, asked.genres)


def extract(
    features: str, tracks: Tracks, *, settings: Chosen = None, quiet: bool = False
) -> dict[str, npt.NDArray[Any]]:
    """Compute features of tracks, or take them from the cache that all commands share.

    Parameters
    ----------
    features : str
        As ``train features=…`` has it, such as ``"handcrafted_wide"``, ``"mel"`` or ``"musicnn"``.
    tracks : Tracks
        Each with audio.
    settings : mapping of str to Any, optional
        Others by the names that are typed, such as ``{"features.segment_seconds": 5, "workers": 4}``.
    quiet : bool
        Say nothing of how far it is.

    Returns
    -------
    dict of str to ndarray
        By track id: a log mel-spectrogram in dB, shape (bands, columns); vectors over time, shape (vectors, channels);
        or rows of hand-crafted features, shape (segments, features).

    Raises
    ------
    UserError
        There are no such features, or a track has no audio.
    """
    require_tracks(tracks, "extract")
    with composing():
        config = composed("train", ["name=extract", f"features={features}", *typed(settings)])
    terminal = Terminal(quiet=quiet)
    with disks_in_words(places_of(vars(config))):
        tracks = checked(tracks, config.data, cache_folder(config.cache), config.workers, terminal)
        around = train_context(config, terminal).surroundings()
        return feature_arrays(config.features, tracks, around, workers=config.workers)


def make_pipeline(experiment: str, *, seed: int = 0, settings: Chosen = None, quiet: bool = False) -> Pipeline:
    """Make the untrained pipeline of an experiment: ``fit(train, val)``, then ``predict_proba(test)``.

    Parameters
    ----------
    experiment : str
        As ``train experiment=…`` has it.
    seed : int
        Of everything random in the fit.
    settings : mapping of str to Any, optional
        Others by the names that are typed, such as ``{"pipeline.estimator": "svm"}``.
    quiet : bool
        Say nothing of how far it is.

    Returns
    -------
    Pipeline
        See `genrefusion.pipelines.base`; `fit` and `predict_proba` take tracks from `open_corpus`, or some of them.

    Raises
    ------
    UserError
        There is no such experiment or setting, or it is joined from finished runs.
    """
    with composing():
        words = [f"experiment={experiment}", f"seed={seed}", *typed(settings)]
        require_once(words)
        config = composed("train", [f"name={experiment}", *words])
    return base.make_pipeline(config.pipeline, config.features, train_context(config, Terminal(quiet=quiet)))


def find_runs(output: PathLike = "outputs") -> pd.DataFrame:
    """List the finished runs in a folder of outputs, oldest first; one that is damaged is left out.

    Returns
    -------
    DataFrame
        Columns ``name``, ``corpus``, ``corpus_digest`` (its beginning), ``protocol``, ``seed``, ``date``, ``n``,
        ``accuracy``, ``macro_f1``, ``directory``; then one for each setting, called as it is typed, in which runs of
        the same name differ.

    Raises
    ------
    UserError
        There is no such folder.
    """
    folder = as_path(output, "find_runs")
    if not folder.is_dir():
        raise UserError(f"find_runs: no folder {folder}.")
    return list_runs(folder)


def load_pipeline(folder: PathLike, *, cache: str | None = None, workers: int = 2, quiet: bool = True) -> Predictor:
    """Load the trained pipeline of a run, or one that was saved; that of several folds answers with the mean of theirs.

    Parameters
    ----------
    folder : Run, str or Path
        The run folder, which may have been moved, or the folder that a pipeline's ``save`` wrote. The corpus that it
        was trained on is not needed.
    cache : str, optional
        Folder of computed features; by default that of the commands.
    workers : int
        Threads that extract features.
    quiet : bool
        Say nothing of how far an extraction is.

    Returns
    -------
    Predictor
        See `genrefusion.pipelines.base.Predictor`; ``predict_proba`` takes `Tracks`.

    Raises
    ------
    UserError
        There is neither a finished run nor a pipeline.
    """
    directory = as_path(folder, "load_pipeline")
    context = Context(cache_to_read(cache_folder(cache) / "features"), workers=workers, terminal=Terminal(quiet=quiet))
    if saved.is_saved(directory):
        context.max_seconds = saved.read_description(directory)["max_seconds"]
        return saved.read_pipeline(directory, context)
    run = open_run(directory)
    context.max_seconds = run.record["config"]["data"]["max_seconds"]
    pipelines = run.pipelines(context)
    return pipelines[0] if len(pipelines) == 1 else EnsemblePipeline.mean_of(pipelines)


def _several(paths: PathLike | Sequence[PathLike] | None, name: str) -> list[str] | None:
    if paths is None:
        return None
    if isinstance(paths, Tracks | pd.DataFrame | Mapping):
        raise UserError(
            f"predict: {name} are paths, not a {type(paths).__name__}. A column of paths will do; the tracks of a "
            "corpus are predicted by load_pipeline(run).predict_proba(tracks)."
        )
    several = [paths] if isinstance(paths, str | os.PathLike) or not isinstance(paths, Iterable) else paths
    return [os.fspath(as_path(path, f"predict: {name}")) for path in several]
