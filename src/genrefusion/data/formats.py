"""Formats of audio: their file name endings, and what a file is by its first bytes."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass

SNDFILE_ENDINGS = (
    *(".wav", ".au", ".flac", ".ogg", ".mp3", ".aiff", ".aif"),
    *(".opus", ".oga", ".mp2", ".aifc", ".caf", ".w64", ".rf64", ".snd"),
)
"""File name endings of what libsndfile reads."""

FFMPEG_ENDINGS = (
    *(".m4a", ".m4b", ".mp4", ".aac", ".wma", ".webm", ".mka"),
    *(".ape", ".wv", ".tta", ".mpc"),
)
"""And of what FFmpeg reads beside it, with the extra ``ffmpeg``."""

EXTENSIONS = SNDFILE_ENDINGS + FFMPEG_ENDINGS
"""File name endings that are taken for audio."""

ENDINGS = f"{', '.join(SNDFILE_ENDINGS)}; with the extra ffmpeg {', '.join(FFMPEG_ENDINGS)}"
"""All of them, in words."""

OTHER_AUDIO = (
    *(".m4p", ".aax", ".alac", ".ra", ".rm", ".amr", ".ac3", ".dts", ".dsf", ".dff", ".ofr", ".tak", ".shn", ".spx"),
    *(".mid", ".midi", ".mod", ".xm"),
)
"""File name endings of music that is not read."""

INSTALL = "pip install 'genrefusion[ffmpeg]'"

HEAD = 1 << 16
"""Bytes at the beginning of a file that tell what it is."""


@dataclass(frozen=True)
class Kind:
    """What a file is by its first bytes.

    Attributes
    ----------
    name : str
        As people call it, with its article.
    endings : tuple of str
        What such files are called.
    container : str
        FFmpeg's name of the format, of what it alone reads; empty for what libsndfile reads or nobody.
    audio : bool
        Whether it can hold audio.
    """

    name: str
    endings: tuple[str, ...] = ()
    container: str = ""
    audio: bool = True


WAV = Kind("a WAV file", (".wav", ".rf64"))
AIFF = Kind("an AIFF file", (".aiff", ".aif", ".aifc"))
AU = Kind("an AU file", (".au", ".snd"))
FLAC = Kind("a FLAC file", (".flac",))
OGG = Kind("an Ogg file", (".ogg", ".oga", ".opus"))
CAF = Kind("a CAF file", (".caf",))
W64 = Kind("a W64 file", (".w64",))
MPEG = Kind("an MP3 file", (".mp3", ".mp2"))
MP4 = Kind("an MPEG-4 file", (".m4a", ".m4b", ".mp4"), "mp4")
AAC = Kind("an AAC file", (".aac",), "aac")
ASF = Kind("a WMA file", (".wma",), "asf")
MATROSKA = Kind("a Matroska or WebM file", (".mka", ".webm"), "matroska")
APE = Kind("a Monkey's Audio file", (".ape",), "ape")
WAVPACK = Kind("a WavPack file", (".wv",), "wv")
TTA = Kind("a TTA file", (".tta",), "tta")
MUSEPACK7, MUSEPACK8 = Kind("a Musepack file", (".mpc",), "mpc"), Kind("a Musepack file", (".mpc",), "mpc8")

_BEGINNINGS = (
    (b"RIFF", WAV),
    (b"RF64", WAV),
    (b"FORM", AIFF),
    (b".snd", AU),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"caff", CAF),
    (b"riff\x2e\x91\xcf\x11", W64),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
    (b"\x1aE\xdf\xa3", MATROSKA),
    (b"MAC ", APE),
    (b"wvpk", WAVPACK),
    (b"TTA1", TTA),
    (b"MP+", MUSEPACK7),
    (b"MPCK", MUSEPACK8),
    (b"PK\x03\x04", Kind("a ZIP archive", audio=False)),
    (b"Rar!", Kind("a RAR archive", audio=False)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", audio=False)),
    (b"\x1f\x8b", Kind("a gzip archive", audio=False)),
    (b"%PDF", Kind("a PDF", audio=False)),
    (b"\x89PNG", Kind("a picture", audio=False)),
    (b"\xff\xd8\xff", Kind("a picture", audio=False)),
    (b"GIF8", Kind("a picture", audio=False)),
    (b"MThd", Kind("a MIDI file: notes, no sound", audio=False)),
    (b"#EXTM3U", Kind("a playlist", audio=False)),
    (b"version https://git-lfs", Kind("a pointer of Git LFS: fetch the file with 'git lfs pull'", audio=False)),
    (b"\0\5\x16\7", Kind("what macOS keeps beside a file, not the file", audio=False)),
)


def kind_of(head: bytes) -> Kind | None:
    """What a file is by its first bytes; None where they are no beginning that is known here.

    An MPEG stream has no such beginning: see `genrefusion.data.mpeg.begins`.
    """
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return MP4
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WEBP", b"RMID"):
        return Kind("video, a picture or notes in RIFF", audio=False)
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:  # sync word of ADTS, with layer 0
        return AAC
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def not_audio(head: bytes, kind: Kind | None) -> str:
    """Say what a file that cannot be audio begins with, and what it is where that is known."""
    if not any(head):
        return f"not an audio file: its first {len(head)} bytes are zeros"
    start = repr(head[:8])[2:-1]  # control characters, which could reach a terminal, are escaped
    return f'not an audio file (starts with "{start}")' + (f": {kind.name}" if kind else "")


@functools.cache
def has_ffmpeg() -> bool:
    """Whether PyAV, with which FFmpeg comes, is there and imports; asked where there are such files."""
    try:
        importlib.import_module("av")
    except (ImportError, OSError):
        return False
    return True


def unreadable_ending(ending: str) -> str:
    """Why files that are audio by their ending will not be read, as the end of "3 files …"; empty if they will."""
    if ending in OTHER_AUDIO:
        return f"of a format that is not read ({ending}): convert them"
    if ending in FFMPEG_ENDINGS and not has_ffmpeg():
        return f"of a format that needs an extra ({ending}): {INSTALL}"
    return ""
