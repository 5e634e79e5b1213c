"""One run from settings to its folder: corpus, split, fit, predictions, metrics.

A finished run folder holds ``config.yaml``, ``run.json``, ``run.log``, ``splits.csv``, ``history.csv``,
``predictions/{val,test}.csv``, ``frames/{val,test}.csv`` (where a pipeline has frames), ``metrics.json``, ``figures/``,
``report.html``, ``tracks.csv`` (artists and titles, where the corpus has them) and ``model/`` (``model/fold0/`` and so
on with folds). Everything that is reported is computed from the predictions.

Of several processes that train together, the main one makes the run (`run_experiment`); the others train the networks
along with it and do nothing else (`take_part`).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from genrefusion.core.alone import run_alone
from genrefusion.core.disks import disks_in_words, require_writable
from genrefusion.core.errors import UserError
from genrefusion.core.files import alone_in, write_json
from genrefusion.core.folders import cache_folder, cache_place, places_of
from genrefusion.core.machine import peak_memory_mb
from genrefusion.core.processes import process_count
from genrefusion.core.terminal import Terminal
from genrefusion.core.version import __version__
from genrefusion.data.corpora import facts_of, load_usable
from genrefusion.data.groups import recordings_of_two_genres
from genrefusion.data.song_files import grouped
from genrefusion.data.splits import Split, genres_without, split_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.precomputed import ready_tracks, refuse_genre_columns, require_numbers, with_digests
from genrefusion.metrics.predictions import write_predictions
from genrefusion.pipelines.base import Context, Pipeline, genres_to_learn, make_pipeline, read_features
from genrefusion.reports.corpus_facts import write_corpus_facts
from genrefusion.reports.run_page import write_report
from genrefusion.reports.summary import (
    gather_tables,
    prediction_tables,
    show_metrics,
    summarise,
    write_names,
    write_tables,
)
from genrefusion.runs.index import renew_index
from genrefusion.runs.record import open_record
from genrefusion.runs.store import model_folder
from genrefusion.runs.tracking import tracked
from genrefusion.settings.commands import EvaluateConfig, TrainConfig
from genrefusion.settings.registry import read_settings
from genrefusion.training import Tell, Watch

_MOST_SKIPPED = 8


def run_experiment(
    config: TrainConfig, directory: Path, *, command: str = "", quiet: bool = False, trial: Watch | None = None
) -> dict[str, Any]:
    """Train and evaluate as the settings say, and leave everything in the run folder.

    Parameters
    ----------
    config : TrainConfig
        Checked settings.
    directory : Path
        The run folder. With ``config.resume`` what is finished there is taken over.
    command : str
        What was typed after ``train``, to be told how to go on.
    quiet : bool
        Nothing on the terminal.
    trial : callable, optional
        Makes the run a trial of a sweep, which only helps to choose settings: test tracks are not predicted, and
        neither model nor report is left. ``trial(epoch, log_loss)`` is told the validation figure after each epoch of
        the first network; what it raises ends the run.

    Returns
    -------
    dict
        What ``metrics.json`` holds.

    Raises
    ------
    UserError
        A mistake in settings or data, or a folder that holds another run, or in which another process is training.
    """
    if process_count() > 1:
        _meet(config)
    directory.mkdir(parents=True, exist_ok=True)
    with alone_in(directory, "is training"):
        return _run(config, directory, command, quiet, trial)


def run_experiment_alone(config: TrainConfig, directory: Path, *, command: str) -> None:
    """Do as `run_experiment` in a process of its own, whose peak of memory is that of this run and of no other."""
    values = asdict(config)
    for name, chosen in vars(config).items():
        if isinstance(values[name], dict):  # a group of settings, which can be of several classes
            values[name] = {"schema": type(chosen).__name__} | values[name]
    request = {"config": values, "directory": str(directory), "command": command}
    run_alone("genrefusion.runs.training:answer", request)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `run_experiment_alone` asks of its process."""
    values = {n: read_settings(v) if isinstance(v, dict) else v for n, v in request["config"].items()}
    config = TrainConfig(**values)
    with disks_in_words(places_of(vars(config))):
        run_experiment(config, Path(request["directory"]), command=request["command"])
    return {}


