"""Accuracy of two runs on the same tracks, and their difference with its paired 95 % bootstrap interval.

    python scripts/compare.py RUN_A RUN_B
    python scripts/compare.py RUN_A RUN_B --with-lyrics tracks.jsonl    # only tracks that have lyrics there

A run is a run folder, or several of one experiment joined by commas: their probabilities are averaged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from genrefusion.data.tracks import load_table
from genrefusion.evaluation.metrics import accuracy, arrays
from genrefusion.evaluation.predictions import genre_columns, read_predictions
from genrefusion.evaluation.statistics import paired_difference


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
    parser.add_argument("second")
    parser.add_argument("--with-lyrics", type=Path, metavar="TABLE")
    arguments = parser.parse_args()
    first, second = averaged(arguments.first), averaged(arguments.second)
    ids = first.index.intersection(second.index)
    if arguments.with_lyrics:
        table = load_table(arguments.with_lyrics, corpus=str(arguments.with_lyrics))
        ids = ids[ids.isin(set(table.ids) - set(table.lacking("lyrics")))]
    truth, a = arrays(first.loc[ids].reset_index())
    _, b = arrays(second.loc[ids].reset_index())
    gain, (low, high) = paired_difference(truth, a, b, accuracy)
    print(f"n {len(ids)}   first {accuracy(truth, a):.3f}   second {accuracy(truth, b):.3f}")
    print(f"difference {gain:+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
