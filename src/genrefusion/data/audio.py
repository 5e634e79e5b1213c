"""Decoding of audio files to mono samples, with a named problem for every file that cannot be used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Array = npt.NDArray[np.float32]

EXTENSIONS = (".wav", ".au", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
"""File name endings that are taken for audio."""

SILENCE = 1e-4
"""A file whose largest sample stays under this (-80 dBFS) is called silent."""

_BLOCK = 1 << 18  # samples a channel read at once: bounds the memory of a file with many channels
_PIECE = 1 << 12  # read at once where a block has an error, to find how far the file is whole

# libsndfile shortens a file to the bytes that are there, and notes in its log what the header promised.
_SHORTENED = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_LAST_PAGE = "Last page lacks an end-of-stream bit"
_UNKNOWN_SIZE = 0x7FFFF000  # the least that programs promise who write to a pipe and cannot know the size
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's number of samples for a FLAC file whose header does not tell it


class AudioError(Exception):
    """A file that cannot be used; the message says what is wrong with it, without its name."""


def load_audio(path: Path, *, sample_rate: int | None = None, max_seconds: float = 600.0) -> Array:
    """Decode a file to a mono mix.

    Parameters
    ----------
    path : Path
        WAV, AU, FLAC, OGG, MP3 or any other format of libsndfile.
    sample_rate : int, optional
        Rate to resample to with soxr (high quality); the file's own if not given.
    max_seconds : float
        Only the beginning of a longer file is decoded.

    Returns
    -------
    Array, shape (samples,)
        The mean of the channels, nominally within [-1, 1].

    Raises
    ------
    AudioError
        The file is missing, empty, not audio, cut off, or holds samples that are no numbers.
    """
    samples, rate = decode(path, max_seconds)
    if sample_rate is None or rate == sample_rate:
        return samples
    return np.asarray(soxr.resample(samples, rate, sample_rate, quality="HQ"), dtype=np.float32)


def usable_seconds(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> float:
    """Decode a file and measure how long it is, `max_seconds` at most.

    Raises
    ------
    AudioError
        It cannot be used: unreadable, too short, silent.
    """
    samples, rate = _decode_usable(path, min_seconds, max_seconds)
    return len(samples) / rate


def inspect_sound(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> tuple[str, str]:
    """Decode a file once; say why it cannot be used (empty if it can), and give the digest of its samples if it can.

    The digest is that of the mono mix in 16 bits at the file's own rate, so that a lossless copy in another format, or
    one with other tags, has the same.
    """
    try:
        samples, rate = _decode_usable(path, min_seconds, max_seconds)
    except AudioError as error:
        return str(error), ""
    digest = hashlib.sha256(f"{rate} Hz ".encode())
    for first in range(0, len(samples), _BLOCK):
        digest.update(np.clip(np.rint(samples[first : first + _BLOCK] * 32768), -32768, 32767).astype("<i2").tobytes())
    return "", digest.hexdigest()


def _decode_usable(path: Path, min_seconds: float, max_seconds: float) -> tuple[Array, int]:
    samples, rate = decode(path, max_seconds)
    seconds = len(samples) / rate
    if seconds < min_seconds:
        raise AudioError(f"too short: {seconds:.2f} s (data.min_seconds is {min_seconds:g})")
    if float(np.max(np.abs(samples))) < SILENCE:
        raise AudioError("silent")
    return samples, rate


_decoded: dict[tuple[Path, float], tuple[Array, int]] | None = None


@contextlib.contextmanager
def decoded_once() -> Iterator[None]:
    """Keep what is decoded within the block in memory, so that a few songs can be checked and then read."""
    global _decoded
    _decoded = {}
    try:
        yield
    finally:
        _decoded = None


def header_seconds(path: Path) -> float | None:
    """Length that a file's header tells, without decoding; None if it tells none or cannot be opened."""
    try:
        if path.suffix.lower() == ".mp3" and not _may_be_mpeg(path):
            return None
        with soundfile.SoundFile(os.fsencode(path)) as file:
            known = 0 < file.frames < _UNKNOWN_FRAMES
            return int(file.frames) / int(file.samplerate) if known else None
    except (OSError, soundfile.LibsndfileError):
        return None


