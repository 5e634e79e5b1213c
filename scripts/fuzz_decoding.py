"""Damaged audio files through what every command decodes with: what happens to each is told.

    python scripts/fuzz_decoding.py
    python scripts/fuzz_decoding.py --files 200 --seed 1 --keep bad

Songs in eight formats are damaged as disks, downloads and programs damage files, in ways that the seed decides, and
decoded in a child process. None may crash it, take more than five seconds, or give a sample beyond what is allowed; the
exit code is 1 if one does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from genrefusion.data.mixing import LOUDEST

SNDFILE = {
    "wav": {"format": "WAV", "subtype": "FLOAT"},
    "au": {"format": "AU", "subtype": "PCM_16"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "mp3": {"format": "MP3"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}
FORMATS = (*SNDFILE, "m4a")
LIMIT_SECONDS = 5.0
RATE = 24000
SECONDS = 4


class Outcome(NamedTuple):
    """What became of a damaged file: ``decoded``, ``refused``, ``crashed`` or ``hung``; and what was seen of it."""

    what: str
    problem: str = ""
    peak: float = 0.0
    seconds: float = 0.0


def fuzz(files: int, *, seed: int = 0, workers: int = 2, keep: Path | None = None) -> dict[str, list[Outcome]]:
    """Damage and decode some files, of each format as many; what must not be is kept in a folder, if one is named."""
    songs = {ending: song(ending) for ending in FORMATS}
    jobs = [(ending, number) for number in range(-(-files // len(FORMATS))) for ending in FORMATS][:files]
    found: dict[str, list[Outcome]] = {ending: [] for ending in FORMATS}
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(lambda part: list(_run(part, songs, seed, keep)), [jobs[n::workers] for n in range(workers)])
        for ending, outcome in (one for part in parts for one in part):
            found[ending].append(outcome)
    return found


def song(ending: str) -> bytes:
    """A tone in noise, as a stereo file of a format."""
    clock = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal((len(clock), 2))
    samples = (0.3 * np.sin(2 * np.pi * 440 * clock)[:, None] + 0.05 * noise).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"song.{ending}"
        if ending in SNDFILE:
            soundfile.write(path, samples, RATE, **SNDFILE[ending])
        else:
            _write_mpeg4(path, samples)
        return path.read_bytes()


def damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """A file with one to three kinds of damage."""
    changed = bytearray(content)
    kinds = (_flip, _truncate, _zero, _swap, _repeat, _edit_header)
    for kind in draw.choice(len(kinds), draw.integers(1, 4)):
        if len(changed) > 64:
            changed = kinds[kind](changed, draw)
    return bytes(changed)


def decode_in_child(connection: Connection) -> None:
    """Decode each file that is named on a connection, and answer what became of it."""
    from genrefusion.data.audio import AudioError, header_seconds, usable_sound

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libmpg123 writes its complaints there
    while (name := connection.recv()) is not None:
        began = time.perf_counter()
        try:
            header_seconds(Path(name))
            sound = usable_sound(Path(name))
            largest = max(sound.peak, float(np.abs(sound.samples).max()))
            outcome = Outcome("decoded", "", largest if np.isfinite(sound.samples).all() else float("inf"))
        except AudioError as error:
            outcome = Outcome("refused", str(error))
        except BaseException as error:
            outcome = Outcome("crashed", repr(error))
        connection.send(outcome._replace(seconds=time.perf_counter() - began))


def _run(
    jobs: list[tuple[str, int]], songs: dict[str, bytes], seed: int, keep: Path | None
) -> Iterator[tuple[str, Outcome]]:
    """Hand files to a child process one after another; one that dies or takes too long is replaced."""
    child = _Child()
    with tempfile.TemporaryDirectory() as folder:
        for ending, number in jobs:
            draw = np.random.default_rng([seed, number, FORMATS.index(ending)])
            path = Path(folder) / f"{ending}-{number}.{ending}"
            path.write_bytes(damaged(songs[ending], draw))
            outcome = child.decode(path)
            if outcome.what in ("crashed", "hung"):
                child.stop()
                child = _Child()
            if keep is not None and is_bad(outcome):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / path.name).write_bytes(path.read_bytes())
            path.unlink()
            yield ending, outcome
    child.stop()


class _Child:
    """A process that decodes."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=decode_in_child, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def decode(self, path: Path) -> Outcome:
        """What becomes of a file; the first one may take as long as the imports."""
        self.connection.send(str(path))
        try:
            if self.connection.poll(LIMIT_SECONDS if self.process.exitcode is None and self._warm else 60):
                self._warm = True
                outcome: Outcome = self.connection.recv()
                return outcome if outcome.seconds <= LIMIT_SECONDS else outcome._replace(what="hung")
        except EOFError:
            self.process.join()
            return Outcome("crashed", f"exit code {self.process.exitcode}")
        return Outcome("hung", seconds=LIMIT_SECONDS)

    _warm = False

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def is_bad(outcome: Outcome) -> bool:
    """Whether this must not be."""
    return outcome.what in ("crashed", "hung") or not outcome.peak <= LOUDEST


