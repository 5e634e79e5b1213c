"""Speed, memory and cost of the parts, each against its alternatives, side by side in one run.

    python scripts/benchmark.py extraction
    python scripts/benchmark.py training --json training.json

Alternatives take turns, so that a slow moment of the machine meets all of them; medians are compared as ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

Work = Callable[[], object]
Rows = dict[str, dict[str, float]]

REPEATS = 7


def extraction() -> Rows:
    """Log mel-spectrogram of a 30 s clip from the file, and of eight clips with one and two threads."""
    import librosa
    from joblib import Parallel, delayed

    from genrefusion.config import MelFeatures
    from genrefusion.features.mel import MelExtractor

    extractor = MelExtractor(MelFeatures())

    def with_librosa(path: Path) -> None:
        audio, _ = librosa.load(path, sr=12000)
        mel = librosa.feature.melspectrogram(y=audio, sr=12000, n_fft=512, hop_length=256, n_mels=96)
        librosa.power_to_db(mel**2, top_db=None)

    def with_threads(paths: list[Path], n: int) -> None:
        Parallel(n_jobs=n, prefer="threads")(delayed(extractor)(path) for path in paths)

    with tempfile.TemporaryDirectory() as folder:
        clips = [_write_clip(Path(folder) / f"{i}.flac", seed=i) for i in range(8)]
        one = compare(
            {"librosa, one clip": lambda: with_librosa(clips[0]), "genrefusion, one clip": lambda: extractor(clips[0])}
        )
        many = compare(
            {
                "eight clips, one thread": lambda: with_threads(clips, 1),
                "eight clips, two threads": lambda: with_threads(clips, 2),
            }
        )
    return one | many


def training() -> Rows:
    """One pass over 16 frames of 29.12 s: through the frozen network as a whole, and from cached outputs.

    And one training step of the narrow network from scratch on 16 frames of 10 s, in the order of layers used here and
    in the published one.
    """
    import torch
    from torch import nn

    from genrefusion.models.crnn import FrameClassifier

    torch.manual_seed(0)
    full = FrameClassifier(10, width=64, column_norm=True, dropout=0.3)
    frames, classes = torch.randn(16, 96, 1366), torch.randint(0, 10, (16,))
    with torch.no_grad():
        cached = torch.cat([full.trunk.sequence(frame[None]) for frame in frames])

    def step(model: nn.Module, inputs: torch.Tensor) -> None:
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs), classes))

    def whole() -> None:
        with torch.no_grad():
            outputs = torch.cat([full.trunk.sequence(half) for half in torch.chunk(frames, 2)])
        step(full.head, outputs)

    narrow, published = (FrameClassifier(10, width=16, column_norm=False, dropout=0.3) for _ in range(2))
    for block in published.trunk.blocks:
        assert isinstance(block, nn.Sequential)
        block[2], block[3] = block[3], block[2]
    short = torch.randn(16, 96, 469)
    frozen = compare({"frozen network, every epoch": whole, "cached outputs": lambda: step(full.head, cached)})
    scratch = compare(
        {
            "from scratch, ELU before pooling": lambda: step(published, short),
            "from scratch, ELU after pooling": lambda: step(narrow, short),
        }
    )
    return frozen | scratch


BENCHMARKS: dict[str, Callable[[], Rows]] = {"extraction": extraction, "training": training}


def compare(alternatives: dict[str, Work], *, repeats: int = REPEATS) -> Rows:
    """Median seconds of each alternative, and how many times faster it is than the first; one unmeasured warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(repeats + 1):
        for name, work in alternatives.items():
            began = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(medians.values()))
    return {name: {"median_seconds": value, "times_faster": first / value} for name, value in medians.items()}


def _write_clip(path: Path, *, seed: int) -> Path:
    """30 s of decaying notes over noise at 22 050 Hz."""
    rng = np.random.default_rng(seed)
    t = np.arange(30 * 22050) / 22050
    pitch = 110 * 2 ** (rng.integers(0, 36, 60) / 12)
    tone = np.sin(2 * np.pi * np.repeat(pitch, len(t) // 60) * t) * np.exp(-4 * (t % 0.5))
    soundfile.write(path, (0.4 * tone + 0.02 * rng.normal(size=len(t))).astype(np.float32), 22050)
    return path


def main() -> None:
    """Run one benchmark, print it, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    rows = BENCHMARKS[arguments.name]()
    width = max(map(len, rows))
    for name, row in rows.items():
        print(f"{name:<{width}}  {1000 * row['median_seconds']:9.1f} ms  {row['times_faster']:6.2f}x")
    if arguments.json:
        record: dict[str, Any] = {
            "benchmark": arguments.name,
            "machine": platform.machine(),
            "python": platform.python_version(),
            "repeats": REPEATS,
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(record, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
