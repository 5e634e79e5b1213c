"""Which genres a split leaves without songs to learn from, to stop by, or to be tested with."""

from __future__ import annotations

from genrefusion.data.splits import Split
from genrefusion.data.tracks import PARTS, Tracks


def genres_without(tracks: Tracks, split: Split) -> list[str]:
    """Name the genres that have no song in a part; figures say nothing of a genre that is not tested.

    Returns
    -------
    list of str
        A sentence for each part in which genres are lacking, with several folds with the numbers of the folds.
    """
    genre = dict(zip(tracks.ids, tracks.table["genre"], strict=True))
    lines = []
    for part in PARTS:
        lacking: dict[str, list[int]] = {}
        for number, fold in enumerate(split.folds, start=1):
            there = {genre[track] for track in getattr(fold, part)}
            for name in tracks.genres:
                if name not in there:
                    lacking.setdefault(name, []).append(number)
        if lacking:
            names = [f"{name}{_folds(numbers, len(split.folds))}" for name, numbers in sorted(lacking.items())]
            lines.append(f"no {part} song of: {', '.join(names)}")
    return lines


def _folds(numbers: list[int], count: int) -> str:
    if len(numbers) == count:
        return "" if count == 1 else " (in no fold)"
    return f" (fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))})"
