"""The matrix of sides: how well a run does with both, one or the wrong one of its sides, and what follows from that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_json
from genrefusion.core.terminal import Terminal
from genrefusion.data.groups import group_tracks
from genrefusion.data.tracks import Tracks
from genrefusion.metrics.clusters import Groups
from genrefusion.metrics.groups import groups_in
from genrefusion.metrics.predictions import mean_prediction, with_truth, write_predictions
from genrefusion.pipelines.base import Predictor, read_features
from genrefusion.reports.rows import adjust, aligned, difference, measure
from genrefusion.reports.sides_table import findings, sides_table
from genrefusion.runs.sides.changes import CHANGES, Change, Songs, Version
from genrefusion.runs.sides.exchanges import with_both_sides
from genrefusion.runs.sides.words import Vocabulary

Parts = list[tuple[list[Predictor], Tracks]]

COMPARISONS = {
    "lyrics": {
        "gain": ("both", "audio_alone"),
        "own over random": ("both", "lyrics_any"),
        "own over genre": ("both", "lyrics_genre"),
        "random over none": ("lyrics_any", "audio_alone"),
    },
    "audio": {
        "gain": ("both", "lyrics_alone"),
        "own over random": ("both", "audio_any"),
        "own over genre": ("both", "audio_genre"),
        "random over none": ("audio_any", "lyrics_alone"),
    },
}
"""Rows whose paired differences say what each side is good for."""


def parts_with_sides(parts: Parts) -> Parts:
    """Take the tracks that have both sides, from parts as they are scored.

    Raises
    ------
    UserError
        The run reads one side only, or no track has both.
    """
    pipeline, corpus = parts[0][0][0], parts[0][1].corpus
    if not (pipeline.reads_lyrics and read_features(pipeline)):
        side = "lyrics" if pipeline.reads_lyrics else "audio"
        raise UserError(
            f"sides=matrix: the run reads the {side} alone; there is no other side to take away or exchange."
        )
    found = [(pipelines, with_both_sides(pipelines[0], tracks)) for pipelines, tracks in parts]
    if not any(len(tracks) for _, tracks in found):
        raise UserError(f"sides=matrix: no song of {corpus} that is scored has both audio and lyrics.")
    return found


def compare_sides(
    parts: Parts, corpus: Tracks, directory: Path, *, title: str, terminal: Terminal, caution: str = ""
) -> dict[str, Any]:
    """Predict songs with their sides taken away, exchanged and damaged; write, draw and say what follows.

    Parameters
    ----------
    parts : list of (pipelines, Tracks)
        Tracks with both sides, and the pipelines whose mean prediction they get; see `parts_with_sides`. Songs exchange
        their sides within a part: from others the pipelines of a fold may have learnt.
    corpus : Tracks
        What the parts were taken from; tells what belongs together.
    directory : Path
        Gets ``matrix.json``, ``matrix.csv`` and ``matrix.png``.
    title : str
        Corpus and protocol, for the picture.
    terminal : Terminal
        Where it is said.
    caution : str
        What has to be said beside the figures.

    Returns
    -------
    dict
        What ``matrix.json`` holds: ``rows``, each with ``key``, ``title``, ``draws`` and either the figures of
        `genrefusion.reports.rows.measure` and the ``difference`` to the row of both sides, or a ``problem`` in words;
        ``comparisons`` of some rows, for each side; ``findings``, what they say in words.
    """
    from genrefusion.reports.sides_plot import plot_sides  # matplotlib takes half a second to import

    groups = groups_in([corpus])
    matrix = _measured(_predictions([part for part in parts if len(part[1])], corpus, groups, terminal), groups)
    matrix["rows"][0]["caution"] = caution
    matrix["findings"] = findings(matrix)
    write_json(matrix, directory / "matrix.json")
    write_predictions(pd.DataFrame(matrix["rows"]), directory / "matrix.csv")
    plot_sides(matrix, directory / "matrix.png", title=f"{title}, n = {matrix['rows'][0]['n']} with both sides")
    terminal.table(sides_table(matrix))
    for finding in matrix["findings"]:
        terminal.say("sides", finding)
    return matrix


def _predictions(parts: Parts, corpus: Tracks, groups: Groups, terminal: Terminal) -> dict[str, list[pd.DataFrame]]:
    """Predictions of each row that can be made, one table a draw, without those that no song is in."""
    vocabulary = Vocabulary(text for _, tracks in parts for text in tracks.lyrics)
    recordings = pd.Series(group_tracks(corpus.table, by_artist=False), index=corpus.ids)
    songs = [
        Songs(
            tracks,
            genres=tracks.labels(tracks.genres),
            artists=groups.labels(tracks.ids),
            songs=recordings.loc[tracks.ids].to_numpy(),
            vocabulary=vocabulary,
        )
        for _, tracks in parts
    ]
    changes = [change for change in CHANGES if change.needs_audio or parts[0][0][0].reads_lyrics_alone]
    work = [(change, draw) for change in changes for draw in range(change.draws)]
    found: dict[str, list[pd.DataFrame]] = {change.key: [] for change in CHANGES}
    for change, draw in terminal.track(work, "sides", len(work), "predictions"):
        versions = [change.make(part, draw) for part in songs]
        tables = [
            _predicted(pipelines, version, tracks.table["genre"], fold=number)
            for number, ((pipelines, tracks), version) in enumerate(zip(parts, versions, strict=True))
            if version.of
        ]
        if tables:
            found[change.key].append(pd.concat(tables, ignore_index=True))
        if change.makes_lyrics:  # nobody asks for them again
            parts[0][0][0].context.cache.forget("text")
    return found


def _predicted(pipelines: list[Predictor], version: Version, genres: pd.Series, *, fold: int) -> pd.DataFrame:
    table = mean_prediction([pipeline.predict_proba(version.tracks) for pipeline in pipelines]).tracks
    own = table.loc[version.tracks.ids].set_axis(pd.Index(version.of, name="track_id"))
    return with_truth(own, genres, fold=fold)


def _measured(found: dict[str, list[pd.DataFrame]], groups: Groups) -> dict[str, Any]:
    """Figures of the rows, each with its difference to the first, and those of the comparisons."""
    rows = [_row(change, found, groups) for change in CHANGES]
    adjust(rows)
    comparisons = {
        side: {name: _difference(found[first], found[second], groups) for name, (first, second) in pairs.items()}
        for side, pairs in COMPARISONS.items()
    }
    return {"rows": rows, "comparisons": comparisons}


def _row(change: Change, found: dict[str, list[pd.DataFrame]], groups: Groups) -> dict[str, Any]:
    row: dict[str, Any] = {"key": change.key, "title": change.title, "draws": len(found[change.key])}
    if not found[change.key]:
        return row | {"problem": "no song has such a partner" if change.needs_audio else "the run needs audio"}
    figures = measure(found[change.key], groups=groups)
    row |= {name: value for name, value in figures.items() if name != "seeds"}
    return row if change.key == "both" else row | _difference(found[change.key], found["both"], groups)


def _difference(first: list[pd.DataFrame], second: list[pd.DataFrame], groups: Groups) -> dict[str, float]:
    """Paired difference of two rows on the songs that both have, averaged over draws; empty where one has none."""
    if not first or not second:
        return {}
    draws = max(len(first), len(second))
    pairs = [(first[draw % len(first)], second[draw % len(second)]) for draw in range(draws)]
    common = [a["track_id"][a["track_id"].isin(b["track_id"])] for a, b in pairs]
    alike = [[aligned(table, ids) for table in pair] for pair, ids in zip(pairs, common, strict=True)]
    return difference([a for a, _ in alike], [b for _, b in alike], groups=groups)
