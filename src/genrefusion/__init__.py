"""genrefusion: music genre classification from audio and lyrics.

>>> from genrefusion import find_runs, load_pipeline, open_corpus, open_run

Nothing heavy is imported until one of these is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from genrefusion.core.version import __version__

if TYPE_CHECKING:
    from genrefusion.api import find_runs, load_pipeline, open_corpus, open_run

# Linux gives memory page by page when it is touched, 4 KiB each: of a training step on a processor that takes a third.
# With this PyTorch asks for pages of 2 MiB for its larger tensors; it looks once, before the first of them.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__all__ = ["__version__", "find_runs", "load_pipeline", "open_corpus", "open_run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from genrefusion import api

    return getattr(api, name)
