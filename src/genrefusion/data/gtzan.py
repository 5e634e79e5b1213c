"""GTZAN (Tzanetakis and Cook 2002): its folder layout, the fault-filtered split and the artist index.

The fault-filtered split (Kereliuk, Sturm and Larsen 2015) leaves out copies and distortions and keeps artists apart;
`torchaudio` carries its lists. The artist index is that of Sturm (2012), a text file that its author offers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from genrefusion.core.errors import UserError, bullet_list
from genrefusion.core.terminal import Terminal
from genrefusion.core.torchaudio_parts import import_torchaudio
from genrefusion.data.facts import CorpusFacts
from genrefusion.data.song_files import below, grouped
from genrefusion.data.tracks import Tracks, validate_table
from genrefusion.settings.data import GtzanData

FOLDERS = ("genres_original", "genres")
FACTS = CorpusFacts(
    layout="genres_original/<genre>/<genre>.00000.wav (or genres/ with .au files)",
    citation="Tzanetakis and Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and "
    "Audio Processing 10 (5), 2002; for its split Kereliuk, Sturm and Larsen, Deep learning and music adversaries, "
    "IEEE Transactions on Multimedia 17 (11), 2015",
    licence="none is stated: recordings by others, collected for research",
    address="http://opihi.cs.uvic.ca/sound/genres.tar.gz (1.2 GB), or its copy on Kaggle, "
    "andradaolteanu/gtzan-dataset-music-genre-classification",
    sha256="24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    tracks=1000,
)
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def load(settings: GtzanData, *, terminal: Terminal, **_: Any) -> Tracks:
    """Find the clips, with their artists if the index is there."""
    index = Path(settings.artist_index) if settings.artist_index else None
    return load_gtzan(Path(str(settings.root)), artist_index=index, terminal=terminal)


def load_gtzan(root: Path, *, artist_index: Path | None = None, terminal: Terminal | None = None) -> Tracks:
    """Find the clips of GTZAN below a folder.

    Parameters
    ----------
    root : Path
        Holds ``genres_original/<genre>/*.wav``, ``genres/<genre>/*.au``, or the genre folders themselves; all 1,000
        clips or any part.
    artist_index : Path, optional
        Sturm's ``GTZANindex.txt``; without it artists are unknown.
    terminal : Terminal, optional
        Where clips are named that are left out: of one that is there as .wav and .au, the .wav is taken.

    Returns
    -------
    Tracks
        With the column ``split`` for clips of the fault-filtered lists.

    Raises
    ------
    UserError
        No clip lies there, or the index cannot be read.
    """
    base = next((root / name for name in FOLDERS if (root / name).is_dir()), root)
    files = sorted(
        p for genre in GENRES for p in (base / genre).glob(f"{genre}.*") if p.suffix.lower() in (".wav", ".au")
    )
    wavs = {path.with_suffix("") for path in files if path.suffix.lower() == ".wav"}
    clips = [path for path in files if path.suffix.lower() == ".wav" or path.with_suffix("") not in wavs]
    if not clips:
        raise UserError(f"data.root={root}: no GTZAN clips. It must hold {FACTS.layout}.\nThey are at {FACTS.address}.")
    if terminal is not None:
        twins = dict.fromkeys(sorted(set(files) - set(clips)), "beside the .wav of the same clip, which is taken")
        for line in grouped(below(base, twins)):
            terminal.say("left out", line)
    parts = fault_filtered_split()
    table = pd.DataFrame(
        {
            "track_id": [clip.stem for clip in clips],
            "genre": [clip.parent.name for clip in clips],
            "audio": [str(clip.absolute()) for clip in clips],
            "split": [parts.get(clip.stem) for clip in clips],
        },
        dtype=object,
    )
    if artist_index is not None:
        artists = read_artist_index(artist_index)
        names = [artists.get(clip.stem, (None, None)) for clip in clips]
        table = table.join(pd.DataFrame(names, columns=["artist", "title"], dtype=object))
    return Tracks(validate_table(table, where=str(base)).set_index("track_id"), "gtzan")


def fault_filtered_split() -> dict[str, str]:
    """Part of each clip on the fault-filtered lists: 443 train, 197 val, 290 test; 70 clips are on none.

    Raises
    ------
    UserError
        `torchaudio`, which carries the lists, does not import.
    """
    lists = import_torchaudio("datasets.gtzan", "The fault-filtered lists come")
    parts = {"train": lists.filtered_train, "val": lists.filtered_valid, "test": lists.filtered_test}
    return {clip: part for part, clips in parts.items() for clip in clips}


def read_artist_index(path: Path) -> dict[str, tuple[str | None, str | None]]:
    """Read artist and title of each clip, None where they are unknown.

    The lines are ``blues.00000.wav ::: artist ::: title``; those that begin with ``##`` are remarks.

    Raises
    ------
    UserError
        The file is missing or has lines of another form.
    """
    if not path.is_file():
        raise UserError(f"data.artist_index={path}: no such file. It is Sturm's GTZANindex.txt.")
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    rows = {i: line.split(":::") for i, line in enumerate(lines, start=1) if line and not line.startswith("##")}
    broken = [f"line {i}: {lines[i - 1][:60]}" for i, row in rows.items() if len(row) < 2]
    if broken:
        raise UserError(
            f"{path}: not an artist index ('clip.wav ::: artist ::: title' on each line):\n{bullet_list(broken)}"
        )
    return {
        Path(row[0].strip()).stem: (_known(row[1]), _known(row[2] if len(row) > 2 else "")) for row in rows.values()
    }


def _known(name: str) -> str | None:
    name = name.strip()
    return None if name in ("", "?", "-") else name