@dataclass(frozen=True)
class _Work:
    """What a run works with, in all its folds."""

    config: TrainConfig
    directory: Path
    tracks: Tracks
    split: Split
    terminal: Terminal
    trial: Watch | None = None
    tell: Tell | None = None

    @property
    def title(self) -> str:
        """Of the run's pictures."""
        corpus = f"{self.tracks.corpus}{' (synthetic)' if self.tracks.synthetic else ''}"
        return f"{self.config.name}, {corpus}, {self.split.protocol}"


def _run(config: TrainConfig, directory: Path, command: str, quiet: bool, trial: Watch | None) -> dict[str, Any]:
    began = time.perf_counter()
    terminal = Terminal(quiet=quiet, log=directory / "run.log")
    tracks, split = prepare(config, terminal)
    work = _Work(config, directory, tracks, split, terminal, trial)
    _announce(work)
    record = open_record(config, tracks, split, directory, command, status="trial" if trial else "running")
    preparing = time.perf_counter() - began
    with tracked(config, directory, record, terminal) as tell:
        if record["status"] == "finished":  # all but its page is there
            metrics = dict(json.loads((directory / "metrics.json").read_text("utf-8")))
        else:
            metrics = _make(replace(work, tell=tell), record, preparing)
        _finish(directory, record, metrics, terminal)
    if record["status"] == "finished":
        renew_index(config.output, directory, terminal)
    terminal.say("run", directory)
    if process_count() > 1:
        from genrefusion.training.loop import leave_together  # only now: other pipelines need no PyTorch

        leave_together()
    return metrics


def _make(work: _Work, record: dict[str, Any], preparing: float) -> dict[str, Any]:
    """Fit and predict all folds; returns the metrics. What it took is noted in the record."""
    directory, tracks, split = work.directory, work.tracks, work.split
    began = time.perf_counter()
    _prepare_folds(work)
    preparing += time.perf_counter() - began
    done = [_run_fold(work, number) for number in range(len(split.folds))]
    gather_tables([_done(directory, number).parent for number in range(len(split.folds))], directory)
    caution = record["caution"]
    metrics = summarise(directory, tracks.table["genre"], title=work.title, terminal=work.terminal, caution=caution)
    record |= {
        "parameters": done[-1]["parameters"],
        "wall_seconds": preparing + sum(fold["seconds"] for fold in done),
        # Without the features, which are there sooner where the cache has them.
        "fit_seconds": sum(fold["fit_seconds"] for fold in done) if all("fit_seconds" in f for f in done) else None,
        "peak_memory_mb": peak_memory_mb(),
    }
    write_json(record, directory / "run.json")
    return metrics


def _prepare_folds(work: _Work) -> None:
    """Write what is tested where, extract the features, and tell the other processes that they are there."""
    config, tracks, split = work.config, work.tracks, work.split
    write_predictions(split.to_table(), work.directory / "splits.csv")
    if work.trial is None:
        named = {track for fold in split.folds for track in (*fold.val, *fold.test)}
        write_names(tracks, work.directory, of=named)
        fold = split.folds[0]
        parts = {"in all": sorted(split.tracks)}
        if len(split.folds) == 1:
            parts |= {"train": fold.train, "val": fold.val, "test": fold.test}
        write_corpus_facts(tracks, parts, work.directory, known=facts_of(config.data).lines())
    used = split.tracks
    make_pipeline(config.pipeline, config.features, train_context(config, work.terminal)).prepare(
        tracks.subset([track for track in tracks.ids if track in used])
    )
    if process_count() > 1:
        from genrefusion.training.loop import from_main

        from_main((work.directory, tracks, split))


def _finish(directory: Path, record: dict[str, Any], metrics: dict[str, Any], terminal: Terminal) -> None:
    """Show the metrics and write the page; only then is the run called finished, and what it went on from removed."""
    show_metrics(metrics, terminal)
    if record["status"] != "trial":
        record["status"] = "finished"
        terminal.say("report", write_report(directory, record))
        write_json(record, directory / "run.json")
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)


