"""Refusing impossible values."""

from __future__ import annotations

from genrefusion.core.errors import UserError, unknown_name


def check_choice(setting: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise unknown_name(setting, value, choices)


def check_range(setting: str, value: float, low: float, high: float) -> None:
    """Refuse a value that is not between two others."""
    if not low <= value <= high:
        raise UserError(f"{setting}={_number(value)} is out of range: from {_number(low)} to {_number(high)}.")


def check_seed(setting: str, value: int) -> None:
    """Refuse a seed that no random generator takes."""
    check_range(setting, value, 0, 2**32 - 1)


def check_workers(value: int) -> None:
    """Refuse a number of threads with which nothing would be done."""
    check_range("workers", value, 1, 1000)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
