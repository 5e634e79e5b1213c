"""Lyrics without what is no word of the song."""

from __future__ import annotations

import pytest

from genrefusion.data.lyrics import clean_lyrics, is_short, parse_lyrics


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("[Chorus]\nLa la", "La la"),
        ("[Verse 1: Someone]\nOne\n\n[Outro]", "One"),
        ("Chorus:\nLa la\n(Verse 2)\nTwo", "La la\nTwo"),
        ("Hello world (x2)\nAgain x3", "Hello world\nAgain"),
        ("The hook brings you back\nChorus of angels", "The hook brings you back\nChorus of angels"),
        ("I have 2 x-rays", "I have 2 x-rays"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ufeffzero\u200bwidth", "zerowidth"),
        ("שלום עולם\nمرحبا", "שלום עולם\nمرحبا"),
        ("I \u2764\ufe0f you 👩\u200d👧", "I \u2764\ufe0f you 👩\u200d👧"),
        ("cafe\u0301", "café"),
        ("[ar:Someone]\n[ti:Song]\n[00:01.00]Line", "Line"),
        ("", ""),
        ("[Instrumental]", ""),
    ],
)
def test_only_what_is_sung_stays(raw: str, clean: str) -> None:
    assert clean_lyrics(raw) == clean


def test_cleaning_again_changes_nothing() -> None:
    once = clean_lyrics("[Verse]\nOne x2\n[00:01.00]Two\n(Chorus)\nThree")
    assert clean_lyrics(once) == once


def test_time_stamps_are_kept_apart_and_order_the_lines() -> None:
    lyrics = parse_lyrics("[00:12.50]Second\n[00:05][01:02.5]First and last\nunstamped")
    assert lyrics.lines == ("First and last", "Second", "First and last", "unstamped")
    assert lyrics.seconds == (5.0, 12.5, 62.5, None)


def test_an_offset_makes_lines_appear_sooner() -> None:
    assert parse_lyrics("[offset:+500]\n[00:02.00]Line").seconds == (1.5,)


def test_word_stamps_of_enhanced_lrc_go() -> None:
    assert clean_lyrics("[00:01.00]<00:01.00>Some <00:01.50>words") == "Some words"


@pytest.mark.parametrize(("text", "short"), [("", False), ("la la", True), ("one two three four five", False)])
def test_short_lyrics_are_flagged(text: str, short: bool) -> None:
    assert is_short(text) == short


def test_very_long_lyrics_are_read() -> None:
    assert len(clean_lyrics("word " * 50_000).split()) == 50_000