def take_part(config: TrainConfig) -> None:
    """Train along with the main process, which prints and writes; nothing is extracted here and nothing left behind.

    Parameters
    ----------
    config : TrainConfig
        The same as in the main process, which has checked it.
    """
    from genrefusion.training.loop import from_main, leave_together

    _meet(config)
    directory, tracks, split = from_main(None)
    work = _Work(config, directory, tracks, split, Terminal(quiet=True))
    for number in range(len(split.folds)):
        if not (config.resume and _done(directory, number).is_file()):
            _fit(work, number)
    leave_together()


def _meet(config: TrainConfig) -> None:
    """Bring several processes together, or refuse what they cannot do."""
    from genrefusion.training.loop import make_accelerator

    count = process_count()
    if not config.pipeline.trains_network:
        raise UserError(f"experiment={config.name} trains no network: start it without a launcher, in one process.")
    size = config.pipeline.batch_size
    if size % count or size < 2 * count:
        raise UserError(
            f"pipeline.batch_size={size} is divided among {count} processes: take a multiple of {count}, "
            f"{2 * count} at least."
        )
    make_accelerator(config.trainer)


def prepare(config: TrainConfig, terminal: Terminal) -> tuple[Tracks, Split]:
    """Load and check the corpus, and divide it."""
    cache = cache_folder(config.cache)
    if not (cache / "features").is_dir():  # one that may only be read may have all features
        require_writable(cache_place(cache))
    pipeline = make_pipeline(config.pipeline, config.features, train_context(config, terminal))
    tracks = load_usable(
        config.data,
        pipeline.uses,
        cache=cache,
        workers=config.workers,
        terminal=terminal,
        require=pipeline.require_corpus,
        divided=True,
    )
    features = read_features(pipeline)
    require_numbers(tracks, features)
    refuse_genre_columns(tracks, features)
    tracks = with_digests(tracks, features)
    split = split_tracks(_without_unready_val(config, tracks, terminal), config.split, seed=config.seed)
    for fold in split.folds:  # or each fit would refuse them, in a run that has begun
        genres_to_learn(tracks.subset(fold.train), tracks.subset(fold.val))
    return tracks, split


def _without_unready_val(config: TrainConfig, tracks: Tracks, terminal: Terminal) -> Tracks:
    """Leave out the table's own validation tracks, if that is asked for or ready features lack all of them.

    Others are held out of train then.
    """
    if config.split.kind != "predefined" or not tracks.has("split"):
        return tracks
    val = set(tracks.table.index[tracks.table["split"] == "val"].astype(str))
    ready = ready_tracks(config.features)
    lacking = ready is not None and not val & ready
    if not val or not (config.split.val_from_train or lacking):
        return tracks
    why = f", none of them in {config.features.path}" if lacking else ""
    terminal.say("left out", f"{len(val)} val tracks of the table{why}; val is taken from train")
    return tracks.subset([track for track in tracks.ids if track not in val])


def _run_fold(work: _Work, number: int) -> dict[str, Any]:
    """Fit and predict one fold, unless a run that is resumed did; returns what it took."""
    if len(work.split.folds) > 1:
        work.terminal.say("fold", f"{number + 1} of {len(work.split.folds)}")
    done = _done(work.directory, number)
    if work.config.resume and done.is_file():
        work.terminal.say("resume", "finished before")
        return dict(json.loads(done.read_text()))
    began = time.perf_counter()
    pipeline, fit_seconds = _fit(work, number)
    _predict_fold(work, number, pipeline)
    seconds = time.perf_counter() - began
    if len(pipeline.history_):  # its epochs may have been trained before an interruption
        trained = float(pipeline.history_["seconds"].sum())
        seconds, fit_seconds = max(seconds, trained), max(fit_seconds, trained)
    facts = {"parameters": pipeline.parameter_count(), "seconds": seconds, "fit_seconds": fit_seconds}
    write_json(facts, done)
    return facts