def _flip(content: bytearray, draw: np.random.Generator) -> bytearray:
    for place in draw.integers(0, len(content), draw.integers(1, 65)):
        content[place] ^= 1 << int(draw.integers(8))
    return content


def _truncate(content: bytearray, draw: np.random.Generator) -> bytearray:
    return content[: int(draw.integers(1, len(content)))]


def _zero(content: bytearray, draw: np.random.Generator) -> bytearray:
    begin, end = _block(content, draw)
    content[begin:end] = bytes(end - begin)
    return content


def _swap(content: bytearray, draw: np.random.Generator) -> bytearray:
    size = int(draw.integers(1, len(content) // 4))
    first = int(draw.integers(0, len(content) // 2 - size))
    second = int(draw.integers(len(content) // 2, len(content) - size))
    content[first : first + size], content[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )
    return content


def _repeat(content: bytearray, draw: np.random.Generator) -> bytearray:
    begin, end = _block(content, draw)
    return content[:end] + content[begin:]


def _edit_header(content: bytearray, draw: np.random.Generator) -> bytearray:
    for place in draw.integers(0, 64, draw.integers(1, 9)):
        content[place] = int(draw.choice(np.array([0, 1, 0x7F, 0x80, 0xFF, draw.integers(256)])))
    return content


def _block(content: bytearray, draw: np.random.Generator) -> tuple[int, int]:
    begin = int(draw.integers(0, len(content) - 1))
    return begin, min(len(content), begin + int(draw.integers(1, 8193)))


def _write_mpeg4(path: Path, samples: np.ndarray) -> None:
    import av

    with av.open(str(path), "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(part))


def summary(found: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """Counts of each format, and of all."""
    rows = []
    for name, outcomes in (*found.items(), ("all", [one for part in found.values() for one in part])):
        counts = {what: sum(one.what == what for one in outcomes) for what in ("decoded", "refused", "crashed", "hung")}
        largest = max((one.peak for one in outcomes), default=0.0)
        slowest = max((one.seconds for one in outcomes), default=0.0)
        rows.append({"format": name, "files": len(outcomes)} | counts | {"largest": largest, "slowest": slowest})
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what became of every file there")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the files that must not be")
    arguments = parser.parse_args()
    found = fuzz(arguments.files, seed=arguments.seed, workers=arguments.workers, keep=arguments.keep)
    print(f"{'format':8}{'files':>7}{'decoded':>9}{'refused':>9}{'crashed':>9}{'hung':>6}{'largest':>9}{'slowest':>10}")
    for row in summary(found):
        counts = f"{row['files']:7}{row['decoded']:9}{row['refused']:9}{row['crashed']:9}{row['hung']:6}"
        print(f"{row['format']:8}{counts}{row['largest']:9.2f}{row['slowest']:8.2f} s")
    if arguments.json:
        outcomes = {ending: [one._asdict() for one in part] for ending, part in found.items()}
        arguments.json.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
    sys.exit(any(is_bad(one) for part in found.values() for one in part))


if __name__ == "__main__":
    main()
