"""Ensembles: finished runs on the same split, joined from their saved predictions."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.files import alone_in, write_json
from genrefusion.core.machine import machine_names
from genrefusion.core.terminal import Terminal
from genrefusion.core.version import __version__
from genrefusion.data.table_rules import PARTS
from genrefusion.metrics.predictions import arrays, genre_columns, read_predictions, with_truth, write_predictions
from genrefusion.pipelines.ensemble import Combination, EnsemblePipeline, fit_combination
from genrefusion.reports.corpus_facts import FILE as CORPUS_FACTS
from genrefusion.reports.run_page import write_report
from genrefusion.reports.summary import show_metrics, summarise
from genrefusion.runs.index import renew_index
from genrefusion.runs.record import begun_record, code, ensemble_signature, require_same_code
from genrefusion.runs.store import Run, model_folder, open_run
from genrefusion.runs.tracking import tracked
from genrefusion.runs.trained_on import TrainedOn, write_trained_on
from genrefusion.runs.training import train_context
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.fields import as_saved


def run_ensemble(
    config: TrainConfig, directory: Path, folders: Sequence[Path], *, command: str = "", quiet: bool = False
) -> dict[str, Any]:
    """Join finished runs and leave a run folder like any other.

    Parameters
    ----------
    config : TrainConfig
        Its pipeline says how the probabilities are joined.
    directory : Path
        The run folder.
    folders : sequence of Path
        Run folders of the members.
    command : str
        What was typed after ``train``.
    quiet : bool
        Nothing on the terminal.

    Returns
    -------
    dict
        What ``metrics.json`` holds.

    Raises
    ------
    UserError
        A member is not finished, or the members were not made on the same corpus, genres and split; says what differs.
    """
    members = [open_run(folder) for folder in folders]
    require_same_split(members)
    fitted = [member.directory for member in members if _fitted_on_val(member)]
    if fitted and config.pipeline.combine == "stack":
        raise UserError(f"{fitted[0]}: its weights were fitted on the validation tracks already. Stack its members.")
    directory.mkdir(parents=True, exist_ok=True)
    with alone_in(directory, "is joining runs"):
        sign = ensemble_signature(config, folders)
        _require_free(config, directory, sign)
        terminal = Terminal(quiet=quiet, log=directory / "run.log")
        return _run(_Joining(config, directory, members, terminal), sign, command)


@dataclass(frozen=True)
class _Joining:
    """What runs are joined by, where, and which."""

    config: TrainConfig
    directory: Path
    members: Sequence[Run]
    terminal: Terminal

    @property
    def first(self) -> Run:
        """Gives what all have alike: corpus, genres, split, order of tracks."""
        return self.members[0]

    @property
    def corpus(self) -> str:
        record = self.first.record
        return str(record["corpus"]) + (" (synthetic)" if record["synthetic"] else "")


def _require_free(config: TrainConfig, directory: Path, sign: str) -> None:
    """Refuse a folder that holds something else than what of this very ensemble was begun there."""
    old = begun_record(directory, resume=config.resume)
    if old is None:
        return
    require_same_code(old, directory)
    if old["signature"] != sign:
        raise UserError(f"{directory}: was begun with other members, or to join them in another way.")


def _run(joining: _Joining, sign: str, command: str) -> dict[str, Any]:
    began = time.perf_counter()
    config, directory, members, terminal = joining.config, joining.directory, joining.members, joining.terminal
    first = joining.first.record
    terminal.say(f"genrefusion {__version__}  ", f"{config.name} on {joining.corpus}   seed {first['seed']}")
    for member in members:
        terminal.say("member", f"{member.record['name']}   {member.directory}")
    record = _record(joining) | {"signature": sign, "command": command}
    combinations, fit_seconds = _join(joining)  # and check that they can be
    write_json(record, directory / "run.json")
    write_trained_on(_trained_on(members), directory)
    ensemble = _save_models(joining, combinations)
    record |= {
        "parameters": ensemble.parameter_count(),
        "corpus_digest": _corpus_digest(members, ensemble),
        # What it takes to have it: the members' trainings too.
        "wall_seconds": time.perf_counter() - began + sum(m.record["wall_seconds"] for m in members),
        "fit_seconds": _total([fit_seconds, *(m.record.get("fit_seconds") for m in members)]),
        "peak_memory_mb": max(m.record.get("peak_memory_mb", 0) for m in members),  # each was trained on its own
    }
    write_predictions(joining.first.split.to_table(), directory / "splits.csv")
    genres = read_predictions(directory / "predictions" / "test.csv").set_index("track_id")["genre"]
    for known in ("tracks.csv", CORPUS_FACTS):
        if (joining.first.directory / known).is_file():
            shutil.copyfile(joining.first.directory / known, directory / known)
    title = f"{config.name}, {joining.corpus}, {first['protocol']}"
    metrics = summarise(directory, genres, title=title, terminal=terminal, caution=record["caution"])
    show_metrics(metrics, terminal)
    with tracked(config, directory, record, terminal):
        record["status"] = "finished"
        terminal.say("report", write_report(directory, record))
        write_json(record, directory / "run.json")
    renew_index(config.output, directory, terminal)
    terminal.say("run", directory)
    return metrics


def _record(joining: _Joining) -> dict[str, Any]:
    """What is known before the runs are joined: what the first member says of corpus and split, and of all the rest."""
    config, members, first = joining.config, joining.members, joining.first.record
    corpus = {name: value for name, value in first.items() if not name.startswith("trained_")}
    return corpus | {
        "status": "running",
        "name": config.name,
        "members": [{"run": str(m.directory.absolute()), "signature": m.record["signature"]} for m in members],
        "caution": ". ".join(dict.fromkeys(filter(None, (m.record.get("caution") for m in members)))),
        "skipped": {track: why for member in members for track, why in member.record["skipped"].items()},
        **code(),
        "machines": list(dict.fromkeys(name for m in members for name in machine_names(m.record))),
        # Members that are named by their folders have a corpus, split and seed of their own.
        "config": as_saved(config) | {name: first["config"][name] for name in ("data", "split", "seed")},
        "fitted_on_val": config.pipeline.combine == "stack" or any(_fitted_on_val(member) for member in members),
    }


def _trained_on(members: Sequence[Run]) -> TrainedOn:
    songs, artists = ([getattr(m.trained_on, each) for m in members] for each in ("songs", "artists"))
    return TrainedOn(frozenset().union(*songs), frozenset().union(*artists))


def _fitted_on_val(member: Run) -> bool:
    """Whether weights of an ensemble were fitted on its validation tracks, or on those of a member of it."""
    return bool(member.record.get("fitted_on_val"))


def _total(seconds: Sequence[float | None]) -> float | None:
    """Their sum, if all of them are known."""
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None


def _corpus_digest(members: Sequence[Run], ensemble: EnsemblePipeline) -> str:
    """Digest of the corpus as the ensemble loads it: with the bytes of the audio if it reads any."""
    reads_audio = "audio" in ensemble.uses
    alike = (m for m, part in zip(members, ensemble.members_, strict=True) if ("audio" in part.uses) == reads_audio)
    return str(next(alike, members[0]).record["corpus_digest"])


def require_same_split(members: Sequence[Run]) -> None:
    """Refuse runs whose metrics are not about the same tracks.

    Raises
    ------
    UserError
        Corpus, genres or split differ; says how.
    """
    first = members[0]
    for other in members[1:]:
        differences = _differences(first, other)
        if differences:
            raise UserError(
                f"These runs cannot be joined: they were not made on the same split.\n  {first.directory}\n"
                f"  {other.directory}\n" + "\n".join(differences)
            )


def _differences(first: Run, other: Run) -> list[str]:
    a, b = first.record, other.record
    if a["corpus"] != b["corpus"]:
        return [f"The corpus is {a['corpus']} in one and {b['corpus']} in the other."]
    lengths = [run.record["config"]["data"]["max_seconds"] for run in (first, other)]
    if lengths[0] != lengths[1]:
        return [f"data.max_seconds is {lengths[0]:g} in one and {lengths[1]:g} in the other."]
    if a["genres"] != b["genres"]:
        only = [f"{genre}: in one of them only" for genre in sorted(set(a["genres"]) ^ set(b["genres"]))]
        return [f"The genres differ:\n{bullet_list(only)}"]
    if a["split_digest"] != b["split_digest"]:
        places = [_places(run) for run in (first, other)]
        tracks = sorted(t for t in set(places[0]) | set(places[1]) if places[0].get(t) != places[1].get(t))
        rows = [f"{track}: " + ", ".join(p.get(track, "not there") for p in places) for track in tracks]
        if not rows:
            rows = [f"{a['protocol']} (seed {a['seed']}), {b['protocol']} (seed {b['seed']})"]
        return [f"{len(rows)} tracks lie in other parts:\n{bullet_list(rows)}\nTake the same data, split and seed."]
    return []


def _places(run: Run) -> dict[str, str]:
    """Where a track lies in the first fold in which it is tested, or else in the first."""
    return {
        track: f"{part} of fold {number + 1}" if len(run.split.folds) > 1 else part
        for part in PARTS  # test comes last, and wins
        for number, fold in enumerate(run.split.folds)
        for track in getattr(fold, part)
    }


def _join(joining: _Joining) -> tuple[list[Combination], float]:
    """Write the joined predictions; returns how they were joined in each fold, and the seconds to find the weights."""
    members, first = joining.members, joining.first
    tables = {part: [_aligned(member, first, part) for member in members] for part in ("val", "test")}
    genres = genre_columns(tables["test"][0])
    combinations = []
    seconds = 0.0
    joined: dict[str, list[pd.DataFrame]] = {part: [] for part in tables}
    for number in range(len(first.split.folds)):
        rows = {part: [t[t["fold"] == number] for t in parts] for part, parts in tables.items()}
        held = [arrays(table, genres=genres) for table in rows["val"]]
        probabilities, labels = [p for _, p in held], held[0][0]
        began = time.perf_counter()
        combination = fit_combination(joining.config.pipeline, probabilities, labels, count=len(members))
        seconds += time.perf_counter() - began
        combinations.append(combination)
        for part, members_rows in rows.items():
            joined[part].append(_mixed(combination, members_rows, genres, fold=number))
    for part, parts in joined.items():
        write_predictions(pd.concat(parts, ignore_index=True), joining.directory / "predictions" / f"{part}.csv")
    _say_weights(joining, combinations)
    return combinations, seconds


def _mixed(
    combination: Combination, members_rows: Sequence[pd.DataFrame], genres: list[str], *, fold: int
) -> pd.DataFrame:
    """Joined predictions for the tracks of a fold, of which the members have a row each in the same order."""
    mixed = combination.combine([arrays(table, genres=genres)[1] for table in members_rows])
    index = pd.Index(members_rows[0]["track_id"], name="track_id")
    truth = members_rows[0].set_index("track_id")["genre"]
    return with_truth(pd.DataFrame(mixed, index, genres), truth, fold=fold)


def _say_weights(joining: _Joining, combinations: Sequence[Combination]) -> None:
    """Print what each member counts, on the mean over the folds."""
    combine = joining.config.pipeline.combine
    mean = np.mean([c.weights for c in combinations], axis=0)
    if combine in ("mean", "weights"):
        mean = mean / mean.sum()
    names = ", ".join(f"{m.record['name']} {w:.2f}" for m, w in zip(joining.members, mean, strict=True))
    fitted = "   (fitted on val, whose figures flatter it)" if combine == "stack" else ""
    joining.terminal.say(combine, f"weights: {names}{fitted}")


def _aligned(member: Run, first: Run, part: str) -> pd.DataFrame:
    """Predictions of a member, its rows in the order of the first."""
    table = read_predictions(first.directory / "predictions" / f"{part}.csv")
    wanted = table[["fold", "track_id", "genre"]].rename(columns={"genre": "true"})
    found = read_predictions(member.directory / "predictions" / f"{part}.csv")
    aligned = wanted.merge(found, on=["fold", "track_id"], how="left", validate="one_to_one")
    other = aligned["genre"].notna() & (aligned["genre"] != aligned["true"])
    if other.any():
        raise UserError(
            f"{member.directory}: tracks have other genres there:\n{bullet_list(aligned['track_id'][other])}"
        )
    if aligned["genre"].isna().any():
        lacking = aligned.loc[aligned["genre"].isna(), "track_id"]
        raise UserError(f"{member.directory}/predictions/{part}.csv lacks tracks:\n{bullet_list(lacking)}")
    return aligned.drop(columns="true")


def _save_models(joining: _Joining, combinations: Sequence[Combination]) -> EnsemblePipeline:
    """Put the members' models into the run folder, so that it can be moved; returns the last fold's ensemble."""
    config, split = joining.config, joining.first.split
    context = train_context(config, joining.terminal)
    pipelines = zip(*(member.pipelines(context) for member in joining.members), strict=True)
    for number, (parts, combination) in enumerate(zip(pipelines, combinations, strict=True)):
        ensemble = EnsemblePipeline(parts, combination, config.pipeline)
        ensemble.save(model_folder(joining.directory, split, number))
    return ensemble
