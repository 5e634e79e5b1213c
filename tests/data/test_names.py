"""When two names mean the same artist, and when a name says nothing."""

from __future__ import annotations

import unicodedata

import pytest

from genrefusion.data.names import plain, plain_artist


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (unicodedata.normalize("NFC", "Beyoncé"), unicodedata.normalize("NFD", "Beyoncé")),
        ("Guns N’ Roses", "GUNS N' ROSES"),
        ("The  Beatles", "the beatles "),
        ("ＡＢＢＡ", "Abba"),
        ("Straße", "STRASSE"),
    ],
)
def test_one_artist_written_in_two_ways(one: str, other: str) -> None:
    assert plain_artist(one) == plain_artist(other)


@pytest.mark.parametrize("one, other", [("Abba", "Abbey"), ("!!!", "???!"), ("演歌", "民謡"), ("The Cure", "Cure")])  # noqa: PT006
def test_two_artists(one: str, other: str) -> None:
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    "name",
    [
        None,
        float("nan"),
        "",
        " ",
        "\t",
        "Unknown",
        "unknown artist",
        "<Unknown>",
        "Various Artists",
        "V.A.",
        "n/a",
        "N/A",
        "-",
        "—",
        "?",
        "None",
        "NaN",
        "NULL",
    ],
)
def test_nobody(name: object) -> None:
    assert plain_artist(name) is None


@pytest.mark.parametrize("name", ["!!!", "+/-", "The Unknowns", "Variety", "Nana"])
def test_somebody(name: str) -> None:
    assert plain_artist(name) == plain(name)
