"""Accuracy of runs on the same tracks, and how sure their differences are.

    python scripts/compare.py RUN_A RUN_B [RUN_C …]
    python scripts/compare.py RUN_A RUN_B --with-lyrics tracks.jsonl    # only tracks that have lyrics there

A run is a run folder, or several of one experiment joined by commas: their probabilities are averaged. Only tracks that
all runs tested count. Each pair gets the difference of its accuracies with the paired 95 % interval, which draws the
songs of one artist together where artists are known, and the p-value that goes with it; where there are several pairs,
also as Holm adjusts it for their number. McNemar's exact test takes songs for independent: it is shown only where no
two of them are drawn together.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.data.tracks import load_table
from genrefusion.metrics.clusters import too_few
from genrefusion.metrics.comparisons import holm, mcnemar, paired_difference
from genrefusion.metrics.groups import groups_of
from genrefusion.metrics.predictions import arrays, genre_columns, read_predictions
from genrefusion.metrics.scores import accuracy
from genrefusion.reports.rows import aligned


def averaged(runs: str) -> pd.DataFrame:
    """Predictions of one run, or the mean of several, on the tracks that all of them tested."""
    tables = [read_predictions(Path(run) / "predictions" / "test.csv") for run in runs.split(",")]
    genres = genre_columns(tables[0])
    tracks = common_tracks(tables)
    truth, several = same_truth([aligned(table, tracks) for table in tables], genres)
    mean = pd.DataFrame(np.mean(several, axis=0), columns=genres)
    mean.insert(0, "genre", [genres[number] for number in truth])
    mean.insert(0, "track_id", tracks)
    return mean


def common_tracks(tables: list[pd.DataFrame]) -> list[str]:
    """Tracks that are in all tables, in the order of the first."""
    common = set.intersection(*(set(table["track_id"]) for table in tables))
    if not common:
        raise UserError("There is no track that all runs tested.")
    return [str(track) for track in tables[0]["track_id"] if track in common]


def same_truth(
    tables: list[pd.DataFrame], genres: list[str]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]]:
    """True classes, which all tables must agree on, and probabilities of each."""
    found = [arrays(table, genres=genres) for table in tables]
    for truth, _ in found[1:]:
        if (other := truth != found[0][0]).any():
            tracks = tables[0]["track_id"][other]
            raise UserError(f"Runs have other true genres for {len(tracks)} tracks:\n{bullet_list(tracks)}")
    return found[0][0], [probabilities for _, probabilities in found]


def having_lyrics(table: Path, tracks: Iterable[str]) -> list[str]:
    """Those of the tracks that have lyrics in a table of tracks."""
    songs = load_table(table, corpus=str(table))
    having = set(songs.ids) - set(songs.lacking("lyrics"))
    found = [track for track in tracks if track in having]
    if not found:
        raise UserError(f"{table}: no track that the runs tested has lyrics there.")
    return found


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("others", nargs="+", metavar="other")
    parser.add_argument("--with-lyrics", type=Path, metavar="TABLE")
    arguments = parser.parse_args()
    try:
        compare([arguments.first, *arguments.others], arguments.with_lyrics)
    except UserError as error:
        parser.exit(2, f"{error}\n")


def compare(systems: list[str], with_lyrics: Path | None) -> None:
    """Print accuracies, and the difference of each pair."""
    tables = [averaged(runs) for runs in systems]
    tracks = common_tracks(tables)
    if with_lyrics:
        tracks = having_lyrics(with_lyrics, tracks)
    truth, several = same_truth([aligned(table, tracks) for table in tables], genre_columns(tables[0]))
    groups = groups_of([Path(run) for runs in systems for run in runs.split(",")])
    clusters = groups.labels(tracks)
    print(f"n {len(tracks)}", *(f"run {i} {accuracy(truth, p):.3f}" for i, p in enumerate(several, 1)), sep="   ")
    pairs = list(combinations(range(len(several)), 2))
    found = [paired_difference(truth, several[i], several[j], clusters=clusters) for i, j in pairs]
    for (i, j), gain, adjusted in zip(pairs, found, holm([gain.p for gain in found]), strict=True):
        interval = f"{gain.value:+.3f} [{gain.ends[0]:+.3f}, {gain.ends[1]:+.3f}]   p {gain.p:.4f}"
        of_all = f", Holm {adjusted:.4f}" if len(pairs) > 1 else ""
        test = mcnemar(truth, several[i], several[j])
        counts = f"   McNemar {test.only_first} : {test.only_second}, p {test.p:.4f}"
        print(f"{i + 1} - {j + 1}   {interval}{of_all}" + (counts if clusters.max() + 1 == len(tracks) else ""))
    print(f"intervals draw {groups.drawn}")
    if note := too_few(clusters, groups):
        print(note)


if __name__ == "__main__":
    main()
