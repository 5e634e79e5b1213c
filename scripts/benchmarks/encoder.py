"""Speed of the tag network musicnn on one thread: how many times real time, and what overlapping patches cost.

    python scripts/benchmark.py encoder
    python scripts/benchmark.py encoder --seconds 60 --json encoder.json

The network has random weights, which are as fast as the published ones. The plain port computes patch by patch and
layer by layer, as they are described, with PyTorch's modules; all others are the network of this package, and the last
one makes the spectrogram too. Alternatives take turns, so that a slow moment of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import write_record

if TYPE_CHECKING:
    from genrefusion.models.musicnn import Musicnn

Work = Callable[[], object]

LEAST_TIMES_REAL_TIME = 60
MOST_FOR_OVERLAP = 1.4
"""Time of a hop of 1 s may be so many times that of patches side by side."""

SIDE_BY_SIDE, OVERLAPPING = "side by side", "a hop of 1 s"


def plainly(network: Musicnn, patch: Tensor) -> tuple[Tensor, Tensor]:
    """Tags (50,) and penultimate vector (200,) of a patch (187, 96), one layer after the other."""
    pad, relu = nn.functional.pad, torch.relu
    bands = network.input_norm(patch[:, None])[None, None, :, 0]
    convs, norms = [*network.tall, *network.long], [*network.tall_norm, *network.long_norm]
    zeros = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))  # columns before and behind
    front = []
    for conv, norm, (before, behind) in zip(convs, norms, zeros, strict=True):
        maps = relu(conv(pad(bands, (0, 0, before, behind))))
        front.append(norm(maps.flatten(2)).view_as(maps).amax(dim=3))
    levels = [torch.cat(front, dim=1)]
    for conv, norm in zip(network.through_time, network.through_time_norm, strict=True):
        above = norm(relu(conv(levels[-1])))
        levels.append(above + levels[-1] if len(levels) > 1 else above)
    channels = torch.cat(levels, dim=1)
    pooled = torch.stack([channels.amax(dim=2), channels.mean(dim=2)], dim=2).flatten(1)
    penultimate = network.hidden_norm(relu(network.hidden(network.pooled_norm(pooled))))
    return torch.sigmoid(network.output(penultimate))[0], penultimate[0]


def alternatives(seconds: float) -> dict[str, Work]:
    """What is measured, by name."""
    from genrefusion.features.musicnn import RATE, log_mel, patch_starts
    from genrefusion.models.musicnn import COLUMNS, Musicnn

    audio = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)
    torch.manual_seed(0)
    network, mel = Musicnn(), torch.from_numpy(log_mel(audio))
    starts = {SIDE_BY_SIDE: patch_starts(len(mel), 3.0), OVERLAPPING: patch_starts(len(mel), 1.0)}

    def run(mel: Tensor, hop: str, dtype: torch.dtype = torch.float32) -> None:
        with torch.inference_mode():
            network(mel, starts[hop], dtype)

    def patch_by_patch() -> None:
        with torch.inference_mode():
            for start in starts[SIDE_BY_SIDE]:
                plainly(network, mel[start : start + COLUMNS])

    return {
        SIDE_BY_SIDE: lambda: run(mel, SIDE_BY_SIDE),
        OVERLAPPING: lambda: run(mel, OVERLAPPING),
        f"{SIDE_BY_SIDE}, bfloat16": lambda: run(mel, SIDE_BY_SIDE, torch.bfloat16),
        f"{OVERLAPPING}, bfloat16": lambda: run(mel, OVERLAPPING, torch.bfloat16),
        f"{SIDE_BY_SIDE}, a plain port": patch_by_patch,
        f"{SIDE_BY_SIDE}, with the spectrogram": lambda: run(torch.from_numpy(log_mel(audio)), SIDE_BY_SIDE),
    }


def measure(works: dict[str, Work], *, seconds: float, repeats: int) -> dict[str, dict[str, float]]:
    """Median seconds of each, how many times real time that is, and how many times the first's."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if turn:
                taken[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    first = next(iter(medians.values()))
    return {
        name: {"median_seconds": median, "times_real_time": seconds / median, "ratio": median / first}
        for name, median in medians.items()
    }


def verdict(rows: dict[str, dict[str, float]]) -> list[str]:
    """What was promised, and whether it is kept."""
    fast, ratio = rows[f"{SIDE_BY_SIDE}, with the spectrogram"]["times_real_time"], rows[OVERLAPPING]["ratio"]
    return [
        f"{_kept(fast >= LEAST_TIMES_REAL_TIME)}  {LEAST_TIMES_REAL_TIME} times real time in float32: {fast:.0f} times",
        f"{_kept(ratio <= MOST_FOR_OVERLAP)}  a hop of 1 s for at most {MOST_FOR_OVERLAP} times the time: {ratio:.2f}",
    ]


def _kept(kept: bool) -> str:
    return "kept  " if kept else "BROKEN"


def main(words: Sequence[str]) -> None:
    """Measure on one core, print the table and the verdict."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py encoder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of audio")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="of which the median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    works = alternatives(arguments.seconds)
    rows = measure(works, seconds=arguments.seconds, repeats=arguments.repeats)
    print(f"{arguments.seconds:g} s of audio, one thread, PyTorch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    for name, row in rows.items():
        milliseconds = 1000 * row["median_seconds"]
        print(f"{name:<38}  {milliseconds:8.1f} ms  {row['times_real_time']:6.1f}x real time  {row['ratio']:5.2f}")
    print("\n".join(verdict(rows)))
    if arguments.json:
        write_record(arguments.json, "encoder", rows, repeats=arguments.repeats, verdict=verdict(rows))