def _fit(work: _Work, number: int) -> tuple[Pipeline, float]:
    """Fit the pipeline of a fold; returns it and the seconds that the fit alone took."""
    config, fold = work.config, work.split.folds[number]
    state = _done(work.directory, number).parent
    watch = work.trial if number == 0 else None  # later folds have other validation tracks
    context = train_context(config, work.terminal)
    context = replace(context, checkpoints=state, resume=config.resume, watch=watch, tell=work.tell)
    pipeline = make_pipeline(config.pipeline, config.features, context)
    train, val = work.tracks.subset(fold.train), work.tracks.subset(fold.val)
    began = time.perf_counter()
    pipeline.fit(train, val)
    return pipeline, time.perf_counter() - began


def _predict_fold(work: _Work, number: int, pipeline: Pipeline) -> None:
    """Save the pipeline of a fold, and write what it predicts and tells of itself; of a trial, val alone."""
    fold, tracks = work.split.folds[number], work.tracks
    state = _done(work.directory, number).parent
    parts = {"val": fold.val}
    if work.trial is None:
        pipeline.save(model_folder(work.directory, work.split, number))
        parts["test"] = fold.test
    for part, ids in parts.items():
        tables = prediction_tables(pipeline.predict_proba(tracks.subset(ids)), tracks.table["genre"], part, fold=number)
        write_tables(tables, state)
    if len(pipeline.importance_):
        write_predictions(pipeline.importance_.assign(fold=number), state / "importance.csv")
    if len(pipeline.history_):
        write_predictions(pipeline.history_.assign(fold=number), state / "history.csv")


def _done(directory: Path, number: int) -> Path:
    """Facts of a fold, in the folder of its state; they are there once it is finished."""
    return directory / "checkpoints" / f"fold{number}" / "done.json"


def make_context(
    config: TrainConfig | EvaluateConfig, cache: FeatureCache, terminal: Terminal, *, max_seconds: float
) -> Context:
    """What the pipelines of a command work with."""
    return Context(
        cache=cache,
        workers=config.workers,
        max_seconds=max_seconds,
        trainer=config.trainer,
        terminal=terminal,
    )


def train_context(config: TrainConfig, terminal: Terminal) -> Context:
    """What the pipelines of a training work with."""
    cache = FeatureCache(cache_folder(config.cache) / "features")
    return replace(make_context(config, cache, terminal, max_seconds=config.data.max_seconds), seed=config.seed)


def say_skipped(tracks: Tracks, terminal: Terminal, record: str) -> None:
    """Name the tracks that were left out, as far as they take few lines; the record, a file, has all."""
    skipped = grouped(tracks.skipped)
    for row in skipped[:_MOST_SKIPPED]:
        terminal.say("skipped", row)
    if len(skipped) > _MOST_SKIPPED:
        terminal.say("", f"… and {len(skipped) - _MOST_SKIPPED} more, listed in {record}")


def _announce(work: _Work) -> None:
    """Say what is trained on what, and what is to be known of corpus and split."""
    config, tracks, split, terminal = work.config, work.tracks, work.split, work.terminal
    count = f"{len(tracks)} songs"
    if tracks.piece_seconds is not None:
        count = f"{len(tracks)} pieces of {tracks.table['song'].nunique()} songs"
    corpus = f"{tracks.corpus} ({'synthetic, ' if tracks.synthetic else ''}{count}, {len(tracks.genres)} genres)"
    terminal.say(f"genrefusion {__version__}  ", f"{config.name} on {corpus}   seed {config.seed}")
    say_skipped(tracks, terminal, "run.json")
    for recording in recordings_of_two_genres(tracks.table)[:_MOST_SKIPPED]:
        terminal.say("note", f"one recording under two genres: {recording}")
    sizes = "   ".join(f"{len(f.train)} train, {len(f.val)} val, {len(f.test)} test" for f in split.folds[:1])
    terminal.say("split", f"{split.protocol}: {sizes}{' in the first fold' if len(split.folds) > 1 else ''}")
    for line in genres_without(tracks, split):
        terminal.say("", line)
