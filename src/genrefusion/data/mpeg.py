"""MP3 files whose length no header tells, or one tells wrongly: their frames are counted.

Encoders that write to a pipe leave no Xing header, and files that were joined have that of the first one. mpg123, which
libsndfile asks, then takes the length for that of the first frames going on: of a file whose first frames are large it
would read the beginning, and one whose first frames are small it would call cut off.
"""

from __future__ import annotations

import functools
import io
import mmap
from dataclasses import dataclass
from pathlib import Path

from genrefusion.data.formats import HEAD

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version: MPEG 1, 2, 2.5
_KBPS = {  # by (MPEG 1 or not, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAME = 0xFFFE0C00
"""Bits of a header that all frames of a stream share: sync, version, layer, rate."""

_LARGEST = 1500  # more bytes than a frame of MP3 has
_TAGS = 1 << 12  # bytes behind the last frame that are taken for tags
_JUNK = 1 << 16  # bytes without a frame after which a count gives up


@dataclass(frozen=True)
class Count:
    """Frames of a stream.

    Attributes
    ----------
    header : int
        That of the first frame.
    first, end : int
        Where the first frame begins, and where the last one ends that was counted.
    frames : int
        How many there are; one with a header of the whole stream is none.
    whole : bool
        Whether the count came to the end, or to as many seconds as were asked for.
    told : int
        How many frames the header of the stream tells; 0 if there is no such header. Where its number of bytes agrees
        with the file, or the file lacks some of them, none were counted: it is `believed`.
    """

    header: int
    first: int
    end: int
    frames: int
    whole: bool
    told: int = 0
    believed: bool = False

    @property
    def layer(self) -> int:
        """3 for MP3."""
        return 4 - (self.header >> 17 & 3)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return _Frame.of(self.header).rate

    @property
    def samples_a_frame(self) -> int:
        """Samples a channel of one frame."""
        return _Frame.of(self.header).samples

    @property
    def samples(self) -> int:
        """Samples a channel of all frames."""
        return self.frames * self.samples_a_frame


@dataclass(frozen=True)
class _Frame:
    """What the four bytes of a header say; a `length` of 0 means that they are none."""

    length: int
    samples: int = 0
    rate: int = 0

    @staticmethod
    @functools.lru_cache(4096)
    def of(header: int) -> _Frame:
        version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
        bitrate, rate = header >> 12 & 15, header >> 10 & 3
        if header >> 21 != 0x7FF or version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
            return _Frame(0)
        hertz, first = _RATES[version][rate], version == 3
        bits = 1000 * _KBPS[first, layer][bitrate - 1]
        padding = header >> 9 & 1
        if layer == 1:
            return _Frame(4 * (12 * bits // hertz + padding), 384, hertz)
        samples = 576 if layer == 3 and not first else 1152
        return _Frame(samples // 8 * bits // hertz + padding, samples, hertz)


def begins(head: bytes) -> bool:
    """Whether a stream of MPEG audio begins in the first bytes behind a tag: two frames in a row, or nothing at all."""
    word = _word(head, 0)
    free = word >> 21 == 0x7FF and word >> 17 & 3 != 0 and word >> 12 & 15 == 0 and word >> 10 & 3 != 3
    return not head or free or _find(head, 0, len(head)) >= 0  # of a free bitrate, lengths of frames are not told


def count(path: Path, max_seconds: float | None = None) -> Count | None:
    """Count the frames of a file, up to some seconds; None if it holds none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _count(content, max_seconds)


def without_tag(path: Path) -> io.BytesIO:
    """All that is behind an ID3 tag at the beginning, in memory."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return io.BytesIO(content[after_tag(content, 0) :])


def rewritten(path: Path, counted: Count) -> io.BytesIO:
    """The frames that were counted, in memory, behind a header that tells their number."""
    with path.open("rb") as file:
        file.seek(counted.first)
        frames = file.read(counted.end - counted.first)
    return io.BytesIO(_xing_frame(counted) + frames)


def _count(content: mmap.mmap, max_seconds: float | None) -> Count | None:
    size = len(content)
    first = _find(content, after_tag(content, 0), min(size, after_tag(content, 0) + HEAD))
    if first < 0:
        return None
    header = _word(content, first)
    frame = _Frame.of(header)
    told, size_told, is_header = _told(content[first : first + frame.length])
    if told and 0 < size_told < told * _LARGEST and size - first - size_told < _TAGS:
        return Count(header, first, first, told, True, told, believed=True)
    place = first = first + frame.length if is_header else first
    most = size if max_seconds is None else int(max_seconds * frame.rate / frame.samples) + 2
    frames, end = 0, place
    while place + 4 <= size and frames < most:
        word = _word(content, place)
        length = _Frame.of(word).length if (word ^ header) & _SAME == 0 else 0
        if not length:
            after = after_tag(content, place)
            place = _find(content, after, min(size, after + _JUNK), like=header)
            if place < 0:
                return Count(header, first, end, frames, size - after <= _JUNK, told)
            continue
        place += length
        if place <= size:
            frames, end = frames + 1, place
    return Count(header, first, end, frames, True, told)


def _find(content: bytes | mmap.mmap, start: int, stop: int, like: int | None = None) -> int:
    """Where a frame begins that another one, or the end, follows; -1 if none does."""
    place = content.find(b"\xff", start, stop)
    while 0 <= place <= len(content) - 4:
        word = _word(content, place)
        length = _Frame.of(word).length
        if length and (like is None or (word ^ like) & _SAME == 0):
            following = place + length
            if following + 4 > len(content):
                return place if following <= len(content) or like is None else -1
            if (_word(content, following) ^ word) & _SAME == 0 and _Frame.of(_word(content, following)).length:
                return place
        place = content.find(b"\xff", place + 1, stop)
    return -1


def after_tag(content: bytes | mmap.mmap, place: int) -> int:
    """Place behind an ID3 tag, if one begins at this place."""
    while content[place : place + 3] == b"ID3" and len(content) >= place + 10:
        size = functools.reduce(lambda total, byte: total << 7 | byte & 0x7F, content[place + 6 : place + 10], 0)
        place += 10 + size
    return place


def _word(content: bytes | mmap.mmap, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "big")


def _told(frame: bytes) -> tuple[int, int, bool]:
    """Frames and bytes that a stream's header tells (0 if it does not), and whether the frame is such a header."""
    for name in (b"Xing", b"Info"):
        if (place := frame.find(name, 4, 64)) >= 4 and len(frame) >= place + 16:
            flags = frame[place + 7]
            frames = _word(frame, place + 8) if flags & 1 else 0
            return frames, _word(frame, place + 12) if flags & 3 == 3 else 0, True
    if (place := frame.find(b"VBRI", 4, 64)) >= 4 and len(frame) >= place + 18:
        return _word(frame, place + 14), _word(frame, place + 10), True
    return 0, 0, False


def _xing_frame(counted: Count) -> bytes:
    """A frame like the others, of no sound, that tells their number."""
    for bitrate in range(1, 15):
        header = counted.header & 0xFFFF0DFF | 1 << 16 | bitrate << 12  # no checksum, no padding
        length = _Frame.of(header).length
        if length >= 4 + 32 + 12:
            break
    mpeg1, mono = header >> 19 & 3 == 3, header >> 6 & 3 == 3
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    told = b"Xing" + (1).to_bytes(4, "big") + counted.frames.to_bytes(4, "big")
    return (header.to_bytes(4, "big") + bytes(side) + told).ljust(length, b"\0")
