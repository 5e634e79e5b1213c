"""Commands that are killed at random moments and started again: what was left, and whether the end is the same.

Each is begun, killed with SIGKILL (its parent process alone, or all of its processes) after a random part of the time
that it took undisturbed, and started again at once. Then its results must be those of the undisturbed one, bit for bit,
and there must be no half file, no lock and no process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from safetensors import SafetensorError, safe_open

KILLS = 20
_ORPHANS_END = 4
"""Seconds in which what a killed process had started has to end, beside the second start."""

_GENRES = ("jazz", "pop", "rock")
_NETWORK = ["experiment=multiframe", "features.frame_seconds=4", "pipeline.width=4", "pipeline.epochs=8"]
_PLAIN = ["experiment=xgboost_97", "pipeline.rounds=20"]


@dataclass(frozen=True)
class Work:
    """A command that is killed.

    Attributes
    ----------
    command : str
        Its name.
    words : tuple of str
        What is typed after it; ``{songs}``, ``{run}`` and ``{other}`` are the corpus and two finished runs.
    results : tuple of str
        Patterns of the files that must be the same.
    resumed_by : str
        Pattern of the files that say that something was begun; it goes on with ``resume=true`` then.
    warm : bool
        Whether features are there before it begins.
    """

    command: str
    words: tuple[str, ...]
    results: tuple[str, ...]
    resumed_by: str = ""
    warm: bool = True


_DATA = ("data=manifest", "data.manifest={songs}/tracks.csv")
WORKS = {
    "extraction": Work(
        "train", ("experiment=xgboost", "pipeline.rounds=5", *_DATA), ("**/predictions/*.csv",), "*/*/*/run.json", False
    ),
    "training": Work("train", (*_NETWORK, *_DATA), ("**/predictions/*.csv",), "*/*/*/run.json"),
    "evaluation": Work("evaluate", ("run={run}", "calibrate=true"), ("**/evaluations/*/predictions/test.csv",)),
    "ensemble": Work(
        "train",
        ("experiment=ensemble", "pipeline.runs=[{run},{other}]", *_DATA),
        ("**/predictions/*.csv",),
        "*/*/*/run.json",
    ),
    "table": Work("reproduce", ("table=paper", "rows=[xgboost]", *_DATA), ("xgboost/**/predictions/*.csv",)),
    "build": Work(
        "corpus",
        ("action=build", "source={songs}", "out=outputs/built", "genres=none"),
        ("built/tracks.csv", "built/lyrics/*.txt", "built/left_out.csv"),
    ),
    "sweep": Work(
        "train",
        ("-m", *_PLAIN, "sweep=xgboost", "sweep.trials=4", "launcher=joblib", "parallel=2", *_DATA),
        ("**/sweep.csv",),
        "*/*/*_sweep/study.db",
    ),
}


@dataclass
class Prepared:
    """What all kills begin from: songs, two runs, a cache that knows them, and what undisturbed commands gave."""

    folder: Path
    expected: dict[str, dict[str, str]]
    seconds: dict[str, float]


def main(words: list[str]) -> None:
    """Kill and start again, and print a line for each time; the process ends with 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="benchmark.py kill", description=__doc__)
    parser.add_argument("--count", type=int, default=KILLS, help="how often")
    parser.add_argument("--seed", type=int, default=0, help="of moments, and of what is killed")
    arguments = parser.parse_args(words)
    sys.exit(0 if kill(arguments.count, seed=arguments.seed) else 1)


def kill(count: int, *, seed: int) -> bool:
    """Do it so many times, one kind of work after the other, and tell whether all went well."""
    draw = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder), list(WORKS)[:count])
        print(f"{'work':<11} {'killed':<8} {'after':>13}  {'left':<44} again")
        good = True
        for number in range(count):
            name, whole = list(WORKS)[number % len(WORKS)], draw.random() < 0.5
            moment = draw.uniform(0.1, 0.95) * prepared.seconds[name]
            left, problems = kill_once(prepared, name, moment, whole_group=whole)
            good = good and not problems
            of = f"{moment:.1f} of {prepared.seconds[name]:.1f} s"
            killed, again = "all" if whole else "parent", "; ".join(problems) or "the same"
            print(f"{name:<11} {killed:<8} {of:>13}  {left:<44} {again}", flush=True)
    return good


def prepare(folder: Path, names: list[str]) -> Prepared:
    """Make the songs and the runs, and do each work once, undisturbed."""
    _write_songs(folder / "songs")
    needed = " ".join(word for name in names for word in WORKS[name].words)
    for name, words in (("run", _PLAIN), ("other", _NETWORK)):
        if f"{{{name}}}" in needed:
            target = f"hydra.run.dir={folder / name}"
            _wait(_begin("train", _filled([*words, *_DATA, target], folder, folder), folder, folder / "cache"))
    prepared = Prepared(folder, {}, {})
    for name in names:
        place = _place(prepared, WORKS[name])
        began = time.monotonic()
        code = _wait(_begin(WORKS[name].command, _words(WORKS[name], prepared, place), place, place / "cache"))
        if code:
            raise SystemExit(f"{name}: exit code {code}\n{(place / 'log').read_text()}")
        prepared.seconds[name] = time.monotonic() - began
        prepared.expected[name] = _results(WORKS[name], place)
        shutil.rmtree(place)
    return prepared


