"""Lyrics without what is no word of the song."""

from __future__ import annotations

import random
import time

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


HEADINGS = (
    "(Chorus)|(Chorus 2x)|(CHORUS x2)|(Verse 1: Somebody)|(Verse 2 - Somebody)|(Pre-Chorus)|(Repeat Chorus)|(Repeat x2)|"
    "(2x)|(Guitar Solo)|(Solo)|(Instrumental break)|(Intro/Outro)|(Chorus) x2|Chorus x2|Chorus:|Verse 2|VERSE II|"
    "*Chorus*|(Estribillo)|(Припев)|（副歌）|【Chorus】|{Verse}|<Chorus>|Repeat Chorus|Solo:"
).split("|")
SUNG = (
    "Solo|Repeat|(Solo tú y yo)|Te quiero (solo a ti)|(Solo, solo)|(Bridge over troubled water)|Breakdown|"
    "Sing it now (repeat after me)|(Hook up with me tonight)|(Chorus of angels)|(Spoken: preach it now)|Intro to my life|"
    "Once, twice (three times)|(one more time)|We live and get tickets|I got tickets, as low as I can go|"
    "See somebody live tonight|You might also like me|So, You might also like|Contributors to my pain|"
    "27 contributors left me|Composed by angels|Written in the stars|Where is the producer|Copyright|Lyrics|My Lyrics|"
    "Your lyrics are provided for me|Submit|Submit corrections to God|Embed your love|We Embed|I will embed|"
    "Paroles, paroles, paroles|Paroles de fou|Musica, musica|I love you <3|x < y and y > z|AT&T; R&B|you &notme; and me|"
    "...|17|instrumentals|N/A|nan"
).split("|")


@pytest.mark.parametrize("heading", HEADINGS)
def test_headings_of_sections_go(heading: str) -> None:
    assert clean_lyrics(f"{heading}\none\n{heading}\ntwo\n{heading}") == "one\ntwo"


@pytest.mark.parametrize("line", SUNG)
def test_what_may_be_sung_stays_wherever_it_stands(line: str) -> None:
    for text in (line, f"{line}\none", f"one\n{line}\ntwo", f"one\n{line}"):
        assert clean_lyrics(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "27 ContributorsTranslationsDeutschMy Song Lyrics[Verse 1]\nI walk\nla",
        "3 Contributors\nTranslations\nDeutsch\nMy Song Lyrics\nIt is about… Read More \n[Verse 1]\nI walk\nla",
        "1 ContributorMy Song (Remix) [Live] LyricsI walk\nla",
        "My Song Lyrics[Verse 1]\nI walk\nla",
        "My Song Lyrics\n[Verse 1]\nI walk\nla",
        "I walk\nSee Somebody LiveGet tickets as low as $17You might also like[Chorus]\nla123Embed",
        "I walk\nla\n12Embed",
        "I walk\nla\nSongwriters: Some Body\nSome Song lyrics © Some Music Publishing LLC",
        "I walk\nSee Some Body Live\nGet tickets as low as €117\nYou might also like\nlaEmbed",
        "I walkYou might also likela".replace("likela", "like\nla") + "1.2KEmbedShare URLCopyEmbedCopy",
        "I walk\nla\n...\n\n******* This Lyrics is NOT for Commercial use *******\n(1409617829201)",
        "Lyrics provided by LyricFind\nI walk\nla\nLyrics licensed & provided by LyricFind",
        "Paroles de Somebody\nI walk\nla\nWriter(s): A, B\nWriter/s: A\nSubmit Corrections",
        "I walk\nla\nLyrics © Sony/ATV Music Publishing LLC\nLyrics powered by www.musixmatch.com\nSource: LyricFind",
        "<!-- Usage of azlyrics.com content by others is prohibited. -->\nI walk<br/>la\nhttps://www.azlyrics.com/x.html",
        "[00:00.000] 作词 : A\n[00:01.000] 作曲 : A\n[00:02.0]编曲/制作人：B\n[00:12.00]I walk\n[00:14:50]la",
        "晴天 - A\n词：A\n曲：B\nI walk\nla",
        "Artist: A\nLyrics by: A\nMusic and words by: B\nI walk\nla\nComposed by: B\nProducer: C",
        "[ar:A]\n[ti:B]\n[by:C]\n[00:01,50]<00:01.50>I <00:02.00>walk\n[00:03]la",
        "&lt;i&gt;I walk&lt;/i&gt;&#10;la",
        "<p>I <b class='x'>walk</b></p><p>la</p>",
    ],
)
def test_what_sites_and_players_put_around_lyrics_goes(text: str) -> None:
    assert clean_lyrics(text) == "I walk\nla"


def test_numbers_that_are_sung_last_stay() -> None:
    assert clean_lyrics("I love you 3000Embed") == "I love you 3000"


def test_credits_within_a_song_stay() -> None:
    text = "one\nComposed by: the moon\n作曲 : 月\ntwo"
    assert clean_lyrics(text) == text


def test_marks_of_repetition_at_the_end_of_a_line_go() -> None:
    assert clean_lyrics("Slow down (repeat 12X)\nGo (3 times)\nOn (repeat till fade)") == "Slow down\nGo\nOn"


def test_entities_are_decoded() -> None:
    assert clean_lyrics("I&#x27;m walking &amp; talking<br/>la &amp;lt;3") == "I'm walking & talking\nla <3"


def test_any_text_is_cleaned_in_a_time_that_grows_with_its_length() -> None:
    pieces = [
        "(",
        "[",
        "<",
        "{",
        "&",
        "*",
        "【",
        "<!--",
        "Lyrics ",
        " Contributors",
        "You might also like",
        "Embed",
        "x2",
    ]
    pieces += ["See a Live", "a ", "作词:", "[1:", "***", " "]
    words = " Contributor Lyrics[ tickets as low as Embed You might also like NOT for Commercial lyric submit"
    draw = random.Random(0)
    texts = [piece * (60_000 // len(piece)) for piece in [*pieces, "\n"]]
    texts += ["".join(draw.choices(draw.sample(pieces, 4), k=10_000)) for _ in range(10)]
    for text in [*texts, *(f"1 Contributors{text}" for text in texts)]:
        began = time.process_time()
        clean_lyrics(text + words)
        assert time.process_time() - began < 1.0, text[:60]


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
