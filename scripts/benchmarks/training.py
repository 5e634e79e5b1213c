"""Training steps and embedded lyrics: as they are computed here, and as they were or could be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
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
from genrefusion.models.coattention import CoAttentionNetwork, Pairs
from genrefusion.models.crnn import FrameClassifier
from genrefusion.models.dropout import Dropout
from genrefusion.pipelines.sequences import Sequences, in_parts
from genrefusion.settings.pipelines import TextEncoderSettings

CLASSES, BATCH = 10, 32
TEXT_WIDTH = 384  # of MiniLM
SCRATCH, CO_ATTENTION = "from scratch, channels last", "co-attention, in parts"
POSITIONS, LEVELS = 12, (16, 32, 32, 32)  # of the narrow network's convolutions on 30 s


def training() -> Rows:
    """Training steps of the networks, and the lyrics that are embedded before."""
    torch.manual_seed(0)
    rows = _frozen() | _convolutions() | _co_attention() | _lyrics()
    return rows | _against_small_pages(rows)


def _against_small_pages(rows: Rows) -> Rows:
    """Two steps against those of a process with tensors in pages of 4 KiB, its convolutions and dropout as in 0.2.0."""
    environment = os.environ | {"THP_MEM_ALLOC_ENABLE": "0"}
    command = [sys.executable, "-m", "benchmarks.training"]
    said = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment, capture_output=True, check=True)  # noqa: S603 (our own words)
    before: Rows = json.loads(said.stdout)
    found = dict(before)
    for old, new in zip(before, (SCRATCH, CO_ATTENTION), strict=True):
        for name in (new, f"{new}, bfloat16"):
            faster = before[old]["median_seconds"] / rows[name]["median_seconds"]
            found[f"{name}, against small pages"] = rows[name] | {"times_faster": faster}
    return found


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
        SCRATCH: _step(last),
        f"{SCRATCH}, bfloat16": _step(half, bfloat16=True),
    }
    return compare({name: partial(step, *batch) for name, step in steps.items()})


def _co_attention() -> Rows:
    """One step of the default co-attention network on a batch as GTZAN's: 12 of 32 songs lack lyrics."""
    pairs, classes = _batch()
    steps = {
        "co-attention, at once, PyTorch's dropout": _step(_with_torch_dropout(_network())),
        "co-attention, at once": _step(_network()),
        CO_ATTENTION: _step(_network(), parts=True),
        f"{CO_ATTENTION}, bfloat16": _step(_network(), parts=True, bfloat16=True),
    }
    return compare({name: partial(step, pairs, classes) for name, step in steps.items()})


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


def _step(network: nn.Module, *, parts: bool = False, bfloat16: bool = False) -> Callable[[Any, Tensor], None]:
    """Forward and backward pass and the optimiser; in parts as co-attention reads a batch."""
    optimizer = torch.optim.AdamW(network.parameters())

    def step(inputs: Any, classes: Tensor) -> None:
        batches, places = zip(*in_parts(inputs), strict=True) if parts else ((inputs,), (torch.arange(len(classes)),))
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = network(*batches)
        torch.autograd.backward(nn.functional.cross_entropy(logits.float(), classes[torch.cat(places)]))
        optimizer.step()
        optimizer.zero_grad()

    return step


def _network() -> CoAttentionNetwork:
    return CoAttentionNetwork(CLASSES, levels=LEVELS, text_width=TEXT_WIDTH)


def _with_torch_dropout(network: CoAttentionNetwork) -> CoAttentionNetwork:
    """Dropout as PyTorch draws it."""
    for module in list(network.modules()):
        for name, part in module.named_children():
            if isinstance(part, Dropout):
                setattr(module, name, nn.Dropout(part.p))
    return network


def _batch() -> tuple[Pairs, Tensor]:
    """Songs of 100 to 512 words, and some without any."""
    rng = np.random.default_rng(0)
    words = [0] * 12 + rng.integers(100, 513, BATCH - 12).tolist()
    names = [str(number) for number in range(BATCH)]
    audio = {name: rng.normal(size=(1, POSITIONS, sum(LEVELS))).astype(np.float32) for name in names}
    text = {name: rng.normal(size=(n, TEXT_WIDTH)).astype(np.float16) for name, n in zip(names, words, strict=True)}
    songs = Sequences(names, audio, text, rng.integers(0, CLASSES, BATCH).tolist())
    return songs.collate([songs[i] for i in range(BATCH)])


def _as_it_was() -> Rows:
    frames = torch.randn(BATCH, 96, 469), torch.randint(0, CLASSES, (BATCH,))
    narrow = FrameClassifier(CLASSES, width=16, column_norm=False, dropout=0.3)
    return compare({"from scratch, small pages, channels first": partial(_step(narrow), *frames)}) | compare(
        {"co-attention, small pages, at once": partial(_step(_with_torch_dropout(_network())), *_batch())}
    )


if __name__ == "__main__":
    print(json.dumps(_as_it_was()))
