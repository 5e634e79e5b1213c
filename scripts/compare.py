"""Accuracy of runs on the same tracks, and how sure their differences are.

    python scripts/compare.py RUN_A RUN_B [RUN_C …]
    python scripts/compare.py RUN_A RUN_B --with-lyrics tracks.jsonl    # only tracks that have lyrics there

A run is a run folder, or several of one experiment joined by commas: their probabilities are averaged. Only tracks that
all runs tested count. Each pair gets the difference of its accuracies with the paired 95 % bootstrap interval, on how
many tracks one of the two alone is right, and the p-value of McNemar's exact test; where there are several pairs, also
as Holm adjusts it for their number. Of runs on pieces of songs the bootstrap draws songs, and there is no test, as the
pieces of a song are not independent.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import pandas as pd

from genrefusion.data.tracks import load_table
from genrefusion.evaluation.metrics import accuracy
from genrefusion.evaluation.predictions import arrays, genre_columns, read_predictions
from genrefusion.evaluation.statistics import holm, mcnemar, paired_difference
from genrefusion.results import songs_of


def averaged(runs: str) -> pd.DataFrame:
    """Predictions of one run, or the mean of several, by track id."""
    tables = [read_predictions(Path(run) / "predictions" / "test.csv").set_index("track_id") for run in runs.split(",")]
    genres = genre_columns(tables[0])
    mean = sum((table[genres].loc[tables[0].index] for table in tables[1:]), tables[0][genres]) / len(tables)
    return tables[0][["genre"]].join(mean)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("others", nargs="+", metavar="other")
    parser.add_argument("--with-lyrics", type=Path, metavar="TABLE")
    arguments = parser.parse_args()
    tables = [averaged(runs) for runs in (arguments.first, *arguments.others)]
    ids = tables[0].index
    for table in tables[1:]:
        ids = ids.intersection(table.index)
    if arguments.with_lyrics:
        songs = load_table(arguments.with_lyrics, corpus=str(arguments.with_lyrics))
        ids = ids[ids.isin(set(songs.ids) - set(songs.lacking("lyrics")))]
    truth, _ = arrays(tables[0].loc[ids].reset_index())
    runs = [Path(run) for runs in (arguments.first, *arguments.others) for run in runs.split(",")]
    song = songs_of(runs)
    drawn = None if song is None else [song[track] for track in ids]
    systems = [arrays(table.loc[ids].reset_index())[1] for table in tables]
    print(f"n {len(ids)}", *(f"run {i} {accuracy(truth, p):.3f}" for i, p in enumerate(systems, 1)), sep="   ")
    pairs = list(combinations(range(len(systems)), 2))
    tests = [mcnemar(truth, systems[i], systems[j]) for i, j in pairs]
    for (i, j), test, adjusted in zip(pairs, tests, holm([test.p for test in tests]), strict=True):
        gain, (low, high) = paired_difference(truth, systems[i], systems[j], accuracy, songs=drawn)
        interval = f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]"
        counts = f"McNemar {test.only_first} : {test.only_second}, p {test.p:.4f}"
        of_all = f", Holm {adjusted:.4f}" if len(pairs) > 1 else ""
        print(f"{i + 1} - {j + 1}   {interval}" + ("" if drawn else f"   {counts}{of_all}"))


if __name__ == "__main__":
    main()
