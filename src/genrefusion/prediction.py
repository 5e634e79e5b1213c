"""Genres of songs that are in no corpus: what `predict` does."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pandas as pd
from rich.table import Table

from genrefusion.config import PredictConfig
from genrefusion.data.audio import EXTENSIONS, audio_problem, digest_audio
from genrefusion.data.tracks import Tracks
from genrefusion.errors import UserError
from genrefusion.evaluation.predictions import Prediction
from genrefusion.experiment import make_bench
from genrefusion.runs import mean_prediction, open_run
from genrefusion.terminal import Terminal

BAR_WIDTH = 20


def predict_files(config: PredictConfig) -> int:
    """Print the genre of each song, and of each of its frames.

    Parameters
    ----------
    config : PredictConfig
        `run` is a run folder, `audio` a file, a folder or a pattern; `format` is ``table``, ``json`` or ``csv``.

    Returns
    -------
    int
        Exit code: 0, or 1 if some files could not be used (they are named on the error output, the rest goes on).

    Raises
    ------
    UserError
        There is no run, or no song.
    """
    if not config.run or not config.audio:
        raise UserError("predict needs run=DIR, the folder of a run, and audio=PATH: a song, a folder or a pattern.")
    terminal = Terminal(quiet=config.format != "table")
    run = open_run(Path(config.run))
    settings = run.record["config"]["data"]
    songs, problems = _usable(find_songs(config.audio), settings["min_seconds"], settings["max_seconds"])
    for path, problem in problems.items():
        print(f"{path}   {problem}", file=sys.stderr)  # noqa: T201 (beside the answer, which others may read)
    if songs:
        bench = make_bench(config, terminal, max_seconds=settings["max_seconds"])
        table = pd.DataFrame({"audio": [str(p) for p in songs], "sha256": list(songs.values()), "genre": ""})
        tracks = Tracks(table.set_index(pd.Index([str(p) for p in songs], name="track_id")), "songs")
        prediction = mean_prediction([pipeline.predict_proba(tracks) for pipeline in run.pipelines(bench)])
        _print(prediction, config.format, terminal)
    elif config.format == "json":
        print("[]")  # noqa: T201 (a program that reads the answer gets one)
    return 1 if problems else 0


def find_songs(where: str) -> list[Path]:
    """List the audio files that a path, a folder (with all below it) or a pattern means.

    Raises
    ------
    UserError
        There are none.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        songs = [p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS]
    elif path.exists():
        songs = [path]
    else:
        anchor = Path(path.anchor)
        songs = list(anchor.glob(str(path.relative_to(anchor))))
    if not songs:
        raise UserError(f"audio={where}: no song there (files that end in {', '.join(EXTENSIONS)}).")
    return sorted(songs)


def _usable(paths: list[Path], min_seconds: float, max_seconds: float) -> tuple[dict[Path, str], dict[Path, str]]:
    """Digest of each file that can be used, and problem of each other one."""
    songs: dict[Path, str] = {}
    problems: dict[Path, str] = {}
    for path in paths:
        digest, problem = digest_audio(path)
        problem = problem or audio_problem(path, min_seconds, max_seconds)
        if problem:
            problems[path] = problem
        else:
            songs[path] = digest
    return songs, problems


def _print(prediction: Prediction, form: str, terminal: Terminal) -> None:
    if form == "table":
        for song, row in prediction.tracks.iterrows():
            terminal.table(_song_table(str(song), row, _frames_of(prediction, str(song))))
    elif form == "json":
        print(json.dumps(as_records(prediction), indent=2, ensure_ascii=False))  # noqa: T201
    else:
        buffer = io.StringIO()
        prediction.tracks.reset_index(names="audio").to_csv(buffer, index=False, float_format="%.9g")
        print(buffer.getvalue(), end="")  # noqa: T201


def as_records(prediction: Prediction) -> list[dict[str, object]]:
    """Turn a prediction into plain objects: audio, genre, probabilities, frames."""
    records: list[dict[str, object]] = []
    for song, row in prediction.tracks.iterrows():
        frames = _frames_of(prediction, str(song))
        records.append(
            {
                "audio": str(song),
                "genre": str(row.idxmax()),
                "probabilities": {str(genre): round(float(p), 6) for genre, p in row.items()},
                "frames": [{str(g): round(float(p), 6) for g, p in frame.items()} for _, frame in frames.iterrows()],
            }
        )
    return records


def _frames_of(prediction: Prediction, song: str) -> pd.DataFrame:
    if prediction.frames is None:
        return pd.DataFrame()
    return prediction.frames.loc[[song]].droplevel("track_id")


def _song_table(song: str, row: pd.Series, frames: pd.DataFrame) -> Table:
    """Three most probable genres as bars, and the most probable one of each frame below."""
    from rich.markup import escape

    table = Table(box=None, show_header=False, title=escape(song), title_justify="left", pad_edge=False)
    for genre, p in row.nlargest(3).items():
        table.add_row(escape(str(genre)), f"{p:.0%}", "━" * max(1, round(BAR_WIDTH * p)))
    for number, frame in frames.iterrows():
        best = frame.nlargest(2)
        table.add_row(f"frame {number}", "", ", ".join(f"{escape(str(g))} {p:.0%}" for g, p in best.items()))
    return table
