"""The page of a run, ``report.html``: metrics, pictures, errors, settings and provenance, to send to a colleague.

All of it comes from files of the run folder.
"""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from genrefusion.core.files import write_atomically
from genrefusion.core.machine import machine_name
from genrefusion.metrics.calibration import too_few_to_calibrate
from genrefusion.metrics.intervals import folds_interval
from genrefusion.metrics.predictions import read_predictions, worst_errors
from genrefusion.metrics.scores import METRICS
from genrefusion.reports.corpus_facts import corpus_section
from genrefusion.reports.explained_page import explained_section
from genrefusion.reports.pages import Cell, Column, Picture, read_picture, render
from genrefusion.reports.sides_page import sides_section
from genrefusion.reports.terminal_tables import few_songs, metric_rows, notes

HEADINGS = {"macro_f1": "macro F1", "top3": "top-3 accuracy"}
"""Of the metrics whose names do not read well."""

SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "top3")
"""Metrics whose mean over folds has an interval."""

PICTURES = {
    "confusion": (
        "Test songs by true and predicted genre. The stronger a field, the larger its share of the true genre.",
        "Confusion matrix; recall and precision of each genre are in the table of genres.",
    ),
    "roc": (
        "ROC curves of the test songs, each genre against the rest; the legend gives the areas under them.",
        "ROC curve of each genre and their mean.",
    ),
    "reliability": (
        (
            "How far probabilities can be believed. The songs whose genre was given 0 to 10 %, 10 to 20 % and so on "
            "make a point each: its place from the left is their mean probability, its height the share that is right, "
            "its number how many they are. Below the dashed line predictions are surer than they should be."
        ),
        "Reliability diagram: points above and below a diagonal, with bars to it.",
    ),
    "learning_curve": (
        "Losses, and accuracy of the validation songs, by epoch. Dots mark the epoch that was kept.",
        "Learning curves: losses at the left, validation accuracy at the right.",
    ),
    "frames": (
        "How sure each genre is in frame after frame of a song: some of the surest errors, then songs that are right.",
        "Stacked areas of the genres' probabilities over the frames of some test songs.",
    ),
    "importance": (
        "Features with the highest gain, and how far they move the score of each genre (mean |SHAP|).",
        "Bars of the gain of features beside a map of their mean absolute SHAP values by genre.",
    ),
}
"""Caption and text in place of the picture, by name of the file, in the order on the page."""

MOST_ERRORS = 15
MOST_SKIPPED = 1000
"""Tracks that are listed; ``run.json`` has all of them."""


def write_report(
    directory: Path,
    record: dict[str, Any],
    *,
    explanations: Path | None = None,
    sides: Path | None = None,
    calibrated: Path | None = None,
) -> Path:
    """Write ``report.html`` from the files of a run folder, or of a folder with an evaluation of a run.

    Parameters
    ----------
    directory : Path
        With ``metrics.json``, ``predictions/test.csv``, perhaps ``figures/*.png``, and ``tracks.csv`` where artists or
        titles are known.
    record : dict
        What ``run.json`` holds. For an evaluation also ``evaluated``: its ``corpus``, ``corpus_digest``, ``synthetic``,
        ``protocol``, ``skipped``, and the ``run``'s name.
    explanations : Path, optional
        Folder with what was explained, if anything was; by default ``explanations`` in `directory`.
    sides : Path, optional
        Folder of a matrix of sides, if there is one; by default ``sides`` in `directory`.
    calibrated : Path, optional
        Folder with ``calibration.json``, of the same predictions after temperature scaling.

    Returns
    -------
    Path
        Of the page.
    """
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    predictions = read_predictions(directory / "predictions" / "test.csv")
    names = read_names(directory / "tracks.csv")
    subject = record | record.get("evaluated", {})
    rows = metric_rows(metrics)
    explained = explained_section(explanations or directory / "explanations", names)
    sides_shown = sides_section(sides or directory / "sides")
    page = render(
        "run.html.j2",
        name=record["name"],
        corpus=subject["corpus"],
        synthetic=subject["synthetic"],
        protocol=subject["protocol"],
        evaluated="evaluated" in record,
        seed=record["seed"],
        summary=_summary(metrics["test"]),
        few=few_songs(rows.items()),
        metrics=metrics_section(rows),
        notes=notes(rows.items(), few=False),
        folds=_folds(metrics.get("folds", [])),
        pictures=pictures(directory / "figures"),
        corpus_facts=corpus_section(directory),
        genres=genres_section(metrics["test"]["genres"]),
        errors=_errors(predictions, names),
        wrong=int((predictions["genre"] != predictions["predicted"]).sum()),
        songs=len(predictions),
        explained=explained,
        sides=sides_shown,
        calibration=_calibration(calibrated),
        skipped=dict(itertools.islice(subject["skipped"].items(), MOST_SKIPPED)),
        skipped_count=len(subject["skipped"]),
        genres_without=[] if "evaluated" in record else record.get("genres_without", []),
        configuration=OmegaConf.to_yaml(OmegaConf.create(record["config"])),
        commands=_commands(directory, record, explained=bool(explained), sides=bool(sides_shown)),
        provenance=_provenance(directory, record),
        versions=record["versions"],
    )
    path = directory / "report.html"
    write_atomically(path, page.encode())
    return path


