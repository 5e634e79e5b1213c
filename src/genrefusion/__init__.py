"""genrefusion: music genre classification from audio and lyrics.

    import genrefusion as gf

    tracks = gf.open_corpus("tracks.csv")
    run = gf.train("xgboost", tracks, split="kfold", seed=0, settings={"pipeline.rounds": 200})
    gf.predict(run, "song.mp3").songs

Nothing heavy is imported until one of these is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from genrefusion.core.version import __version__

if TYPE_CHECKING:
    from genrefusion.api import (
        Answers,
        Run,
        Tracks,
        UserError,
        extract,
        find_runs,
        load_pipeline,
        make_pipeline,
        open_corpus,
        open_run,
        predict,
        train,
    )

# Linux gives memory page by page when it is touched, 4 KiB each: of a training step on a processor that takes a third.
# With this PyTorch asks for pages of 2 MiB for its larger tensors; it looks once, before the first of them.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__all__ = [
    "Answers",
    "Run",
    "Tracks",
    "UserError",
    "__version__",
    "extract",
    "find_runs",
    "load_pipeline",
    "make_pipeline",
    "open_corpus",
    "open_run",
    "predict",
    "train",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from genrefusion import api

    return getattr(api, name)
