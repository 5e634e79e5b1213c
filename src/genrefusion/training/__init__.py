"""The one training loop."""

from collections.abc import Callable

Watch = Callable[[int, float], None]
"""Told epoch and validation log loss."""
