"""Mistakes name what was meant."""

from __future__ import annotations

import pytest

from genrefusion.core.errors import unknown_name

KNOWN = [
    "data.root",
    "features.hop",
    "pipeline.epochs",
    "pipeline.lr",
    "pipeline.trunk.epochs",
    "seed",
    "trainer.device",
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sed", "seed"),
        ("data.rot", "data.root"),
        ("trainer.devise", "trainer.device"),
        ("trainer.epoch", "pipeline.epochs"),
        ("trainer.max_epochs", "pipeline.epochs"),
        ("pipeline.trunk.epoch", "pipeline.trunk.epochs"),
        ("feature.hop", "features.hop"),
        ("lr", "pipeline.lr"),
    ],
)
def test_a_setting_is_looked_for_in_its_group_and_then_by_its_last_word(typed: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in str(unknown_name("setting", typed, KNOWN))


def test_nothing_is_guessed_where_nothing_is_near() -> None:
    assert "mean" not in str(unknown_name("setting", "zzz", KNOWN))
