"""What a prediction costs: time, multiply-adds, memory, size of the files, number of values."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genrefusion.core.alone import run_alone
from genrefusion.core.machine import machine, peak_memory_mb
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import ScratchCache
from genrefusion.features.precomputed import write_ready
from genrefusion.pipelines.base import Context
from genrefusion.pipelines.saved import read_pipeline
from genrefusion.settings.registry import read_settings
from genrefusion.settings.trainer import TrainerSettings

Call = Callable[[], object]
Shape = Sequence[int]

_SONGS = 8


def measure_alone(model: Path, context: Context, tracks: Tracks) -> dict[str, Any]:
    """Measure what a saved pipeline needs to predict one song, in a process that does nothing else.

    Parameters
    ----------
    model : Path
        ``model/`` of a run, or the folder of one of its folds.
    context : Context
        Its device, threads and length of audio count.
    tracks : Tracks
        What to predict; some songs spread over the table are taken.

    Returns
    -------
    dict
        As from `measure_costs`, ``peak_memory_mb`` with Python, the libraries and one song at a time; also ``threads``
        that a network may use, and ``machine``: see `genrefusion.core.machine`.

    Raises
    ------
    UserError
        The model cannot be loaded, or a song not be predicted.
    """
    songs = tracks.subset(_spread(tracks.ids, _SONGS + 1))
    request = {
        "model": str(model),
        "trainer": {"schema": type(context.trainer).__name__} | asdict(context.trainer),
        "max_seconds": context.max_seconds,
        "cache": str(context.cache.directory),
        "corpus": songs.corpus,
        "tracks": json.loads(songs.table.reset_index().to_json(orient="records", double_precision=15)),
    }
    return run_alone("genrefusion.runs.costs:answer", request)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `measure_alone` asks of its process."""
    tracks = Tracks(pd.DataFrame(request["tracks"]).set_index("track_id"), request["corpus"])
    trainer = read_settings(request["trainer"])
    cache, seconds = Path(request["cache"]), request["max_seconds"]
    costs = measure_costs(Path(request["model"]), tracks, trainer=trainer, max_seconds=seconds, cache=cache)
    return costs | {"threads": _threads(), "machine": machine()}


def measure_costs(
    model: Path,
    tracks: Tracks,
    *,
    trainer: TrainerSettings,
    max_seconds: float,
    cache: Path | None = None,
    songs: int = _SONGS,
) -> dict[str, Any]:
    """Measure what a saved pipeline needs to predict one song, in this process.

    It is loaded as `predict` would load it, with a cache of its own that is empty for every song. One song is predicted
    before the measurement.

    Parameters
    ----------
    model : Path
        ``model/`` of a run, or the folder of one of its folds.
    tracks : Tracks
        What to predict; some songs spread over the table are taken.
    trainer : TrainerSettings
        Device and threads.
    max_seconds : float
        Only the beginning of longer audio is decoded.
    cache : Path, optional
        Folder in which published weights of frozen networks are, as they are for `predict`; nothing else of it is read.
    songs : int
        At most how many are measured.

    Returns
    -------
    dict
        ``ms_per_song``: milliseconds from the audio file and the lyrics (of ready features: from the song's own
        vectors) to the probabilities, one song at a time; the median. ``macs``: multiply-adds of the networks, a frozen
        text encoder among them; the median over the same songs, or None where no network takes part. ``file_bytes``:
        size of the model's files, without a frozen text encoder. ``parameters``: values that a prediction needs.
        ``peak_memory_mb``: most memory of this process so far in MiB, other work counted with it.
    """
    first, *rest = [tracks.subset([track]) for track in _spread(tracks.ids, songs + 1)]
    measured = rest or [first]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        scratch = ScratchCache(cache or folder)
        loaded = read_pipeline(
            model, Context(scratch, workers=1, max_seconds=max_seconds, trainer=trainer, views=False)
        )
        sources = [(member, member.features) for member in loaded.members if member.features.ready_file is not None]

        def unseen(song: Tracks) -> Call:
            """Prediction of a song of which nothing is in the cache, nor others in a file of ready features."""
            own = Path(tempfile.mkdtemp(dir=folder))
            scratch.forget()
            for number, (member, features) in enumerate(sources):
                member.read_features_from(str(write_ready(features, song.ids, own / str(number))))
            return lambda: loaded.predict_proba(song)

        unseen(first)()
        seconds = [_seconds(unseen(song)) for song in measured]
        peak = peak_memory_mb()  # before the multiply-adds, whose counting takes some too
        # A pipeline that predicted without PyTorch has no network, and to import it takes seconds.
        macs = [count_macs(unseen(song)) for song in measured] if "torch" in sys.modules else []
    return {
        "ms_per_song": 1000 * float(np.median(seconds)),
        "macs": int(np.median(macs)) if any(macs) else None,
        "file_bytes": sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        "parameters": loaded.parameter_count(),
        "peak_memory_mb": peak,
    }


def count_macs(call: Call) -> int:
    """Count the multiply-adds of matrix products, convolutions, recurrent layers and attention in a call.

    `torch.utils.flop_counter` counts each as two operations. It has no formula for two kernels that PyTorch uses on the
    CPU alone: an LSTM multiplies each input and each state by the weights of its four gates; attention is two products
    for each pair of positions.

    Parameters
    ----------
    call : callable
        Its networks run in this thread.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    kernels = {
        torch.ops.aten.mkldnn_rnn_layer: _lstm_operations,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_operations,
    }
    counter: Any = FlopCounterMode(display=False, custom_mapping=kernels)
    # Its tracker of modules hooks into gradients, which fails on parameters in inference mode; a sum needs no tracker.
    counter.mod_tracker = nullcontext()
    counter.mod_tracker.parents = {"Global"}
    with torch.inference_mode(), counter:
        call()
    return int(counter.get_total_flops()) // 2


def _lstm_operations(inputs: Shape, of_inputs: Shape, of_states: Shape, *_: Any, **__: Any) -> int:
    """Two for each weight of one direction of one layer at each of the (steps, batch, …) inputs."""
    steps, batch, _width = inputs
    return 2 * steps * batch * (math.prod(of_inputs) + math.prod(of_states))


def _attention_operations(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Two for each product of queries with keys and of weights with values, (batch, heads, positions, width) each."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


def _spread(ids: list[str], count: int) -> list[str]:
    """At most that many ids, evenly spread from the first to the last."""
    return [ids[place] for place in np.unique(np.linspace(0, len(ids) - 1, count).round().astype(int))]


def _threads() -> int:
    """Threads of PyTorch, or else those that the environment or the machine gives to libraries of arrays."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else max(1, int(machine()["cores"]))


def _seconds(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