def kill_once(prepared: Prepared, name: str, moment: float, *, whole_group: bool) -> tuple[str, list[str]]:
    """Begin a work, kill it after so many seconds, start it again.

    Returns
    -------
    (str, list of str)
        What was there after the kill, and what is wrong after the second start.
    """
    work = WORKS[name]
    place = _place(prepared, work)
    words = _words(work, prepared, place)
    process = _begin(work.command, words, place, place / "cache")
    time.sleep(moment)
    if process.poll() is None:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    killed = process.wait() < 0
    left = _left(place) if killed else "it had ended"
    if work.resumed_by and any(_can_go_on(path) for path in (place / "outputs").glob(work.resumed_by)):
        words = [*words, "resume=true"]
    again = None
    if killed and not (place / "outputs" / "built").exists():  # which is not built twice
        again = _begin(work.command, words, place, place / "cache")
    problems = [] if _ends(process.pid) else ["a process lived on"]
    if again is not None and (code := _wait(again)):
        problems.append(f"exit code {code}: {(place / 'log').read_text().strip()[-200:]}")
    if _results(work, place) != prepared.expected[name]:
        problems.append("other results")
    problems += list(_faults(place))
    shutil.rmtree(place)
    return left, problems


def _place(prepared: Prepared, work: Work) -> Path:
    """Fresh folder to work in, with its own copy of the run and of the cache."""
    place = Path(tempfile.mkdtemp(dir=prepared.folder))
    if (prepared.folder / "run").is_dir():
        shutil.copytree(prepared.folder / "run", place / "run")
    if work.warm and (prepared.folder / "cache").is_dir():
        shutil.copytree(prepared.folder / "cache", place / "cache")
    return place


def _words(work: Work, prepared: Prepared, place: Path) -> list[str]:
    return _filled(work.words, prepared.folder, place)


def _filled(words: list[str] | tuple[str, ...], folder: Path, place: Path) -> list[str]:
    names = {"{songs}": folder / "songs", "{run}": place / "run", "{other}": folder / "other"}
    filled = []
    for word in words:
        for name, path in names.items():
            word = word.replace(name, str(path))
        filled.append(word)
    return filled


def _begin(command: str, words: list[str], place: Path, cache: Path) -> subprocess.Popen[bytes]:
    with (place / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (this interpreter)
            [sys.executable, "-m", "genrefusion.cli", command, *words],
            cwd=place,
            env={**os.environ, "GENREFUSION_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes]) -> int:
    return process.wait(timeout=300)


def _results(work: Work, place: Path) -> dict[str, str]:
    """What must be the same, in words; folders that are called by the time of a run have no name in it."""
    top = place / "outputs"
    found: dict[str, str] = {}
    for path in sorted(path for start in (top, place / "run") for each in work.results for path in start.glob(each)):
        finished = [json.loads(p.read_text())["status"] for p in (path.parent.parent / "run.json",) if p.is_file()]
        if finished in ([], ["finished"]):
            found[path.name if path.name == "sweep.csv" else f"{path.parent.name}/{path.name}"] = _without_times(path)
    return found


def _without_times(path: Path) -> str:
    """Content of a file, of a table of trials without what differs from one start to the next."""
    if path.name != "sweep.csv":
        return path.read_text(encoding="utf-8")
    table = pd.read_csv(path, keep_default_na=False).query("state != 'interrupted'")
    table = table.drop(columns=["trial", "seconds", "folder"])
    return str(table.sort_values(table.columns.tolist()).to_csv(index=False))


def _can_go_on(path: Path) -> bool:
    return path.name == "study.db" or json.loads(path.read_text())["status"] == "running"


def _left(place: Path) -> str:
    """What a killed command has left, in few words."""
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_relative_to(place / "run")]
    kinds = {"half": ".part", "locks": ".lock", "journals": "-journal"}
    counts = {kind: sum(path.name.endswith(end) for path in files) for kind, end in kinds.items()}
    states = [json.loads(path.read_text())["status"] for path in place.glob("outputs/**/run.json")]
    counts |= {f"runs {state}": states.count(state) for state in sorted(set(states))}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing"


def _faults(place: Path) -> Iterator[str]:
    """Half files, and locks."""
    for path in sorted(place.rglob("*")):
        if path.name.endswith((".part", ".lock", "-journal")):
            yield f"{path.relative_to(place)} is left"
        elif path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                yield f"{path.relative_to(place)} is half"
        elif path.suffix == ".safetensors":
            try:
                safe_open(path, "numpy")
            except SafetensorError:
                yield f"{path.relative_to(place)} is half"


def _ends(session: int) -> bool:
    """Whether all processes of a session end in time."""
    until = time.monotonic() + _ORPHANS_END
    while any(_of_session(session)):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _of_session(session: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            yield int(path.parent.name)


def _write_songs(folder: Path) -> None:
    """Noise with a tone that tells the genre a little; every song by another artist, with lyrics beside it."""
    rows = []
    time_axis = np.arange(round(4.5 * 22050)) / 22050
    for place, genre in enumerate(_GENRES):
        (folder / genre).mkdir(parents=True)
        for number in range(8):
            noise = np.random.default_rng([place, number]).standard_normal(len(time_axis))
            sound = 0.1 * noise + 0.1 * np.sin(2 * np.pi * 220 * (1 + place) * time_axis)
            name = f"{genre}/{genre}{number}"
            soundfile.write(folder / f"{name}.wav", sound, 22050)
            (folder / f"{name}.txt").write_text(f"a song of {genre}\nnumber {number}\n")
            rows.append({"track_id": name, "genre": genre, "artist": f"{genre} {number}", "audio": f"{name}.wav"})
    pd.DataFrame(rows).to_csv(folder / "tracks.csv", index=False)
