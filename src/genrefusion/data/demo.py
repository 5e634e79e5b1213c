"""The composed corpus as a corpus like any other; how it is composed is in `genrefusion.demo`."""

from __future__ import annotations

from pathlib import Path

from genrefusion.core.terminal import Terminal
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.tracks import Tracks, load_table
from genrefusion.settings.data import DemoData

FACTS = CorpusFacts(
    layout="tracks.csv beside audio/<genre>/<genre>.000.flac, in the cache folder",
    citation="genrefusion (CITATION.cff); to be called synthetic wherever a figure of it stands",
    licence="CC0-1.0",
    address="composed and rendered here by genrefusion.demo",
    tracks=300,
)


def load(settings: DemoData, *, cache: Path, workers: int, terminal: Terminal) -> Tracks:
    """Compose the songs that the settings ask for, or take those that were."""
    from genrefusion.demo import DEMO_VERSION, build_demo

    name = f"demo-{DEMO_VERSION}-{settings.songs_per_genre}x{settings.seconds:g}s-{settings.seed}"
    table = build_demo(
        cache / "corpora" / name,
        songs_per_genre=settings.songs_per_genre,
        seconds=settings.seconds,
        seed=settings.seed,
        workers=workers,
        progress=not terminal.quiet,
    )
    return load_table(table, corpus="demo")
