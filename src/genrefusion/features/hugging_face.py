"""Hugging Face's transformers, quiet, and whatever the state of torchaudio."""

from __future__ import annotations

from typing import Any

from genrefusion.core.torchaudio_parts import hide_broken_torchaudio


def load_transformers() -> Any:
    """Import transformers, which then says nothing but errors and draws no bars.

    It imports torchaudio where that is installed, which fails beside a CPU build of PyTorch; nothing here needs it for
    what transformers does.

    Returns
    -------
    module
        ``transformers``.
    """
    hide_broken_torchaudio()
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