def digest_audio(path: Path) -> tuple[str, str]:
    """Digest of a file's bytes, and why they cannot be read (empty if they can)."""
    try:
        return sha256_of(path), ""
    except OSError as error:
        return "", _os_problem(error)


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decode(path: Path, max_seconds: float) -> tuple[Array, int]:
    """Mono samples and their rate, as `load_audio` without a rate of its own."""
    if _decoded is None:
        return _decode(path, max_seconds)
    if (path, max_seconds) not in _decoded:
        _decoded[path, max_seconds] = _decode(path, max_seconds)
    return _decoded[path, max_seconds]


def _decode(path: Path, max_seconds: float) -> tuple[Array, int]:
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise AudioError("empty")
        if path.suffix.lower() == ".mp3" and path.is_file() and not _may_be_mpeg(path):
            raise AudioError(_not_audio(path))  # asked to decode it, libmpg123 would print complaints of its own
        with soundfile.SoundFile(os.fsencode(path)) as file:
            if file.frames >= _UNKNOWN_FRAMES:  # libsndfile cannot find its end either
                raise AudioError("its header does not tell its length: write it again, with flac or ffmpeg, to a file")
            rate, limit = int(file.samplerate), int(max_seconds * file.samplerate)
            whole = _promised_frames(file)
            ends_early = _NO_LAST_PAGE in file.extra_info and whole <= limit
            blocks = [_mono(block) for block in _blocks(file, min(int(file.frames), limit))]
    except OSError as error:
        raise AudioError(_os_problem(error)) from error
    except soundfile.LibsndfileError as error:
        raise AudioError(_unreadable(path, error)) from error
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    # Encoders pad, and lossy headers estimate: only a gap that one can hear counts as cut off.
    if min(whole, limit) - len(samples) > 0.5 * rate:
        raise AudioError(f"cut off at {len(samples) / rate:.1f} s of {whole / rate:.1f} s")
    if ends_early:
        raise AudioError(f"cut off at {len(samples) / rate:.1f} s (it has no last page)")
    if not len(samples):
        raise AudioError("holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError("holds samples that are no numbers (NaN or infinite)")
    return samples, rate


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


def _blocks(file: soundfile.SoundFile, frames: int) -> list[Array]:
    """Read up to `frames` samples a channel; a decoding error ends the list as the end of the file does."""
    blocks: list[Array] = []
    size, done = _BLOCK, 0
    while done < frames:
        try:
            block = file.read(min(size, frames - done), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            if size == _PIECE or not _rewind(file, done):
                break
            size = _PIECE
            continue
        if not len(block):
            break
        blocks.append(block)
        done += len(block)
    return blocks


def _rewind(file: soundfile.SoundFile, position: int) -> bool:
    """Go back to a position, if the file lets us."""
    try:
        file.seek(position)
    except soundfile.LibsndfileError:
        return False
    return True


def _mono(block: Array) -> Array:
    if block.shape[1] == 2:
        return (block[:, 0] + block[:, 1]) * np.float32(
            0.5
        )  # numpy's mean over two neighbours takes as long as decoding them
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _os_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"cannot be opened ({error.strerror})"


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> str:
    """Say what a file that libsndfile refuses is instead."""
    if not path.exists():
        return "missing"
    if path.is_dir():
        return "a folder, not a file"
    try:
        head = _head(path, 8)
    except OSError as problem:
        return _os_problem(problem)
    if head[:4] in (b"RIFF", b".snd", b"fLaC", b"OggS", b"FORM") or head[:3] == b"ID3" or head[:1] == b"\xff":
        return f"damaged ({error.error_string.strip().rstrip('.')})"
    return _not_audio(path)


def _may_be_mpeg(path: Path) -> bool:
    """Whether an MPEG frame can begin in the first part of a file: no text in UTF-8 has such a byte."""
    head = _head(path, 1 << 16)
    return b"\xff" in head or head[:3] == b"ID3" or head[:4] == b"RIFF"


def _not_audio(path: Path) -> str:
    start = repr(_head(path, 8))[2:-1]  # control characters, which could reach a terminal, are escaped
    return f'not an audio file (starts with "{start}")'


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
