"""Finished run folders: opening one, and scoring it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion import calibration, explanation
from genrefusion.config import EvaluateConfig, cache_folder
from genrefusion.data.corpora import load_usable
from genrefusion.data.splits import Split, read_split
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.evaluation.predictions import Prediction, as_text, read_predictions
from genrefusion.evaluation.report import write_report
from genrefusion.evaluations import replacing
from genrefusion.experiment import make_bench, model_folder
from genrefusion.features.precomputed import with_digests
from genrefusion.pipelines.base import Pipeline, Workbench, load_pipeline, read_features, read_settings
from genrefusion.results import prediction_tables, show, summarise, write_json, write_names, write_tables
from genrefusion.terminal import Terminal


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    directory : Path
        The run folder.
    record : dict
        What ``run.json`` holds.
    split : Split
        As it was trained with.
    """

    directory: Path
    record: dict[str, Any]
    split: Split

    def predictions(self, part: str = "test") -> pd.DataFrame:
        """Probabilities of the tracks of a part: see `genrefusion.evaluation.predictions`."""
        return read_predictions(self.directory / "predictions" / f"{part}.csv")

    def pipelines(self, bench: Workbench, *, features_path: str | None = None) -> list[Pipeline]:
        """Trained pipeline of each fold; with `features_path` it reads its ready features from that file."""
        numbers = range(len(self.split.folds))
        pipelines = [load_pipeline(model_folder(self.directory, self.split, number), bench) for number in numbers]
        if features_path is not None:
            if not hasattr(pipelines[0].features, "path"):
                raise UserError(f"features.path={features_path}: the run computes its features itself.")
            for pipeline in pipelines:
                pipeline.features = replace(pipeline.features, path=features_path)
        return pipelines


def open_run(directory: Path) -> Run:
    """Open a finished run folder.

    Raises
    ------
    UserError
        There is no run, or it is not finished.
    """
    path = directory / "run.json"
    if not path.is_file():
        raise UserError(
            f"run={directory}: no run there (no run.json). The last line that train prints names its folder."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error}).") from error
    if not isinstance(record, dict):
        raise UserError(f"{path}: damaged (not what a run writes there).")
    if record.get("status") == "trial":
        raise UserError(
            f"run={directory}: a trial of a sweep, which leaves no model and no test predictions. Train it again:\n"
            "the last line of the sweep says how, for its best trial."
        )
    if record.get("status") != "finished":
        raise UserError(
            f"run={directory}: not finished. Go on with:\n"
            f"train {record.get('command', 'experiment=…')} resume=true hydra.run.dir={directory}"
        )
    try:
        table = pd.read_csv(directory / "splits.csv", dtype={"track_id": str}, keep_default_na=False)
        return Run(directory, record, read_split(table, record["protocol"]))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"run={directory}: damaged (run.json or splits.csv: {error}).") from error


