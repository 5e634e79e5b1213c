"""Training steps and embedded lyrics: as they are computed here, and as they were or could be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from benchmarks.timing import Rows, compare
from genrefusion.core.terminal import Terminal
from genrefusion.features.cache import ScratchCache
from genrefusion.features.text_encoder import TokenEncoder
from genrefusion.models.coattention import CoAttentionNetwork
from genrefusion.models.crnn import FrameClassifier
from genrefusion.pipelines.sequences import Sequences
from genrefusion.settings.pipelines import TextEncoderSettings

CLASSES, BATCH = 10, 32
TEXT_WIDTH = 384  # of MiniLM
POSITIONS, LEVELS = 12, (16, 32, 32, 32)  # of the narrow network's convolutions on 30 s


def training() -> Rows:
    """Training steps of the networks, and the lyrics that are embedded before."""
    torch.manual_seed(0)
    return _frozen() | _convolutions() | _co_attention() | _in_small_pages() | _lyrics()


def _in_small_pages() -> Rows:
    """Two of the steps in a process where tensors lie in pages of 4 KiB, and all is as it was with 0.2.0."""
    environment = os.environ | {"THP_MEM_ALLOC_ENABLE": "0"}
    command = [sys.executable, "-m", "benchmarks.training"]
    said = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, check=True)  # noqa: S603 (our own words)
    return dict(json.loads(said.stdout))


def _frozen() -> Rows:
    """One pass over 16 frames of 29.12 s: through the frozen network as a whole, and from cached outputs."""
    full = FrameClassifier(CLASSES, width=64, column_norm=True, dropout=0.3)
    frames, classes = torch.randn(16, 96, 1366), torch.randint(0, CLASSES, (16,))
    with torch.no_grad():
        cached = torch.cat([full.trunk.sequence(frame[None]) for frame in frames])
    step = _step(full.head)

    def whole() -> None:
        with torch.no_grad():
            outputs = torch.cat([full.trunk.sequence(half) for half in torch.chunk(frames, 2)])
        step(outputs, classes)

    return compare({"frozen network, every epoch": whole, "cached outputs": lambda: step(cached, classes)})


def _convolutions() -> Rows:
    """One step of the narrow network from scratch on 32 frames of 10 s."""
    published, first, last, half = (FrameClassifier(CLASSES, width=16, column_norm=False, dropout=0.3) for _ in "1234")
    for block in published.trunk.blocks:
        assert isinstance(block, nn.Sequential)
        block[2], block[3] = block[3], block[2]
    for network in (last, half):
        convert_conv2d_weight_memory_format(network, torch.channels_last)
    batch = torch.randn(BATCH, 96, 469), torch.randint(0, CLASSES, (BATCH,))
    steps = {
        "from scratch, ELU before pooling": _step(published),
        "from scratch, ELU after pooling": _step(first),
        "from scratch, and channels last": _step(last),
        "from scratch, and bfloat16": _step(half, bfloat16=True),
    }
    return compare({name: partial(step, *batch) for name, step in steps.items()})


def _co_attention() -> Rows:
    """One step of the default co-attention network on 32 songs of 500 words."""
    songs = _songs([500] * BATCH)
    batch = songs.collate([songs[i] for i in range(BATCH)])
    steps = {
        "co-attention, 500 words": _step(_network()),
        "co-attention, 500 words, and bfloat16": _step(_network(), bfloat16=True),
    }
    return compare({name: partial(step, *batch) for name, step in steps.items()})


def _lyrics() -> Rows:
    """Token embeddings of 48 texts of 100 to 400 words, with no cache."""
    rng = np.random.default_rng(0)
    known = Path(__file__).read_text(encoding="utf-8").split()
    texts = [" ".join(rng.choice(known, size)) for size in rng.integers(100, 401, 48)]
    cache, terminal = ScratchCache(Path("nowhere")), Terminal(quiet=True)
    single = TokenEncoder(TextEncoderSettings(), cache, terminal)
    half = TokenEncoder(TextEncoderSettings(), cache, terminal, precision="bfloat16")
    return compare(
        {
            "48 lyrics, one at a time": lambda: [single.embed_anew([text]) for text in texts],
            "48 lyrics, in batches": lambda: single.embed_anew(texts),
            "48 lyrics, and bfloat16": lambda: half.embed_anew(texts),
        },
        repeats=3,
    )


def _step(network: nn.Module, *, bfloat16: bool = False) -> Callable[[Any, Tensor], None]:
    """Forward and backward pass and the optimiser, on inputs and classes."""
    optimizer = torch.optim.AdamW(network.parameters())

    def step(inputs: Any, classes: Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = network(inputs)
        torch.autograd.backward(nn.functional.cross_entropy(logits.float(), classes))
        optimizer.step()
        optimizer.zero_grad()

    return step


def _network() -> CoAttentionNetwork:
    return CoAttentionNetwork(CLASSES, levels=LEVELS, text_width=TEXT_WIDTH)


def _songs(words: Sequence[int]) -> Sequences:
    """Songs of so many words."""
    rng = np.random.default_rng(0)
    names = [str(number) for number in range(len(words))]
    audio = {name: rng.normal(size=(1, POSITIONS, sum(LEVELS))).astype(np.float32) for name in names}
    text = {name: rng.normal(size=(n, TEXT_WIDTH)).astype(np.float16) for name, n in zip(names, words, strict=True)}
    return Sequences(names, audio, text, rng.integers(0, CLASSES, len(words)).tolist())


def _as_it_was() -> Rows:
    frames = torch.randn(BATCH, 96, 469), torch.randint(0, CLASSES, (BATCH,))
    songs = _songs([500] * BATCH)
    pairs = songs.collate([songs[i] for i in range(BATCH)])
    narrow = FrameClassifier(CLASSES, width=16, column_norm=False, dropout=0.3)
    return compare({"from scratch, small pages, channels first": partial(_step(narrow), *frames)}) | compare(
        {"co-attention, 500 words, small pages": partial(_step(_network()), *pairs)}
    )


if __name__ == "__main__":
    print(json.dumps(_as_it_was()))
