"""Decoding of audio files to mono samples, with a named problem for every file that cannot be used."""

from __future__ import annotations

import hashlib
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
    samples, rate = _decode(path, max_seconds)
    if sample_rate is None or rate == sample_rate:
        return samples
    return np.asarray(soxr.resample(samples, rate, sample_rate, quality="HQ"), dtype=np.float32)


def audio_problem(path: Path, min_seconds: float = 1.0, max_seconds: float = 600.0) -> str:
    """Decode a file once and say why it cannot be used: unreadable, too short, silent; empty if it can."""
    try:
        samples, rate = _decode(path, max_seconds)
    except AudioError as error:
        return str(error)
    seconds = len(samples) / rate
    if seconds < min_seconds:
        return f"too short: {seconds:.2f} s (data.min_seconds is {min_seconds:g})"
    return "silent" if float(np.max(np.abs(samples))) < SILENCE else ""


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


def _decode(path: Path, max_seconds: float) -> tuple[Array, int]:
    """Mono samples and their rate."""
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise AudioError("empty")
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            whole = int(file.frames)
            promised = min(whole, int(max_seconds * rate))
            blocks = [_mono(block) for block in _blocks(file, promised)]
    except OSError as error:
        raise AudioError(_os_problem(error)) from error
    except soundfile.LibsndfileError as error:
        raise AudioError(_unreadable(path, error)) from error
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if not len(samples):
        raise AudioError("holds no samples")
    # Encoders pad, and lossy headers estimate: only a gap that one can hear counts as cut off.
    if promised - len(samples) > 0.5 * rate:
        raise AudioError(f"cut off at {len(samples) / rate:.1f} s of {whole / rate:.1f} s")
    if not np.isfinite(samples).all():
        raise AudioError("holds samples that are no numbers (NaN or infinite)")
    return samples, rate


def _blocks(file: soundfile.SoundFile, frames: int) -> list[Array]:
    """Read up to `frames` samples a channel; a decoding error ends the list as the end of the file does."""
    blocks: list[Array] = []
    while frames > 0:
        try:
            block = file.read(min(_BLOCK, frames), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            break
        if not len(block):
            break
        blocks.append(block)
        frames -= len(block)
    return blocks


def _mono(block: Array) -> Array:
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
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as problem:
        return _os_problem(problem)
    if head[:4] in (b"RIFF", b".snd", b"fLaC", b"OggS", b"FORM") or head[:3] == b"ID3" or head[:1] == b"\xff":
        return f"damaged ({error.error_string.strip().rstrip('.')})"
    start = head.decode("ascii", "backslashreplace")
    return f'not an audio file (starts with "{start}")'
