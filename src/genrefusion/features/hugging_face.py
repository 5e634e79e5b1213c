"""Hugging Face's transformers, quiet, and without what may stand in its way."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from genrefusion.core.errors import UserError


def load_transformers() -> Any:
    """Import transformers, which then says nothing but errors and draws no bars.

    It imports torchaudio where that is installed, needed or not. One that was built for another PyTorch, such as that
    of PyPI beside a CPU build, does not load, which transformers tells by errors of its own models.

    Returns
    -------
    module
        ``transformers``.

    Raises
    ------
    UserError
        A torchaudio is installed that does not import.
    """
    if importlib.util.find_spec("torchaudio"):
        try:
            importlib.import_module("torchaudio")
        except (ImportError, OSError, RuntimeError) as error:
            raise UserError(
                f"torchaudio does not import here ({error}): it was built for another PyTorch, and transformers fails "
                "with it. Nothing here needs it: pip uninstall torchaudio"
            ) from error
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
