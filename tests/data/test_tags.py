from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2
from mutagen.asf import ASFUnicodeAttribute
from mutagen.id3 import ID3, SYLT, TCON, TIT2, TPE1, TXXX, USLT

from genrefusion.data import tags as tags_module
from genrefusion.data.sidecars import Sidecars
from genrefusion.data.tags import FoundLyrics, Tags, find_lyrics, read_tags, tags_said

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


@pytest.mark.parametrize(
    ("values", "genre"),
    [
        (["(17)"], "Rock"),
        (["17"], "Rock"),
        (["(17)Rock"], "Rock"),
        (["(17)(8)Bebop"], "Rock; Jazz; Bebop"),
        (["Soul", "Hip-Hop"], "Soul; Hip-Hop"),
        (["Soul; Jazz"], "Soul; Jazz"),
        (["1980", "80s"], "1980; 80s"),
        (["Rock/Pop"], "Rock/Pop"),
    ],
)
@pytest.mark.parametrize("ending", ["mp3", "flac"])
def test_all_genres_are_named_and_numbers_become_names(
    ending: str, values: list[str], genre: str, write_tone: WriteTone, tmp_path: Path
) -> None:
    song = write_tone(tmp_path / f"song.{ending}", seconds=0.2)
    file = mutagen.File(song)
    if ending == "mp3":
        file.add_tags()
        file.tags.add(TCON(encoding=3, text=values))
    else:
        file["genre"] = values
    file.save()
    assert read_tags(song).genre == genre


@pytest.mark.parametrize(
    ("artist", "title", "encoding"),
    [
        ("Любэ и друзья", "Конь", "cp1251"),
        ("Édith", "Là", "cp1252"),
        ("Любэ", "Là", "utf-8"),
        ("周杰伦", "晴天", "gbk"),
    ],
)
def test_texts_of_wav_are_read_in_their_encoding(
    artist: str, title: str, encoding: str, write_tone: WriteTone, tmp_path: Path
) -> None:
    song = write_tone(tmp_path / "song.wav")
    fields = {b"INAM": title.encode(encoding), b"IART": artist.encode(encoding), b"IGNR": b"Rock"}
    chunks = b"".join(
        name + struct.pack("<I", len(text) + 1) + text + b"\0" * (2 - len(text) % 2) for name, text in fields.items()
    )
    song.write_bytes(song.read_bytes() + b"LIST" + struct.pack("<I", len(chunks) + 4) + b"INFO" + chunks)
    assert read_tags(song) == Tags(artist, title, "Rock")


def test_texts_of_aiff_are_read(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "song.aiff", "w", 8000, 1) as file:
        file.artist, file.title = "Ann", "Song"
        file.write(np.zeros(800))
    assert read_tags(tmp_path / "song.aiff") == Tags("Ann", "Song")


def test_tags_at_the_end_of_mp3_say_what_those_at_its_beginning_do_not(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tone(tmp_path / "song.mp3")
    end = APEv2()
    end["Artist"], end["Genre"], end["Lyrics"] = ["Ann", "Bob"], ["Soul", "Rock"], WORDS
    end.save(song)
    assert read_tags(song) == Tags("Ann", None, "Soul; Rock", WORDS)
    front = ID3()
    front.update({frame.HashKey: frame for frame in (TPE1(text="Eve"), TIT2(text="Song"))})
    front.save(song)
    assert read_tags(song) == Tags("Eve", "Song", "Soul; Rock", WORDS)


def write_matroska(path: Path, **tags: str) -> None:
    av = pytest.importorskip("av")
    with path.open("wb") as file, av.open(file, "w", format="matroska") as container:
        container.metadata.update(tags)
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])


def test_tags_of_matroska_are_read_where_ffmpeg_is_installed(tmp_path: Path) -> None:
    write_matroska(tmp_path / "song.mka", ARTIST="Ann", TITLE="Song", GENRE="Rock", LYRICS=WORDS)
    assert read_tags(tmp_path / "song.mka") == Tags("Ann", "Song", "Rock", WORDS)


def test_a_name_is_no_address_to_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_matroska(tmp_path / "song.mka", ARTIST="Eve")
    write_matroska(tmp_path / "concat:song.mka", ARTIST="Ann")
    monkeypatch.chdir(tmp_path)
    assert read_tags(Path("concat:song.mka")) == Tags("Ann")


def test_tags_of_mp4_and_wma_are_known() -> None:
    mp4 = {"\xa9ART": ["Ann"], "\xa9gen": ["Soul", "Rock"], "----:com.apple.iTunes:LYRICS": [b"la la"]}
    wma = {"Author": [ASFUnicodeAttribute("Ann")], "WM/Genre": [ASFUnicodeAttribute("Rock")]}
    wma["WM/Lyrics"] = [ASFUnicodeAttribute("la la")]
    assert tags_said([mp4]) == Tags("Ann", None, "Soul; Rock", "la la")
    assert tags_said([mp4 | {"\xa9lyr": ["lo lo"]}]).lyrics in ("la la", "lo lo")
    assert tags_said([wma]) == Tags("Ann", None, "Rock", "la la")