def evaluate_run(config: EvaluateConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Score a saved run again: its own test tracks, or all tracks of another corpus with the same genres.

    On another corpus the models of all folds are averaged, and tracks that were trained on are left out. The result
    goes to ``evaluations/<corpus>/`` in the run folder; the run itself is not changed. With ``calibrate`` the result
    with calibrated probabilities goes to ``evaluations/<corpus>_calibrated/`` as well. With ``explain`` what a
    co-attention run looked at goes to ``explanations/``, in the run folder or for another corpus beside its result.

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
        The run is not finished, the corpus has genres that it does not know, or there is nothing to explain.
    """
    if not config.run:
        raise UserError("evaluate needs run=DIR: the folder that train named in its last line.")
    terminal = Terminal(quiet=quiet)
    run = open_run(Path(config.run))
    trained = run.record["config"]["data"]
    data = config.data or read_settings({"schema": run.record["data_schema"], **trained})
    # What a prediction depends on is the run's: songs are heard for as long as in training.
    data = replace(data, max_seconds=trained["max_seconds"])
    bench = make_bench(config, terminal, max_seconds=data.max_seconds)
    pipelines = run.pipelines(bench, features_path=config.features.path)
    if config.explain:
        explanation.require_attention(pipelines)
    if config.calibrate:
        _require_unused_val(run)
    cache = cache_folder(config.cache)
    tracks = load_usable(data, pipelines[0].uses, cache=cache, workers=config.workers, terminal=terminal)
    tracks = with_digests(tracks, read_features(pipelines[0]))
    if config.data is None:
        _require_same_corpus(run, tracks)
        parts = [([p], tracks.subset(fold.test)) for p, fold in zip(pipelines, run.split.folds, strict=True)]
        protocol = run.split.protocol
    else:
        _require_known_genres(tracks, pipelines[0].classes_)
        parts = [(pipelines, _without_trained(run, tracks, terminal))]
        protocol = f"trained on {run.record['corpus']}"
    to_explain = explanation.parts_to_explain(parts) if config.explain else []
    target = run.directory / "evaluations" / _place(run, tracks, own=config.data is None)
    calibrated = target.with_name(f"{target.name}_calibrated")
    tables = _predict_parts(parts)
    same = _is_there(target, tables)
    synthetic = " (synthetic)" if tracks.synthetic else ""
    title = f"{run.record['name']}, {tracks.corpus}{synthetic}, {protocol}"
    evaluated = {"corpus": tracks.corpus, "corpus_digest": tracks.digest, "synthetic": tracks.synthetic}
    evaluated |= {"protocol": protocol, "skipped": tracks.skipped, "run": run.directory.resolve().name}
    # What was calibrated or explained of other predictions does not go with these.
    stale = not same and (calibrated / "calibration.json").is_file()
    targets = [target, calibrated] if config.calibrate or stale else [target]
    with replacing(*targets, keep=("explanations",) if same and not config.explain else ()) as (folder, *others):
        write_tables(tables, folder)
        write_json(evaluated, folder / "evaluation.json")
        write_names(tracks, folder, of={track for _, part in parts for track in part.ids})
        figures = summarise(folder, tracks.table["genre"], title=title)
        terminal.say("evaluate", f"{run.record['name']} on {tracks.corpus}{synthetic}, {protocol}")
        show(figures, terminal)
        write_report(folder, run.record | {"evaluated": evaluated})
        if config.calibrate:
            val = read_predictions(run.directory / "predictions" / "val.csv")
            by_fold = config.data is None
            figures = calibration.calibrate(folder, val, others[0], by_fold=by_fold, title=title, terminal=terminal)
        if config.explain:
            explained = (run.directory if config.data is None else folder) / "explanations"
            explanation.explain(to_explain, explained, config.explain, title=title, terminal=terminal)
    terminal.say("report", str(target / "report.html"))
    terminal.say("figures", str(target))
    if config.calibrate:
        terminal.say("figures", str(calibrated))
    elif stale:
        terminal.say("removed", f"{calibrated}: it was of other predictions")
    if config.explain:
        terminal.say("explained", str((run.directory if config.data is None else target) / "explanations"))
    return figures


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


def mean_prediction(predictions: list[Prediction]) -> Prediction:
    """Average the probabilities of several pipelines for the same tracks; frames too where all have the same ones."""
    frames = [p.frames for p in predictions if p.frames is not None]
    same = len(frames) == len(predictions) and all(f.index.equals(frames[0].index) for f in frames)
    views = {view: _mean([p.views[view] for p in predictions]) for view in predictions[0].views}
    return Prediction(_mean([p.tracks for p in predictions]), _mean(frames) if same else None, views)


def _mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    total = tables[0]
    for table in tables[1:]:
        total = total + table
    return total / len(tables)


def _predict_parts(parts: list[tuple[list[Pipeline], Tracks]]) -> dict[str, pd.DataFrame]:
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
            f"{tracks.corpus} changed since the run was made (tracks, genres, artists or audio).\n"
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
    trained = set(run.record["trained_on"])
    digests = zip(tracks.ids, tracks.all_digests(), strict=True)
    fresh = [track for track, known in digests if trained.isdisjoint(known)]
    if not fresh:
        raise UserError(f"The run was trained on every track of {tracks.corpus}. Leave out data=… for its test tracks.")
    if len(fresh) < len(tracks):
        terminal.say("left out", f"{len(tracks) - len(fresh)} of {len(tracks)} tracks, as the run was trained on them")
    tracks, artists = tracks.subset(fresh), set(run.record.get("trained_artists", []))
    if familiar := sum(artist in artists for artist in tracks.artist_digests()):
        terminal.say("note", f"{familiar} of {len(tracks)} tracks are by artists that were trained on: they flatter")
    return tracks