def metrics_section(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns and rows of a table of metrics with their intervals.

    Parameters
    ----------
    rows : dict of str to dict
        Title of each row, and what `genrefusion.metrics.scores.score` gave. What a row lacks stays empty.
    """
    columns = [Column("", number=False), Column("n")]
    columns += [Column(HEADINGS.get(name, name.replace("_", " "))) for name in METRICS]
    cells = [
        [Cell(title), Cell(f"{row['n']:,}"), *(_metric(row, name) for name in METRICS)] for title, row in rows.items()
    ]
    return {"columns": columns, "rows": cells}


def genres_section(genres: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns and rows of the table of genres; its argument is the ``genres`` of a score."""
    columns = [Column("genre", number=False), Column("n"), Column("recall"), Column("precision"), Column("F1")]
    columns.append(Column("most often taken for", number=False))
    rows = [
        [
            Cell(genre),
            Cell(str(row["n"])),
            Cell(_share(row["recall"]), share=row["recall"]),
            Cell(_share(row["precision"])),
            Cell(_share(row["f1"])),
            Cell(row["taken_for"] or "–"),
        ]
        for genre, row in genres.items()
    ]
    return {"columns": columns, "rows": rows}


def pictures(folder: Path) -> list[Picture]:
    """Take all pictures of a folder, those that are known by name first."""
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    order = [stem for stem in PICTURES if stem in found] + [stem for stem in found if stem not in PICTURES]
    texts = {stem: PICTURES.get(stem, (stem.replace("_", " "), f"Picture: {stem.replace('_', ' ')}")) for stem in order}
    return [read_picture(found[stem], *texts[stem]) for stem in order]


def _metric(row: dict[str, Any], name: str) -> Cell:
    if name not in row:
        return Cell("–")
    low, high = row.get(f"{name}_ci95", (None, None))
    return Cell(_share(row[name]), "" if low is None else f"[{low:.3f}, {high:.3f}]")


def _calibration(folder: Path | None) -> dict[str, Any]:
    """Columns and rows of figures before and after temperature scaling, the temperatures and what they rest on."""
    path = None if folder is None else folder / "calibration.json"
    if path is None or not path.is_file():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        [Cell(name.replace("_", " ")), Cell(_share(facts["before"][name])), Cell(_share(facts["after"][name]))]
        for name in facts["before"]
    ]
    return {
        "columns": [Column("", number=False), Column("before"), Column("after")],
        "rows": rows,
        "temperatures": ", ".join(f"{temperature:.2f}" for temperature in facts["temperatures"]),
        "tracks": facts["validation_tracks"],
        "few": too_few_to_calibrate(facts["validation_tracks"] // len(facts["temperatures"])),
    }


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _summary(test: dict[str, Any]) -> dict[str, str]:
    """The first figure of the page, and what it has to be compared with."""
    counts = [row["n"] for row in test["genres"].values()]
    low, high = test["accuracy_ci95"]
    return {
        "accuracy": f"{test['accuracy']:.3f}",
        "interval": f"[{low:.3f}, {high:.3f}]",
        "n": f"{test['n']:,}",
        "genres": str(len(counts)),
        "commonest": f"{max(counts) / sum(counts):.3f}",
    }


def _folds(folds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Columns and rows of the table of folds, with their mean at the end, and of shares its interval."""
    if not folds:
        return None
    rows = {f"fold {fold['fold'] + 1}": fold for fold in folds}
    section = metrics_section(rows)
    means = [_mean_cell([fold[name] for fold in folds], is_share=name in SHARES) for name in METRICS]
    section["rows"].append([Cell("mean of the folds"), Cell(""), *means])
    return section


def _mean_cell(values: list[float], *, is_share: bool) -> Cell:
    """Mean over folds."""
    if not is_share or len(values) < 2:
        return Cell(_share(sum(values) / len(values)))
    mean, (low, high) = folds_interval(values, test_share=1 / len(values))
    return Cell(_share(mean), f"[{low:.3f}, {high:.3f}]")


def read_names(path: Path) -> dict[str, str]:
    """Artist and title by track id, where a run has them."""
    if not path.is_file():
        return {}
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return {row["track_id"]: " – ".join(filter(None, (row.get("artist"), row.get("title")))) for row in rows}


def _errors(predictions: pd.DataFrame, names: dict[str, str]) -> dict[str, Any]:
    """Columns and rows of the wrongly predicted tracks, those with the most probable wrong genre first."""
    columns = [Column(heading, number=False) for heading in ("track", "predicted", "true genre")]
    rows = [
        [
            Cell(row["track_id"], names.get(row["track_id"], "")),
            Cell(row["predicted"], _share(row["p_predicted"])),
            Cell(row["genre"], _share(row["p_genre"])),
        ]
        for row in worst_errors(predictions, most=MOST_ERRORS).to_dict("records")
    ]
    return {"columns": columns, "rows": rows}


def _provenance(directory: Path, record: dict[str, Any]) -> dict[str, str]:
    """What it takes to make the run again, and what it took; a fact that is not known is left out."""
    evaluated = record.get("evaluated", {})
    facts = {
        "run": evaluated.get("run", directory.resolve().name),
        "command": f"train {record['command']}" if record["command"] else None,
        "signature": record["signature"],
        "evaluated corpus": f"{evaluated['corpus']}  {evaluated['corpus_digest']}" if evaluated else None,
        "corpus": f"{record['corpus']}  {record['corpus_digest']}",
        "split": f"{record['protocol']}  {record['split_digest']}",
        "seed": str(record["seed"]),
        "members": "\n".join(f"{m['run']}  {m['signature']}" for m in record.get("members", [])),
        "git commit": record["git_commit"],
        "changes to it": record.get("git_difference"),
        "results": f"version {record['results_version']}" if "results_version" in record else None,
        "processes": str(record["processes"]) if record.get("processes", 1) > 1 else None,
        "parameters": f"{record['parameters']:,}",
        "machine": machine_name(record["machine"]) if "machine" in record else None,
        "wall time": _duration(record["wall_seconds"]),
        "peak memory": f"{record['peak_memory_mb']:,.0f} MiB" if "peak_memory_mb" in record else None,
    }
    return {name: fact for name, fact in facts.items() if fact}


def _commands(directory: Path, record: dict[str, Any], *, explained: bool, sides: bool) -> dict[str, str]:
    """What can be done next with the run, each with its command; what was `explained` or exchanged is left out."""
    run = (directory.parents[1] if "evaluated" in record else directory).absolute()
    folder = f"run={run}"
    commands = {
        "classify a song": ["predict", folder, "audio=SONG.mp3"],
        "score it on other songs, a folder for each genre": ["evaluate", folder, "data=folder", "data.root=FOLDER"],
    }
    if (directory / "views").is_dir():
        looks = (
            {} if explained or (run / "explanations" / "songs.json").is_file() else {"what it looked at": "explain=2"}
        )
        if not (sides or (run / "evaluations" / record["corpus"] / "sides" / "matrix.json").is_file()):
            looks["what each side is good for"] = "sides=matrix"
        if looks:
            commands[f"see {', and '.join(looks)}"] = ["evaluate", folder, *looks.values()]
    found = {what: shlex.join(words) for what, words in commands.items()}
    if record["command"]:
        own = ("seed=", "hydra.run.dir=", "resume=")
        typed = [word for word in shlex.split(record["command"]) if not word.startswith(own)]
        found["train it with other seeds, to see what chance does"] = shlex.join(["train", "-m", *typed, "seed=1,2,3"])
    return found


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
