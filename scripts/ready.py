"""The ready answer of ``predict model=musicnn``: how its reference is made, and how often it is right.

    python scripts/ready.py reference ../shared/data/emotify/tracks.csv --source "Emotify, CC BY-NC-SA"
    python scripts/ready.py score ../shared/data/gtzan_meta     # "no training", on 514 clips of GTZAN

The first hears the songs of a tracks table and writes the mean of each tag to ``pipelines/ready_reference.json``; it
takes some minutes, and the weights are fetched if they were not before. The second reads tags that were computed
before (``musicnn_msd_taggram.npz``) and the table of the clips beside them; only genres count that have a tag. Neither
tags nor reference were chosen by the scored clips. The published network learnt from a million songs, some of which
may be among them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from genrefusion.api import open_corpus
from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.core.folders import cache_folder
from genrefusion.core.terminal import Terminal
from genrefusion.data.tracks import load_table
from genrefusion.features.cache import FeatureCache
from genrefusion.features.precomputed import read_sequences
from genrefusion.features.sources import audio_source
from genrefusion.metrics.comparisons import paired_difference
from genrefusion.metrics.groups import groups_in
from genrefusion.metrics.intervals import bootstrap_intervals
from genrefusion.models.msd import TAGS
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.ready import REFERENCE, TAG_OF, genres_of
from genrefusion.settings.features import MusicnnFeatures

Array = npt.NDArray[np.float64]

CAUTION = "The published network learnt from a million songs, some of which may be among these."


def make_reference(table: Path, source: str) -> dict[str, object]:
    """Mean of each tag over songs, each of which counts once, and what is to be known of it."""
    tracks = open_corpus("data=manifest", f"data.manifest={table}")
    context = Context(FeatureCache(cache_folder(None) / "features"), terminal=Terminal())
    heard = audio_source(MusicnnFeatures(), context.surroundings()).sequences(tracks)
    means = np.mean([np.exp(np.asarray(patches, np.float64)).mean(axis=0) for patches in heard.values()], axis=0)
    return {
        "what": "mean of each tag of musicnn (MSD): over the patches of a song, 3 s side by side, then over the songs",
        "source": source,
        "songs": len(tracks),
        "genres": {str(genre): int(n) for genre, n in tracks.table["genre"].value_counts().sort_index().items()},
        "made_with": shlex.join(["python", "scripts/ready.py", *sys.argv[1:]]),
        "means": {tag: float(f"{mean:.6g}") for tag, mean in zip(TAGS, means, strict=True)},
    }


def score(folder: Path) -> str:
    """Accuracy with 95 % intervals that draw artists: beside the reference, and of the highest tag as it is."""
    tags = read_sequences(folder / "musicnn_msd_taggram.npz")
    table = load_table(folder / "tracks.jsonl", corpus="gtzan")
    genres = dict(zip(table.ids, table.table["genre"], strict=True))
    tracks = table.subset([track for track in table.ids if track in tags and genres[track] in TAG_OF])
    means = pd.DataFrame([np.asarray(tags[track], np.float64).mean(axis=0) for track in tracks.ids], columns=list(TAGS))
    ready = np.array([genres_of(means.iloc[[row]]) for row in range(len(means))])
    plain = means[list(TAG_OF.values())].to_numpy()
    truth, groups = tracks.labels(list(TAG_OF)), groups_in([tracks])
    clusters = groups.labels(tracks.ids)
    lines = [f"{len(tracks)} clips of {', '.join(TAG_OF)}; nothing is trained; 95 % intervals draw {groups.drawn}"]
    for name, answers in (("tags over their means in the reference", ready), ("the highest tag as it is", plain)):
        low, high = bootstrap_intervals(truth, answers, ["accuracy"], clusters=clusters)["accuracy"]
        hits = answers.argmax(axis=1) == truth
        each = ", ".join(f"{genre} {hits[truth == number].mean():.2f}" for number, genre in enumerate(TAG_OF))
        lines.append(f"{name:<40} {hits.mean():.3f} [{low:.3f}, {high:.3f}]   {each}")
    gain = paired_difference(truth, ready, plain, clusters=clusters)
    lines.append(f"{'difference':<40} {gain.value:+.3f} [{gain.ends[0]:+.3f}, {gain.ends[1]:+.3f}]   p {gain.p:.4f}")
    return "\n".join([*lines, CAUTION])


def main() -> None:
    """Make or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("reference", "score"))
    parser.add_argument("path", type=Path, help="a tracks table, or the folder of the clips' tags and table")
    parser.add_argument("--source", default="", help="what is to be said of the songs of a reference: corpus, licence")
    arguments = parser.parse_args()
    try:
        if arguments.what == "score":
            print(score(arguments.path))
        else:
            made = make_reference(arguments.path, arguments.source)
            write_atomically(REFERENCE, (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode())
    except UserError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
