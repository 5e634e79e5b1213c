"""Scoring a finished run again."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.commands.calibrate import calibrate
from genrefusion.core.errors import UserError
from genrefusion.core.faults import why_not_writable
from genrefusion.core.files import write_json
from genrefusion.core.folders import cache_folder
from genrefusion.core.terminal import Terminal
from genrefusion.data.corpora import facts_of, load_usable
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import ReadOnlyCache, cache_to_read
from genrefusion.features.precomputed import require_numbers, with_digests
from genrefusion.metrics.predictions import as_text, mean_prediction, read_predictions
from genrefusion.pipelines.base import read_features, require_weights_read
from genrefusion.reports.corpus_facts import write_corpus_facts
from genrefusion.reports.run_page import write_report
from genrefusion.reports.summary import prediction_tables, show_metrics, summarise, write_names, write_tables
from genrefusion.runs.evaluation_folders import replacing
from genrefusion.runs.explain.explain import explain
from genrefusion.runs.explain.songs import parts_to_explain
from genrefusion.runs.index import renew_index
from genrefusion.runs.kept_corpus import corpus_of
from genrefusion.runs.sides.matrix import Parts, compare_sides, parts_with_sides
from genrefusion.runs.store import Run, open_run
from genrefusion.runs.training import make_context, say_skipped
from genrefusion.settings.commands import EvaluateConfig


def run(config: EvaluateConfig) -> None:
    """Score a saved run."""
    evaluate_run(config)


def evaluate_run(config: EvaluateConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Score a saved run again: its own test tracks, or all tracks of another corpus with the same genres.

    On another corpus the models of all folds are averaged, and tracks that were trained on are left out. The result
    goes to ``evaluations/<corpus>/`` in the run folder, whose own figures stay as they are. Of a run that cannot be
    written the figures are shown alone. With ``calibrate`` the result
    with calibrated probabilities goes to ``evaluations/<corpus>_calibrated/`` as well. With ``explain`` what a
    co-attention run looked at goes to ``explanations/``, in the run folder or for another corpus beside its result, and
    into the report; where these are the run's own test tracks, into that of the run too. With ``sides`` what it does
    with the wrong sides goes to ``sides/`` beside the result.

    Parameters
    ----------
    config : EvaluateConfig
        Checked settings.
    quiet : bool
        Nothing on the terminal.

    Returns
    -------
    dict
        Figures as in ``metrics.json``; with ``calibrate`` those of the calibrated probabilities.

    Raises
    ------
    UserError
        The run is not finished, the corpus has genres that it does not know, or there is nothing to explain, or no
        place for the drawings, or there is one side only.
    """
    if not config.run:
        raise UserError("evaluate needs run=DIR: the folder that train named in its last line.")
    terminal = Terminal(quiet=quiet)
    run = open_run(Path(config.run))
    closed = why_not_writable(run.directory / "evaluations")
    if closed is not None and config.explain:
        raise closed
    scored = _prepare(config, run, terminal)
    to_explain = parts_to_explain(scored.parts) if config.explain else []
    to_exchange = parts_with_sides(scored.parts) if config.sides else []
    tables = _predict_parts(scored.parts)
    same = _is_there(scored.target, tables)
    # What was calibrated or explained of other predictions does not go with these.
    stale = not same and (scored.calibrated / "calibration.json").is_file()
    targets = [scored.target, scored.calibrated] if config.calibrate or stale else [scored.target]
    kept = {"explanations": not config.explain, "sides": not config.sides}
    keep = [name for name, keeps in kept.items() if same and keeps]
    with replacing(*targets, keep=keep) if closed is None else _passing(len(targets)) as (folder, *others):
        metrics = _write(scored, tables, folder, terminal)
        if config.calibrate:
            val = read_predictions(scored.run.directory / "predictions" / "val.csv")
            metrics = calibrate(folder, val, others[0], by_fold=scored.own, title=scored.title, terminal=terminal)
        if config.explain:
            explain(to_explain, scored.explanations(folder), config.explain, title=scored.title, terminal=terminal)
        if config.sides:
            parts = _forgetful(config, scored, to_exchange)
            said = run.record.get("caution", "")
            compare_sides(parts, scored.tracks, folder / "sides", title=scored.title, caution=said, terminal=terminal)
        before = scored.calibrated if same else None
        calibrated = others[0] if config.calibrate else before
        done = _Done(explained=bool(config.explain), exchanged=bool(config.sides), kept=same, calibrated=calibrated)
        _report(scored, folder, done)
    if closed is not None:
        terminal.say("note", f"{run.directory}: {closed.strerror}. The figures are not kept")
        return metrics
    if scored.own and (config.explain or config.sides):
        write_report(run.directory, run.record)  # it shows what is explained, and advises nothing that is done
    renew_index(run.record["config"]["output"], run.directory, terminal)
    _say_where(config, scored, stale, terminal)
    return metrics


