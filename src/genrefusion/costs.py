"""What a prediction costs: time, multiply-adds, size of the files, number of values."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import ScratchCache
from genrefusion.features.precomputed import read_feature_table, read_sequences
from genrefusion.pipelines.base import Pipeline, load_pipeline, parts
from genrefusion.settings import PrecomputedFeatures, TableFeatures
from genrefusion.terminal import Terminal

Call = Callable[[], object]
Shape = Sequence[int]


def measure_costs(pipeline: Pipeline, tracks: Tracks, *, songs: int = 8) -> dict[str, Any]:
    """Measure what a trained pipeline needs to predict one song.

    The pipeline is saved and loaded again, as `predict` would load it, with a cache of its own that is empty for every
    song; `pipeline` and its cache are left as they are. One song is predicted before the measurement.

    Parameters
    ----------
    pipeline : Pipeline
        Trained.
    tracks : Tracks
        What to predict; some songs spread over the table are taken.
    songs : int
        At most how many are measured.

    Returns
    -------
    dict
        ``ms_per_song``: milliseconds from the audio file and the lyrics (of ready features: from the song's own
        vectors) to the probabilities, one song at a time; the median. ``macs``: multiply-adds of the networks, a frozen
        text encoder among them; the median over the same songs, or None where no network takes part. ``file_bytes``:
        size of the model's files, without a frozen text encoder. ``parameters``: values that a prediction needs.
    """
    first, *rest = [tracks.subset([track]) for track in _spread(tracks.ids, songs + 1)]
    measured = rest or [first]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pipeline.save(folder / "model")
        cache = ScratchCache(folder)
        bench = replace(pipeline.bench, cache=cache, workers=1, terminal=Terminal(quiet=True), views=False)
        loaded = load_pipeline(folder / "model", bench)

        def unseen(song: Tracks) -> Call:
            """Prediction of a song of which nothing is in the cache, and nothing but it in a file of ready features."""
            own = Path(tempfile.mkdtemp(dir=folder))
            cache.forget()
            for number, (part, source) in enumerate(zip(parts(loaded), parts(pipeline), strict=True)):
                part.features = _features_of(song, source.features, own / str(number))
            return lambda: loaded.predict_proba(song)

        unseen(first)()
        seconds = [_seconds(unseen(song)) for song in measured]
        # A pipeline that predicted without PyTorch has no network, and to import it takes seconds.
        macs = [count_macs(unseen(song)) for song in measured] if "torch" in sys.modules else []
        return {
            "ms_per_song": 1000 * float(np.median(seconds)),
            "macs": int(np.median(macs)) if any(macs) else None,
            "file_bytes": sum(path.stat().st_size for path in (folder / "model").rglob("*") if path.is_file()),
            "parameters": pipeline.parameter_count(),
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


def _features_of(song: Tracks, features: Any, folder: Path) -> Any:
    """Settings of features; ready ones are in a file of their own, so that no time is spent on those of other songs."""
    if isinstance(features, TableFeatures | PrecomputedFeatures):
        folder.mkdir()
    if isinstance(features, TableFeatures):
        table = read_feature_table(Path(str(features.path)))
        table[table.index.isin(song.ids)].to_csv(folder / "table.csv")
        return replace(features, path=str(folder / "table.csv"))
    if isinstance(features, PrecomputedFeatures):
        every = read_sequences(Path(str(features.path)))
        ids = [track for track in song.ids if track in every]  # none of it if a song has lyrics alone
        frames = [every[track] for track in ids] or [next(iter(every.values()))[:0]]
        offsets = np.cumsum([0, *(len(every[track]) for track in ids)])
        np.savez(folder / "vectors.npz", track_id=ids, frames=np.concatenate(frames), offsets=offsets)
        return replace(features, path=str(folder / "vectors.npz"))
    return features


def _seconds(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
