"""torchaudio, imported when it is asked for: its last release does not import beside every PyTorch."""

from __future__ import annotations

import importlib
import sys
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
    if _is_hidden():
        del sys.modules["torchaudio"]  # to hear again why it does not import
    try:
        return importlib.import_module(f"torchaudio.{module}")
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"{what} with torchaudio, which does not import here ({error}).\n"
            'It needs a torch of its own time and build: pip install "torch>=2.11,<2.13" "torchaudio==2.11.0"'
        ) from error


def hide_broken_torchaudio() -> None:
    """Let a torchaudio that does not import pass for one that is not installed, in this process.

    Other packages, such as transformers, import it where it is installed, needed or not, and fail with it.
    """
    if not _is_hidden():
        try:
            importlib.import_module("torchaudio")
        except (ImportError, OSError, RuntimeError):
            sys.modules["torchaudio"] = None  # type: ignore[assignment]  # Python's word for "there is none"


def _is_hidden() -> bool:
    return "torchaudio" in sys.modules and sys.modules["torchaudio"] is None