def _say_where(config: EvaluateConfig, scored: _Scored, stale: bool, terminal: Terminal) -> None:
    """Name what the evaluation has left."""
    terminal.say("report", scored.target / "report.html")
    terminal.say("figures", scored.target)
    if config.calibrate:
        terminal.say("scaled", scored.calibrated)
    elif stale:
        terminal.say("removed", f"{scored.calibrated}: it was of other predictions")
    if config.explain:
        terminal.say("explained", scored.explanations(scored.target))
    if config.sides:
        terminal.say("sides", scored.target / "sides")


@contextlib.contextmanager
def _passing(count: int) -> Iterator[list[Path]]:
    """Give folders that are there for as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield [Path(folder) / str(number) for number in range(count)]


@dataclass(frozen=True)
class _Scored:
    """What is scored of a run, and where the result goes."""

    run: Run
    own: bool  # its own test tracks, not those of another corpus
    tracks: Tracks
    parts: Parts  # tracks, and the pipelines whose mean prediction they get
    target: Path
    known: list[tuple[str, str]]  # what the corpus says of itself

    @property
    def calibrated(self) -> Path:
        return self.target.with_name(f"{self.target.name}_calibrated")

    def explanations(self, folder: Path) -> Path:
        """Folder for what is explained: of the run, or of another corpus beside its result in a folder."""
        return (self.run.directory if self.own else folder) / "explanations"

    @property
    def protocol(self) -> str:
        return self.run.split.protocol if self.own else f"trained on {self.run.record['corpus']}"

    @property
    def corpus(self) -> str:
        return f"{self.tracks.corpus}{' (synthetic)' if self.tracks.synthetic else ''}"

    @property
    def evaluated(self) -> dict[str, Any]:
        """What ``evaluation.json`` and the report say of it."""
        tracks = self.tracks
        facts = {"corpus": tracks.corpus, "corpus_digest": tracks.digest, "synthetic": tracks.synthetic}
        return facts | {"protocol": self.protocol, "skipped": tracks.skipped, "run": self.run.directory.resolve().name}

    @property
    def title(self) -> str:
        return f"{self.run.record['name']}, {self.corpus}, {self.protocol}"


def _prepare(config: EvaluateConfig, run: Run, terminal: Terminal) -> _Scored:
    """Open the run's models and load what they are to be scored on; what cannot be done is refused before."""
    trained = run.record["config"]["data"]
    data = config.data or corpus_of(run.record, run.directory)
    # What a prediction depends on is the run's: songs are heard for as long as in training.
    data = replace(data, max_seconds=trained["max_seconds"])
    cache = cache_folder(config.cache)
    context = make_context(config, cache_to_read(cache / "features"), terminal, max_seconds=data.max_seconds)
    context.weights = config.features.weights
    pipelines = run.pipelines(context, features_path=config.features.path)
    require_weights_read(pipelines, context.weights)
    if config.explain:
        pipelines[0].require_attention()
    if config.calibrate:
        _require_unused_val(run)
    own = config.data is None
    sides, workers = pipelines[0].uses, config.workers
    tracks = load_usable(data, sides, cache=cache, workers=workers, terminal=terminal, divided=own)
    say_skipped(tracks, terminal, "evaluation.json")
    features = read_features(pipelines[0])
    require_numbers(tracks, features)
    tracks = with_digests(tracks, features)
    if own:
        _require_same_corpus(run, tracks)
        parts = [([p], tracks.subset(fold.test)) for p, fold in zip(pipelines, run.split.folds, strict=True)]
    else:
        tracks = tracks.called_as(pipelines[0].classes_)
        _require_known_genres(tracks, pipelines[0].classes_)
        parts = [(pipelines, _without_trained(run, tracks, terminal))]
    target = run.directory / "evaluations" / _place(run, tracks, own=own)
    return _Scored(run, own, tracks, parts, target, facts_of(data).lines())


def _forgetful(config: EvaluateConfig, scored: _Scored, parts: Parts) -> Parts:
    """The same pipelines without views, that say nothing and keep nothing of what is computed for them."""
    context = parts[0][0][0].context
    cache = ReadOnlyCache(context.cache.directory)
    context = replace(context, views=False, cache=cache, terminal=Terminal(quiet=True))
    pipelines = iter(scored.run.pipelines(context, features_path=config.features.path))
    return [([next(pipelines) for _ in several], tracks) for several, tracks in parts]