@pytest.mark.parametrize(
    "name",
    [
        *("LYRICS", "lyrics", "UNSYNCEDLYRICS", "UNSYNCED LYRICS", "unsynced_lyrics", "SYNCEDLYRICS"),
        *("LYRICS-ENG", "lyrics-xxx", "UnsynchronisedLyrics"),
    ],
)
def test_lyrics_are_known_by_each_of_their_names(name: str) -> None:
    assert tags_said([{name: [WORDS]}]).lyrics == WORDS
    assert tags_said([{f"TXXX:{name}": TXXX(desc=name, text=WORDS)}]).lyrics == WORDS


@pytest.mark.parametrize("name", ["LYRICIST", "LYRICS_URL", "LYRICS BY", "TEXT", "COMMENT"])
def test_what_is_named_like_lyrics_is_none(name: str) -> None:
    assert tags_said([{name: [WORDS]}, {f"TXXX:{name}": TXXX(desc=name, text=WORDS)}]).lyrics is None


def test_lyrics_without_times_and_with_words_come_first() -> None:
    frames = [
        SYLT(lang="eng", type=5, text=[("Am", 0)]),
        SYLT(lang="eng", type=1, text=[("one two", 0), ("three", 900)]),
        USLT(lang="eng", text="[Instrumental]"),
        USLT(lang="deu", text=WORDS),
    ]
    assert tags_said([{frame.HashKey: frame for frame in frames}]).lyrics == WORDS
    assert tags_said([{frame.HashKey: frame for frame in frames[1:3]}]).lyrics == "one two\nthree"
    syllables = SYLT(lang="eng", type=1, text=[("Hal", 0), ("lo", 500), ("\nthere", 900)])
    assert tags_said([{syllables.HashKey: syllables}]).lyrics == "Hallo\nthere"


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


@pytest.mark.parametrize(
    ("song", "lyrics"),
    [
        ("song.flac", "song.LRC"),
        ("Song.flac", "song.lrc"),
        ("SONG.flac", "Song.Txt"),
        ("Cafe\u0301.flac", "Caf\u00e9.lrc"),
        ("Caf\u00e9.flac", "CAFE\u0301.TXT"),
        ("song.one.flac", "Song.One.lrc"),
    ],
)
def test_the_case_and_the_unicode_form_of_names_do_not_count(
    song: str, lyrics: str, write_tone: WriteTone, tmp_path: Path
) -> None:
    given = tmp_path / "words"
    given.mkdir()
    (given / lyrics).write_text("given")
    path = write_tone(tmp_path / song)
    assert find_lyrics(path, given=given).text == "given"
    (tmp_path / lyrics).write_text("beside")
    assert find_lyrics(path).text == "beside"


def test_a_file_of_the_very_name_comes_first(write_tone: WriteTone, tmp_path: Path) -> None:
    for name in ("SONG", "song", "Song"):
        (tmp_path / f"{name}.lrc").write_text(name)
    assert find_lyrics(write_tone(tmp_path / "song.flac")).text == "song"


def test_a_folder_is_listed_once_for_all_its_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or ["1.txt"])
    sidecars = Sidecars()
    for number in range(9):
        find_lyrics(tmp_path / f"{number}.mp3", sidecars=sidecars)
    assert listed == [tmp_path]


def test_a_file_without_words_is_passed_over(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tags(write_tone(tmp_path / "song.flac"))
    (tmp_path / "song.txt").write_text("[Chorus]\n\n")
    assert find_lyrics(song).source == "tags"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_lyrics_are_read_in_their_encoding(encoding: str, write_tone: WriteTone, tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_bytes("où\r\nça".encode(encoding))
    assert find_lyrics(write_tone(tmp_path / "song.flac")) == FoundLyrics("où\nça", "sidecar song.txt")


def test_lyrics_that_are_no_text_are_named(write_tone: WriteTone, tmp_path: Path) -> None:
    song = write_tags(write_tone(tmp_path / "song.flac"))
    (tmp_path / "song.txt").write_bytes(b"\xff\xfe\x00")
    problem = f"{tmp_path / 'song.txt'}   lyrics cannot be read (no text: not UTF-16 at byte 2)"
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


def test_tags_that_were_read_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags_module, "read_tags", None)
    assert find_lyrics(tmp_path / "song.mp3", tags=Tags(lyrics=WORDS)) == FoundLyrics(WORDS, "tags")
    assert find_lyrics(tmp_path / "song.mp3", tags=Tags()) == FoundLyrics()
