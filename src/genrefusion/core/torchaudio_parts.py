"""What is used of torchaudio, imported when it is asked for: its last release does not import beside every PyTorch."""

from __future__ import annotations

import importlib
from typing import Any

from genrefusion.core.errors import UserError


def import_torchaudio(module: str, what: str) -> Any:
    """Import a module of torchaudio.

    Parameters
    ----------
    module : str
        Its name below ``torchaudio``.
    what : str
        What it is needed for, as the beginning of a sentence.

    Raises
    ------
    UserError
        It does not import, as beside a CPU build of PyTorch, or a later one.
    """
    try:
        return importlib.import_module(f"torchaudio.{module}")
    except (ImportError, OSError) as error:
        raise UserError(
            f"{what} with torchaudio, which does not import here ({error}).\n"
            'It needs a torch of its own time and build: pip install "torch>=2.11,<2.13" "torchaudio==2.11.0"'
        ) from error