def _write(scored: _Scored, tables: dict[str, pd.DataFrame], folder: Path, terminal: Terminal) -> dict[str, Any]:
    """Write and show what the predictions say; returns the figures."""
    run, tracks = scored.run, scored.tracks
    write_tables(tables, folder)
    write_json(scored.evaluated, folder / "evaluation.json")
    tested = {track for _, part in scored.parts for track in part.ids}
    write_names(tracks, folder, of=tested)
    write_corpus_facts(tracks, {"test": sorted(tested)}, folder, known=scored.known)
    caution = run.record.get("caution", "")
    metrics = summarise(folder, tracks.table["genre"], title=scored.title, terminal=terminal, caution=caution)
    terminal.say("evaluate", f"{run.record['name']} on {scored.corpus}, {scored.protocol}")
    show_metrics(metrics, terminal)
    return metrics


@dataclass(frozen=True)
class _Done:
    """What an evaluation has beside its figures: made now, or kept of before, where the predictions are the same."""

    explained: bool
    exchanged: bool
    kept: bool
    calibrated: Path | None


def _report(scored: _Scored, folder: Path, done: _Done) -> None:
    """Write the page of an evaluation with what is explained and exchanged, now or before of the same predictions."""
    run = scored.run
    known = done.explained or done.kept
    explanations = scored.explanations(folder if done.explained else scored.target) if known else None
    sides = (folder if done.exchanged or not done.kept else scored.target) / "sides"
    record = run.record | {"evaluated": scored.evaluated}
    write_report(folder, record, explanations=explanations, sides=sides, calibrated=done.calibrated)


def _place(run: Run, tracks: Tracks, *, own: bool) -> str:
    """Name of an evaluation's folder: of the corpus, and where another corpus has the name already, its digest."""
    if own:
        return tracks.corpus
    path = run.directory / "evaluations" / tracks.corpus / "evaluation.json"
    there = json.loads(path.read_text(encoding="utf-8"))["corpus_digest"] if path.is_file() else tracks.digest
    taken = tracks.corpus == run.record["corpus"] or there != tracks.digest
    return f"{tracks.corpus}_{tracks.digest[:8]}" if taken else tracks.corpus


def _is_there(target: Path, tables: dict[str, pd.DataFrame]) -> bool:
    """Whether an evaluation's folder holds these very predictions."""
    path = target / "predictions" / "test.csv"
    return path.is_file() and path.read_text(encoding="utf-8") == as_text(tables["predictions/test.csv"])


def _predict_parts(parts: Parts) -> dict[str, pd.DataFrame]:
    """Tables of the mean prediction for each group of pipelines and its tracks."""
    found: dict[str, list[pd.DataFrame]] = {}
    for number, (pipelines, tracks) in enumerate(parts):
        prediction = mean_prediction([pipeline.predict_proba(tracks) for pipeline in pipelines])
        for path, table in prediction_tables(prediction, tracks.table["genre"], "test", fold=number).items():
            found.setdefault(path, []).append(table)
    return {path: pd.concat(tables, ignore_index=True) for path, tables in found.items()}


def _require_unused_val(run: Run) -> None:
    """Refuse to calibrate on the tracks that an ensemble's own weights were fitted on."""
    if run.record.get("fitted_on_val"):
        raise UserError(
            "calibrate=true: weights of this ensemble, or of a member (pipeline.combine=stack), were fitted on its\n"
            "validation tracks, and none are left to calibrate on. Calibrate one with pipeline.combine=mean or product."
        )


def _require_same_corpus(run: Run, tracks: Tracks) -> None:
    if tracks.digest != run.record["corpus_digest"]:
        raise UserError(
            f"{tracks.corpus} changed since the run was made (tracks, genres, artists or audio), or is read otherwise: "
            "by another version, or with or without the extra ffmpeg.\n"
            "To score the run on it as it is now, name it: data=…"
        )


def _require_known_genres(tracks: Tracks, known: list[str]) -> None:
    unknown = sorted(set(tracks.genres) - set(known))
    if unknown:
        raise UserError(
            f"{tracks.corpus} has genres that the run was not trained on: {', '.join(unknown)}.\n"
            f"It knows: {', '.join(known)}."
        )


def _without_trained(run: Run, tracks: Tracks, terminal: Terminal) -> Tracks:
    """Leave out tracks whose audio, lyrics or ready features the run was fitted on."""
    trained = run.trained_on.songs
    digests = zip(tracks.ids, tracks.all_digests(), strict=True)
    fresh = [track for track, known in digests if trained.isdisjoint(known)]
    if not fresh:
        raise UserError(f"The run was trained on every track of {tracks.corpus}. Leave out data=… for its test tracks.")
    if len(fresh) < len(tracks):
        terminal.say("left out", f"{len(tracks) - len(fresh)} of {len(tracks)} tracks, as the run was trained on them")
    tracks, artists = tracks.subset(fresh), run.trained_on.artists
    if familiar := sum(artist in artists for artist in tracks.artist_digests()):
        terminal.say("note", f"{familiar} of {len(tracks)} tracks are by artists that were trained on: they flatter")
    return tracks
