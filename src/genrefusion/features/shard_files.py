"""One file of arrays, in the format of safetensors: its header, its checksums, and parts of its arrays.

The library maps a file into memory and holds no descriptor of it; the last few files stay mapped.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from genrefusion.core.files import signature

Array = npt.NDArray[Any]

OPEN_SHARDS = 24
"""Files that stay mapped."""


class StoredArray:
    """An array in a shard: its shape is known, its values are read from the disk where they are asked for."""

    __slots__ = ("dtype", "name", "path", "shape", "stamp")

    def __init__(self, path: Path, stamp: tuple[int, ...], name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.path = path
        self.stamp = stamp
        self.name = name
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(_opened(self.path, self.stamp).get_tensor(self.name), dtype=dtype)

    def __getitem__(self, index: Any) -> Array:
        """What numpy would give; of slices and numbers only what they name is read."""
        parts = index if isinstance(index, tuple) else (index,)
        numbered = [isinstance(part, int | np.integer) for part in parts]
        if len(parts) > self.ndim or not all(n or isinstance(p, slice) for n, p in zip(numbered, parts, strict=True)):
            return np.asarray(np.asarray(self)[index])
        spans = [_span(part, size) for part, size in zip(parts, self.shape, strict=False)]
        if any(step != 1 or stop <= start for start, stop, step in spans):
            return np.asarray(np.asarray(self)[index])
        whole = _opened(self.path, self.stamp).get_slice(self.name)
        block = whole[tuple(slice(start, stop) for start, stop, _ in spans)]
        return np.asarray(block[tuple(0 if number else slice(None) for number in numbered)])


def _span(part: Any, size: int) -> tuple[int, int, int]:
    if isinstance(part, slice):
        return part.indices(size)
    number = int(part) + size * (part < 0)
    if not 0 <= number < size:
        raise IndexError(f"index {part} is out of bounds for an axis of size {size}")
    return number, number + 1, 1


@dataclass
class Shard:
    """What the header of a file tells: the arrays in it, and the checksum of each."""

    path: Path
    stamp: tuple[int, ...]
    arrays: dict[str, StoredArray]
    checksums: dict[str, str]


def checksum(array: Array) -> str:
    """CRC-32 of an array's type, shape and values."""
    start = zlib.crc32(f"{array.dtype.str} {array.shape}".encode())
    return f"{zlib.crc32(np.ascontiguousarray(array).data, start):08x}" if array.size else f"{start:08x}"


def damaged_arrays(shard: Shard) -> frozenset[str]:
    """Names of a shard's arrays that are not as they were written."""
    if not shard.arrays:
        return frozenset()
    file = _open(shard.path)
    return frozenset(name for name in shard.arrays if checksum(file.get_tensor(name)) != shard.checksums.get(name))


def read_header(path: Path) -> Shard:
    """Find out what is in a file, without reading its arrays; one with a damaged header counts as empty."""
    stamp = signature(path)
    try:
        file = _open(path)
        arrays = {}
        for name in file.keys():  # noqa: SIM118 (no mapping)
            view = file.get_slice(name)
            arrays[name] = StoredArray(path, stamp, name, tuple(view.get_shape()), _DTYPES[view.get_dtype()])
        return Shard(path, stamp, arrays, file.metadata() or {})
    except (SafetensorError, KeyError):
        return Shard(path, stamp, {}, {})


_DTYPES = dict(
    zip(
        ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "C64"),
        ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"),
        strict=True,
    )
)


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "numpy")
    except FileNotFoundError:
        path.open("rb").close()  # says so too, or else what is really wrong: too many open files, no permission
        raise


_open_shards: OrderedDict[tuple[Path, tuple[int, ...]], Any] = OrderedDict()
_open_lock = threading.Lock()


def _opened(path: Path, stamp: tuple[int, ...]) -> Any:
    """An open shard: the last ones stay open."""
    with _open_lock:
        file = _open_shards.pop((path, stamp), None) or _open(path)
        _open_shards[path, stamp] = file
        while len(_open_shards) > OPEN_SHARDS:
            _open_shards.popitem(last=False)
        return file


def _begin_anew() -> None:
    """In a forked process another thread may have held the lock."""
    global _open_lock
    _open_lock = threading.Lock()
    _open_shards.clear()


os.register_at_fork(after_in_child=_begin_anew)
