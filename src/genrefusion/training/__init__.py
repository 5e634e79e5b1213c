"""The one training loop."""

from collections.abc import Callable, Mapping
from pathlib import Path

Watch = Callable[[int, float], None]
"""Told epoch and validation log loss."""

Tell = Callable[[Path, Mapping[str, float]], None]
"""Told of an epoch of any network: the file of its checkpoint, which names it, and the row of its history."""
