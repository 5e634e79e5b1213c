"""Weights of a pipeline's networks in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genrefusion.core.errors import UserError
from genrefusion.core.files import atomic_path
from genrefusion.training.checkpoints import with_prefix

_FILE = "weights.safetensors"
_BANK = "bank."


def save_modules(
    modules: Mapping[str, nn.Module], directory: Path, *, bank: Mapping[str, Tensor] | None = None
) -> None:
    """Write the weights of modules, and tensors beside them, into a pipeline's folder."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    with atomic_path(directory / _FILE) as path:
        save_file(tensors | {f"{_BANK}{name}": values for name, values in (bank or {}).items()}, path)


def load_modules(modules: Mapping[str, nn.Module], directory: Path) -> dict[str, Tensor]:
    """Fill modules with the weights that `save_modules` wrote; returns the tensors beside them.

    Raises
    ------
    UserError
        The file is missing, damaged, or holds weights of another shape.
    """
    path = directory / _FILE
    try:
        tensors = load_file(path)
        for name, module in modules.items():
            module.load_state_dict(with_prefix(tensors, f"{name}."))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{path}: not the weights of this pipeline ({error}).") from error
    return with_prefix(tensors, _BANK)
