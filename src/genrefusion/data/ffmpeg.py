"""Decoding by FFmpeg, through PyAV, of what libsndfile does not read: the extra ``ffmpeg``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrefusion.data.formats import INSTALL, Kind
from genrefusion.data.mixing import Array, AudioError, Mixer, Sound

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_HEARD = 0.5  # seconds: encoders pad
_MOST_ERRORS = 100


class MissingExtra(AudioError):
    """The extra is not installed; what is said of a file changes with it."""


def decode(path: Path, kind: Kind, max_seconds: float) -> Sound:
    """Decode the beginning of a file's first audio stream, at its own rate.

    Raises
    ------
    AudioError
        It cannot be used, or PyAV is not installed.
    """
    import_av(kind)
    from av.error import FFmpegError

    with _opened(path, kind) as (container, stream):
        mixer, rate, broken = None, 0, False
        try:
            for frame in container.decode(stream):
                if mixer is None:
                    rate = frame.sample_rate
                    mixer = Mixer(int(max_seconds * rate))
                if frame.sample_rate != rate:
                    raise AudioError(f"its rate changes from {rate} to {frame.sample_rate} Hz")
                mixer.add(_samples(frame))
                if mixer.done >= mixer.limit:
                    break
        except FFmpegError:
            broken = True
        whole = _seconds(container, stream, kind)
    if mixer is None or not rate:
        raise AudioError("damaged: nothing of it can be decoded" if broken else "holds no samples")
    there = mixer.done / rate
    if whole is not None and min(whole, max_seconds) - there > _HEARD:
        raise AudioError(f"cut off at {there:.1f} s of {whole:.1f} s")
    if broken and whole is None:
        raise AudioError(f"damaged at {there:.1f} s")
    return mixer.sound(rate)


def seconds_told(path: Path, kind: Kind) -> float | None:
    """Length as the header tells it; None if it does not.

    Raises
    ------
    AudioError
        It cannot be used, or PyAV is not installed.
    """
    import_av(kind)
    with _opened(path, kind) as (container, stream):
        return _seconds(container, stream, kind)


def import_av(kind: Kind) -> None:
    """Import PyAV, or say which extra brings it."""
    try:
        import av  # noqa: F401
    except (ImportError, OSError) as error:
        raise MissingExtra(f"{kind.name}, which needs an extra: {INSTALL}") from error


@contextlib.contextmanager
def _opened(path: Path, kind: Kind) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file as what it is, never as a list of other files or addresses, and find its audio."""
    import av
    from av.error import FFmpegError

    with path.open("rb") as file:
        try:
            container = av.open(file, "r", format=kind.container)
        except (FFmpegError, ValueError) as error:
            raise AudioError(_refused(kind, error)) from error
        with container:
            if not container.streams.audio:
                raise AudioError(f"{kind.name} without audio" + (", a video" if container.streams.video else ""))
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError(f"{kind.name} with audio that cannot be decoded (copy protection?)")
            yield container, stream


def _refused(kind: Kind, error: Exception) -> str:
    said = str(getattr(error, "strerror", None) or error).rstrip(".")
    return f"damaged or cut off ({kind.name} that FFmpeg does not open: {said})"


def _seconds(container: InputContainer, stream: AudioStream, kind: Kind) -> float | None:
    """Length of the audio; that of a container counts where there is no video, which may be longer."""
    if kind.container == "aac":
        return None  # FFmpeg's guess from the first frames
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration and not container.streams.video else None


def _samples(frame: AudioFrame) -> Array:
    """Samples of a frame in [-1, 1], shape (samples, channels)."""
    values = frame.to_ndarray()
    if values.dtype.kind != "f":
        middle = 128 if values.dtype == np.uint8 else 0
        scale = 2.0 ** (8 * values.dtype.itemsize - 1)
        values = ((values.astype(np.float64) - middle) / scale).astype(np.float32)
    channels = frame.layout.nb_channels
    planes = values if frame.format.is_planar else values.reshape(-1, channels).T
    return np.ascontiguousarray(planes.T, dtype=np.float32)
