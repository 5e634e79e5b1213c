"""Decoding by FFmpeg, through PyAV, of what libsndfile does not read: the extra ``ffmpeg``."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrefusion.data.formats import HEAD, INSTALL, Kind
from genrefusion.data.mixing import Array, AudioError, Mixer, Sound

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_HEARD = 0.5  # seconds: encoders pad
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


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
    with _opened(path, kind) as (container, stream):
        mixer: Mixer | None = None
        rate, error = 0, ""
        for frame in _frames(container, stream):
            if frame is None:
                error = "cut off"
                continue
            if error:
                error = "damaged"  # since it goes on
                break
            if mixer is None:
                rate = frame.sample_rate
                mixer = Mixer(int(max_seconds * rate))
            if frame.sample_rate != rate:
                raise AudioError(f"its rate changes from {rate} to {frame.sample_rate} Hz")
            mixer.add(_samples(frame))
            if mixer.done >= mixer.limit:
                break
        whole = _seconds(container, stream, kind, path)
    if mixer is None or not rate:
        raise AudioError("damaged: nothing of it can be decoded" if error else "holds no samples")
    there = mixer.done / rate
    if whole is not None and min(whole, max_seconds) - there > _HEARD:
        raise AudioError(f"{error or 'cut off'} at {there:.1f} s of {whole:.1f} s")
    if whole is None and error:
        raise AudioError(f"{error} at {there:.1f} s")
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
        return _seconds(container, stream, kind, path)


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


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame | None]:
    """Decoded frames in order, and None in the place of a packet that cannot be decoded."""
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)  # after an error in reading there is none
            if packet is None:
                return
            yield from stream.decode(packet)
        except EOFError:
            return
        except FFmpegError:
            yield None


def _refused(kind: Kind, error: Exception) -> str:
    said = str(getattr(error, "strerror", None) or error).rstrip(".")
    return f"damaged or cut off ({kind.name} that FFmpeg does not open: {said})"


def _seconds(container: InputContainer, stream: AudioStream, kind: Kind, path: Path) -> float | None:
    """Length of the audio; that of a container counts where there is no video, which may be longer."""
    if kind.container == "aac":
        return None  # FFmpeg's guess from the first frames
    if kind.container == "asf":
        return _asf_seconds(path)  # FFmpeg's is shorter where the file is
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration and not container.streams.video else None


def _asf_seconds(path: Path) -> float | None:
    """Length in the file properties of the Advanced Systems Format (section 3.2 of its specification)."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    place = head.find(_ASF_PROPERTIES)
    if place < 0 or len(head) < place + 88:
        return None
    duration, _, preroll = struct.unpack_from("<QQQ", head, place + 64)
    return max(0.0, float(duration) / 1e7 - float(preroll) / 1e3)


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
