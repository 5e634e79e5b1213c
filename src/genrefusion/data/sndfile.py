"""Decoding by libsndfile."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from genrefusion.data import mpeg
from genrefusion.data.formats import AIFF, AU, CAF, FLAC, HEAD, MPEG, OGG, W64, WAV, Kind, not_audio
from genrefusion.data.mixing import Array, AudioError, Mixer, Sound

Source = bytes | BinaryIO

_BLOCK = 1 << 18  # samples a channel read at once: bounds the memory of a file with many channels
_PIECE = 1 << 12  # read at once where a block has an error, to find how far the file is whole
_ZEROS = 1 << 12  # bytes at the end of a file
_HEARD = 0.5  # seconds: encoders pad, and lossy headers estimate, so only a gap that one can hear counts

# libsndfile shortens a file to the bytes that are there, and notes in its log what the header promised.
_SHORTENED = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_LAST_PAGE = "Last page lacks an end-of-stream bit"
_SECOND_STREAM = "Junk after the last page"
_UNKNOWN_SIZE = 0x7FFFF000  # the least that programs promise who write to a pipe and cannot know the size
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's number of samples for a FLAC file whose header does not tell it


def decode(path: Path, kind: Kind | None, max_seconds: float) -> Sound:
    """Decode the beginning of a file.

    Raises
    ------
    AudioError
        It cannot be used.
    soundfile.LibsndfileError
        libsndfile does not open it.
    """
    source = _source(path, kind, max_seconds)
    with _open(source) as file:
        if file.format == "RAW" and path.suffix.lower() in AU.endings:  # libsndfile takes any bytes for sound then
            raise AudioError("damaged (its header is cut off)" if kind is AU else not_audio(_head(path), kind))
        if file.frames >= _UNKNOWN_FRAMES:  # libsndfile cannot find its end either
            raise AudioError("its header does not tell its length: write it again, with flac or ffmpeg, to a file")
        rate, limit = int(file.samplerate), int(max_seconds * file.samplerate)
        whole = _promised_frames(file)
        if _SECOND_STREAM in file.extra_info and whole <= limit and _has_second_stream(path):
            raise AudioError(
                "holds several Ogg streams in a row, of which the first alone would be read: write it again"
            )
        mixer = Mixer(min(int(file.frames), limit))
        broken = _read(source, file, mixer)
        if min(whole, limit) - mixer.done > _HEARD * rate:
            raise AudioError(_gap(path, source, mixer.done, whole, rate, broken=broken))
        if _NO_LAST_PAGE in file.extra_info and whole <= limit:
            raise AudioError(f"cut off at {mixer.done / rate:.1f} s (it has no last page)")
    return mixer.sound(rate)


def seconds_told(path: Path, kind: Kind | None) -> float | None:
    """Length as the header tells it, or of MP3 without such a header as its frames do; None if nothing tells it."""
    if kind is MPEG and (counted := mpeg.count(path)) is not None and not counted.believed:
        return max(counted.told, counted.frames) * counted.samples_a_frame / counted.rate or None
    with _open(_known(path, kind)) as file:
        known = 0 < file.frames < _UNKNOWN_FRAMES
        return int(file.frames) / int(file.samplerate) if known else None


def refusal(path: Path, kind: Kind | None, head: bytes, error: soundfile.LibsndfileError) -> str:
    """Say what a file that libsndfile refuses is instead."""
    if kind is MPEG:
        return "damaged: nothing of it can be decoded"
    if kind in (WAV, AIFF, AU, FLAC, OGG, CAF, W64) or head[:3] == b"ID3":
        return f"damaged ({error.error_string.strip().rstrip('.')})"
    return not_audio(head, kind)


def _source(path: Path, kind: Kind | None, max_seconds: float) -> Source:
    """What to open: the file, or its frames of MP3 behind a header that is true, where libsndfile errs."""
    source = _known(path, kind)
    if (
        kind is not MPEG
        or (counted := mpeg.count(path, max_seconds + 1)) is None
        or counted.believed
        or counted.layer != 3
    ):
        return source
    with _open(source) as file:
        guessed = int(file.frames)
    heard = _HEARD * counted.rate
    more = counted.samples > guessed + heard
    fewer = counted.samples < min(guessed, int(max_seconds * counted.rate)) - heard
    return mpeg.rewritten(path, counted) if more or (fewer and counted.whole and not counted.told) else source


def _promised_frames(file: soundfile.SoundFile) -> int:
    """Samples a channel of the whole file, of which some may be missing at its end."""
    frames = int(file.frames)
    shortened = _SHORTENED.search(file.extra_info)
    if shortened is None:
        return frames
    promised, there = (int(size) for size in shortened.groups())
    if promised >= _UNKNOWN_SIZE or there == 0:
        return frames
    return max(frames, round(frames * promised / there))


def _read(source: Source, file: soundfile.SoundFile, mixer: Mixer) -> bool:
    """Read what is wanted, and say whether a decoding error ended it; otherwise the end of the file does."""
    if not _read_blocks(file, mixer, _BLOCK):
        return False
    with _open(source) as again:  # after an error some decoders go to no place any more
        return not _goes_to(again, mixer.done) or _read_blocks(again, mixer, _PIECE)


def _read_blocks(file: soundfile.SoundFile, mixer: Mixer, size: int) -> bool:
    while mixer.done < mixer.limit:
        block = _next(file, min(size, mixer.limit - mixer.done))
        if block is None:
            return True
        if not len(block):
            return False
        mixer.add(block)
    return False


def _next(file: soundfile.SoundFile, count: int) -> Array | None:
    """Samples of all channels; none at the end, and None where they cannot be decoded."""
    try:
        return np.asarray(file.read(count, dtype="float32", always_2d=True))
    except (soundfile.LibsndfileError, ValueError):  # ValueError: it finds itself behind the end
        return None


def _goes_to(file: soundfile.SoundFile, position: int) -> bool:
    """Go to a position, if the file lets us."""
    try:
        file.seek(position)
    except soundfile.LibsndfileError:
        return False
    return True


def _gap(path: Path, source: Source, done: int, whole: int, rate: int, *, broken: bool) -> str:
    """Say what is missing: the end, or something before it."""
    if _ends_in_zeros(path):
        return f"damaged: from {done / rate:.1f} s of {whole / rate:.1f} s on it holds zeros"
    if not done and path.stat().st_size > HEAD:
        return "damaged: nothing of it can be decoded"
    if not any(_can_be_read(source, done + (whole - done) * part // 8) for part in (7, 6, 4, 2)):
        return f"cut off at {done / rate:.1f} s of {whole / rate:.1f} s"
    if broken:
        return f"damaged at {done / rate:.1f} s of {whole / rate:.1f} s"
    return f"damaged: {(whole - done) / rate:.1f} s of {whole / rate:.1f} s are missing"


def _ends_in_zeros(path: Path) -> bool:
    """Whether the last bytes of a file were never written, as after a download that broke off."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _ZEROS))
        return not any(file.read())


