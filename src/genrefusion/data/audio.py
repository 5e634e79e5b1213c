"""Audio files as mono samples, with a named problem for every file that cannot be used.

What a file is, is told by its content, and its name hardly counts. libsndfile decodes most
(`genrefusion.data.sndfile`), and FFmpeg, where it is installed, what people keep beside that
(`genrefusion.data.ffmpeg`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from genrefusion.data import ffmpeg, mpeg, sndfile
from genrefusion.data.formats import HEAD, MPEG, Kind, kind_of, not_audio
from genrefusion.data.mixing import Array, Sound
from genrefusion.data.mixing import AudioError as AudioError

DECODING = 4
"""Version of what is decoded and refused here; another one makes earlier verdicts and features void."""

_BLOCK = 1 << 18


def load_audio(path: Path, *, sample_rate: int | None = None, max_seconds: float = 600.0) -> Array:
    """Decode a file to a mono mix.

    Parameters
    ----------
    path : Path
        WAV, AU, FLAC, Ogg, MP3 or any other format of libsndfile; MPEG-4, WMA and others with the extra ``ffmpeg``.
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
        The file is missing, empty, not audio, cut off or damaged, or holds samples that are no numbers or far beyond
        full scale.
    """
    samples, rate = decode(path, max_seconds)
    if sample_rate is None or rate == sample_rate:
        return samples
    return np.asarray(soxr.resample(samples, rate, sample_rate, quality="HQ"), dtype=np.float32)


def samples_in(seconds: float, sample_rate: int) -> int:
    """Number of samples that `load_audio` gives of a file that is so long at its own rate.

    soxr rounds halves up; an odd number of samples at 32 kHz makes one at 16 kHz. The seconds are a quotient, of which
    a half may come back a little less. What is no half is further from one than what is added here.
    """
    return int(seconds * sample_rate + 0.5 + 1e-6)


def decode(path: Path, max_seconds: float) -> tuple[Array, int]:
    """Mono samples and their rate, as `load_audio` without a rate of its own."""
    sound = _sound(path, max_seconds)
    return sound.samples, sound.rate


def usable_sound(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> Sound:
    """Decode a file, `max_seconds` at most.

    Raises
    ------
    AudioError
        It cannot be used: unreadable, too short, silent.
    """
    sound = _sound(path, max_seconds)
    if sound.seconds < min_seconds:
        raise AudioError(f"too short: {sound.seconds:.2f} s (data.min_seconds is {min_seconds:g})")
    if sound.cancelled:
        raise AudioError("its channels cancel each other when mixed to mono (opposite phase): invert one of them")
    if sound.silent:
        raise AudioError("silent")
    return sound


def audio_problem(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> str:
    """Say why a file cannot be used; empty if it can."""
    try:
        usable_sound(path, min_seconds, max_seconds)
    except AudioError as error:
        return str(error)
    return ""


def inspect_sound(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> tuple[str, str, str]:
    """Decode a file once; say why it cannot be used, or else give the digest of its samples and what is to be noted.

    The digest is that of the mono mix in 16 bits at the file's own rate, so that a lossless copy in another format, or
    one with other tags, has the same.

    Returns
    -------
    (str, str, str)
        Problem (empty if it can be used), digest (empty if not), note (`genrefusion.data.mixing.Sound.note`).

    Raises
    ------
    MissingExtra
        It needs the extra ``ffmpeg``, which says nothing of the file.
    """
    try:
        sound = usable_sound(path, min_seconds, max_seconds)
    except ffmpeg.MissingExtra:
        raise
    except AudioError as error:
        return str(error), "", ""
    digest = hashlib.sha256(f"{sound.rate} Hz ".encode())
    for first in range(0, len(sound.samples), _BLOCK):
        block = sound.samples[first : first + _BLOCK]
        digest.update(np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2").tobytes())
    return "", digest.hexdigest(), sound.note


_decoded: dict[tuple[Path, float], Sound] | None = None


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
    """Length of a file without decoding; None if nothing tells it or it cannot be opened.

    It is the header's, or where an MP3 file has none that tells it, that of its frames.
    """
    try:
        kind = _kind(path)[1]
        if kind is not None and kind.container:
            return ffmpeg.seconds_told(path, kind)
        return sndfile.seconds_told(path, kind)
    except (AudioError, OSError, soundfile.LibsndfileError):
        return None


def digest_audio(path: Path) -> tuple[str, str]:
    """Digest of a file's bytes, and why they cannot be read (empty if they can)."""
    try:
        _require_file(path)
        return sha256_of(path), ""
    except AudioError as error:
        return "", str(error)
    except OSError as error:
        return "", _os_problem(error)


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(path: Path, max_seconds: float) -> Sound:
    if _decoded is None:
        return _decode(path, max_seconds)
    if (path, max_seconds) not in _decoded:
        _decoded[path, max_seconds] = _decode(path, max_seconds)
    return _decoded[path, max_seconds]


def _decode(path: Path, max_seconds: float) -> Sound:
    try:
        head, kind = _kind(path)
        if kind is not None and kind.container:
            return ffmpeg.decode(path, kind, max_seconds)
        try:
            return sndfile.decode(path, kind, max_seconds)
        except soundfile.LibsndfileError as error:
            raise AudioError(sndfile.refusal(path, kind, head, error)) from error
    except OSError as error:
        raise AudioError(_os_problem(error)) from error


def _kind(path: Path) -> tuple[bytes, Kind | None]:
    """First bytes of a file and what it is by them, if that can be audio.

    Raises
    ------
    AudioError
        It cannot.
    """
    _require_file(path)
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not head:
            raise AudioError("empty")
        file.seek(mpeg.after_tag(head, 0))
        behind = file.read(HEAD)
    kind = kind_of(behind)
    if kind is None and mpeg.begins(behind):
        kind = MPEG
    # Asked to decode what is none, libmpg123 would print complaints of its own.
    taken_for_mpeg = kind is None and (path.suffix.lower() in MPEG.endings or head[:1] == b"\xff" or head[:3] == b"ID3")
    if taken_for_mpeg or (kind is not None and not kind.audio):
        raise AudioError(not_audio(head, kind))
    if kind is not None and kind.container and path.suffix.lower() not in kind.endings:
        kind = replace(kind, name=f"{kind.name} called {path.suffix or path.name}")
    return head, kind


def _require_file(path: Path) -> None:
    """Refuse pipes and devices, whose reading might never end."""
    if path.is_dir():
        raise AudioError("a folder, not a file")
    if path.exists() and not path.is_file():
        raise AudioError("a pipe or a device, not a file")


def _os_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"cannot be opened ({error.strerror})"
