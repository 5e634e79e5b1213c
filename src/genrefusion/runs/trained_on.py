"""What a run has learnt from: digests by which its songs and artists are known again in another corpus.

They lie in a file of their own, as there are several for each song: whoever looks through many runs reads their records
alone. Runs of older versions have them in their record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrefusion.core.errors import UserError
from genrefusion.core.files import write_atomically
from genrefusion.data.splits import Split
from genrefusion.data.tracks import Tracks

FILE = "trained_on.json"


@dataclass(frozen=True)
class TrainedOn:
    """What was learnt from.

    Attributes
    ----------
    songs : frozenset of str
        See `genrefusion.data.tracks.Tracks.content_digests`.
    artists : frozenset of str
        See `genrefusion.data.tracks.Tracks.artist_digests`.
    """

    songs: frozenset[str]
    artists: frozenset[str]


def fitted_on(tracks: Tracks, split: Split) -> TrainedOn:
    """What a run is fitted on: the training and validation tracks of all folds."""
    trained = tracks.subset(sorted({track for fold in split.folds for track in (*fold.train, *fold.val)}))
    songs: set[str] = set().union(*trained.content_digests())
    return TrainedOn(frozenset(songs), frozenset(trained.artist_digests()) - {""})


def write_trained_on(known: TrainedOn, directory: Path) -> None:
    """Write ``trained_on.json`` beside the record of a run."""
    content = {"trained_on": sorted(known.songs), "trained_artists": sorted(known.artists)}
    write_atomically(directory / FILE, json.dumps(content, indent=0).encode())


def read_trained_on(directory: Path, record: Mapping[str, Any]) -> TrainedOn:
    """Read what `write_trained_on` wrote, or what the record of an older run says.

    Raises
    ------
    UserError
        The file is missing or damaged: nobody could say which songs the run knows.
    """
    said = record
    try:
        if "trained_on" not in record:
            said = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return TrainedOn(frozenset(said["trained_on"]), frozenset(said.get("trained_artists", ())))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"run={directory}: {FILE} is missing or damaged, which lists what the run was trained on. Copy the folder "
            "of the run as a whole."
        ) from error
