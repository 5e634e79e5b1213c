from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import mutagen
import pytest
from mutagen.id3 import TCON, TIT2, TPE1, USLT

from genrefusion.data.tags import FoundLyrics, Tags, find_lyrics, read_tags

WORDS = "Naïve 東京\nla la"
FORMATS = ("mp3", "flac", "ogg", "wav", "aiff")

WriteTone = Callable[..., Path]


def write_tags(path: Path, *, lyrics: str = WORDS, genre: str = "Rock") -> Path:
    """Tag a song as players do: ID3 frames, or Vorbis comments."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if path.suffix in (".flac", ".ogg"):
        file["artist"], file["title"], file["genre"], file["LYRICS"] = ["Ann", "Bob"], "Song", genre, lyrics
    else:
        for frame in (TPE1(text=["Ann", "Bob"]), TIT2(text="Song"), TCON(text=genre), USLT(lang="eng", text=lyrics)):
            file.tags.add(frame)
    file.save()
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_tags_of_every_format_are_read(write_tone: WriteTone, ending: str, tmp_path: Path) -> None:
    song = write_tags(write_tone(tmp_path / f"song.{ending}"))
    assert read_tags(song) == Tags("Ann", "Song", "Rock", WORDS)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_without_tags_has_none(write_tone: WriteTone, ending: str, tmp_path: Path) -> None:
    assert read_tags(write_tone(tmp_path / f"song.{ending}")) == Tags()


def test_the_other_name_of_vorbis_lyrics_is_known(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.flac")
    file = mutagen.File(song)
    file["UNSYNCEDLYRICS"], file["artist"] = WORDS, " "
    file.save()
    assert read_tags(song) == Tags(lyrics=WORDS)


def test_numbers_of_genres_become_names(write_tone: WriteTone, tmp_path: Path) -> None:
    assert read_tags(write_tags(write_tone(tmp_path / "song.mp3"), genre="(17)")).genre == "Rock"


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_tags_are_no_error(write_tone: WriteTone, ending: str, tmp_path: Path) -> None:
    whole = write_tags(write_tone(tmp_path / f"song.{ending}", seconds=0.2)).read_bytes()
    draw = random.Random(0)
    damaged = tmp_path / f"damaged.{ending}"
    for number in range(150):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(min(600, len(content)))] = draw.randrange(256)
        damaged.write_bytes(content[: draw.randrange(len(content))] if number % 3 == 0 else content)
        assert isinstance(read_tags(damaged), Tags)


@pytest.mark.parametrize("content", [b"", b"<html>", b"ID3\x04\x00\x00\xff\xff\xff\xff", b"OggS", b"fLaC\x00"])
def test_what_is_no_audio_has_no_tags(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    assert read_tags(path) == Tags()


def test_what_is_no_file_has_no_tags(tmp_path: Path) -> None:
    assert read_tags(tmp_path) == read_tags(tmp_path / "missing.mp3") == Tags()


def test_lyrics_are_looked_for_in_files_beside_the_song_and_in_its_tags(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.flac")
    given = tmp_path / "words"
    given.mkdir()
    assert find_lyrics(song, given=given) == FoundLyrics()
    write_tags(song)
    assert find_lyrics(song, given=given) == FoundLyrics(WORDS, "tags")
    (tmp_path / "song.txt").write_text("beside", encoding="utf-8-sig")
    assert find_lyrics(song, given=given) == FoundLyrics("beside", "sidecar song.txt")
    (tmp_path / "song.lrc").write_text("[00:01.00]stamped")
    assert find_lyrics(song, given=given) == FoundLyrics("[00:01.00]stamped", "sidecar song.lrc")
    (given / "song.txt").write_text("of the folder")
    assert find_lyrics(song, given=given) == FoundLyrics("of the folder", "file song.txt")
    (tmp_path / "other.txt").write_text("of the file")
    assert find_lyrics(song, given=tmp_path / "other.txt") == FoundLyrics("of the file", "file other.txt")


def test_a_file_without_words_is_passed_over(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tags(write_tone(tmp_path / "song.flac"))
    (tmp_path / "song.txt").write_text("[Chorus]\n\n")
    assert find_lyrics(song).source == "tags"


def test_lyrics_that_are_not_utf_8_are_named(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tags(write_tone(tmp_path / "song.flac"))
    (tmp_path / "song.txt").write_bytes("où".encode("latin-1"))
    problem = f"{tmp_path / 'song.txt'}   lyrics are not UTF-8 (byte 1: 0xf9): convert them with iconv"
    assert find_lyrics(song) == FoundLyrics(problem=problem)


def test_a_missing_file_of_lyrics_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "words.txt"
    problem = f"{missing}   lyrics cannot be read (No such file or directory)"
    assert find_lyrics(tmp_path / "song.mp3", given=missing).problem == problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_lyrics_without_permission_are_named(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.flac")
    (tmp_path / "song.txt").write_text("words")
    (tmp_path / "song.txt").chmod(0)
    assert "Permission denied" in find_lyrics(song).problem