def _can_be_read(source: Source, position: int) -> bool:
    """Whether a file goes on at a position."""
    with _open(source) as file:
        block = _next(file, _PIECE // 4) if position < file.frames and _goes_to(file, position) else None
        return block is not None and len(block) > 0


def _open(source: Source) -> soundfile.SoundFile:
    if not isinstance(source, bytes):
        source.seek(0)
    return soundfile.SoundFile(source)


def _known(path: Path, kind: Kind | None) -> Source:
    """What to open so that libsndfile knows what it is: the file by its name, or a stream of MP3 without its tag.

    libsndfile tells MP3 behind a long tag, such as one with a cover, by the ending of the name alone; and where a
    companion ``._NAME`` of macOS lies beside a file without a tag, it looks into that and fails.
    """
    companion = path.with_name(f"._{path.name}")
    if kind is MPEG and (path.suffix.lower() != ".mp3" or companion.exists()):
        return mpeg.without_tag(path)
    return os.fsencode(path)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _has_second_stream(path: Path) -> bool:
    """Whether the last page of an Ogg file is of another stream than the first."""
    with path.open("rb") as file:
        first = file.read(18)
        file.seek(max(0, path.stat().st_size - (1 << 17)))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last >= 0 and tail[last + 14 : last + 18] != first[14:18]
