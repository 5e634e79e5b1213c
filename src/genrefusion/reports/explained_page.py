"""What was looked at, as a section of a run's page: lyrics with what each word gets, beside the audio in time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrefusion.reports.pages import read_picture

MOST_SONGS = 24
"""Songs on a page, which stays small enough to send; all are in ``songs.json`` and have their pictures."""

PICTURES = {
    "words": (
        "Words of each genre that get most of the attention for their even share; in brackets the number of songs.",
        "Bars of the words of each genre, as multiples of their even share.",
    ),
    "deletion": (
        "The predicted genre's probability without the words that get most, and without as many random ones.",
        "Two falling curves over the share of words that are removed, and their difference.",
    ),
}
"""Caption and text in place of the picture, by name of the file."""


@dataclass(frozen=True)
class Word:
    """A word as the page shows it.

    Attributes
    ----------
    before : str
        What stands before it in the lyrics.
    text : str
    kind : str
        ``more`` or ``less`` than its even share, or ``even``.
    part : float
        How strong its colour is, from 0 to 1.
    title : str
        What it gets, in words.
    """

    before: str
    text: str
    kind: str
    part: float
    title: str


def explained_section(folder: Path, names: dict[str, str]) -> dict[str, Any] | None:
    """Songs, the deletion test and pictures of a folder with explanations; None where nothing was explained.

    Parameters
    ----------
    folder : Path
        With ``songs.json``, ``audio/*.png``, ``deletion.json``: see `genrefusion.runs.explain.explain.explain`.
    names : dict of str to str
        Artist and title by track id, where they are known.
    """
    if not (folder / "songs.json").is_file():
        return None
    songs = _read(folder / "songs.json")["songs"]
    return {
        "songs": [_song(song, folder, names.get(song["track_id"], "")) for song in songs[:MOST_SONGS]],
        "count": len(songs),
        "deletion": _deletion(_read(folder / "deletion.json")),
        "pictures": [read_picture(folder / f"{stem}.png", *texts) for stem, texts in PICTURES.items()],
    }


def _song(song: dict[str, Any], folder: Path, name: str) -> dict[str, Any]:
    track = song["track_id"]
    audio = read_picture(
        folder / "audio" / song["picture"],
        "The audio in time, and the share of its attention that each moment gets.",
        f"The audio of {name or track} in time, and the share of each moment.",
    )
    columns = (song[column] for column in ("before", "words", "tokens", "times"))
    return {
        "track": track,
        "name": name,
        "genre": song["genre"],
        "predicted": song["predicted"],
        "probability": f"{song['probability']:.2f}",
        "words": [_word(*word) for word in zip(*columns, strict=True)],
        "audio": audio,
    }


def _word(before: str, text: str, tokens: int, times: float) -> Word:
    from genrefusion.reports.lyrics_plots import strength  # matplotlib, which other pages do not need

    signed = round(float(strength(times)), 2)
    kind = "more" if signed > 0 else "less" if signed < 0 else "even"
    of = "1 token" if tokens == 1 else f"{tokens} tokens"
    return Word(before, text, kind, abs(signed), f"{times:.2f} times its even share, {of}")


def _deletion(metrics: dict[str, Any]) -> dict[str, Any]:
    """The test's result, and whether it lets one say that the prediction rests on the words that get most."""
    low, high = metrics["mean_difference_ci95"]
    difference = f"{metrics['mean_difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
    tokens = {kind: f"{mean:.1f}" for kind, mean in metrics["tokens"].items()}
    return {"difference": difference, "songs": metrics["songs"], "tokens": tokens, "rests": high < 0}


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
