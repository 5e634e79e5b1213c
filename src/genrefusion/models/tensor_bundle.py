"""Reading TensorFlow's tensor bundles, in which its checkpoints are kept, without TensorFlow.

The index is a table as LevelDB writes it: blocks of entries whose keys leave out what they share with the key before,
and a footer that says where the block is that lists them. Each value is a protocol buffer that says where in the data
the numbers of a tensor lie, and in which shape (``tensorflow/core/protobuf/tensor_bundle.proto`` and LevelDB's
``doc/table_format.md``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER = 48
_FLOAT = 1
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def read_tensors(index: bytes, data: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """Tensors of a bundle with one file of data, by name; those that are not of 32-bit floats are left out.

    Parameters
    ----------
    index, data : bytes
        Contents of ``NAME.index`` and ``NAME.data-00000-of-00001``.

    Raises
    ------
    ValueError
        They are no such files, are damaged or compressed.
    """
    try:
        return {
            name.decode(): tensor
            for name, value in _entries(index)
            if name and (tensor := _tensor(value, data)) is not None
        }
    except IndexError as error:
        raise ValueError("the index is cut off") from error


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, in order."""
    footer = index[-_FOOTER:]
    if footer[-8:] != _MAGIC:
        raise ValueError("not the index of a tensor bundle")
    *_, at, size = _varints(footer, 4)
    for _, handle in _block(index, at, size):
        at, size = _varints(handle, 2)
        yield from _block(index, at, size)


def _block(index: bytes, at: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if index[at + size] != 0:
        raise ValueError("the index is compressed")
    block = index[at : at + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, place, key = size - 4 * (restarts + 1), 0, b""
    while place < end:
        shared, place = _varint(block, place)
        rest, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + rest]
        place += rest + length
        yield key, block[place - length : place]


def _tensor(value: bytes, data: bytes) -> npt.NDArray[np.float32] | None:
    """Tensor that an entry describes; None if it holds no 32-bit floats."""
    said = dict(_fields(value))  # type, shape, (shard), offset, size
    if said.get(1) != _FLOAT:
        return None
    shape = [dict(_fields(part)).get(1, 0) for field, part in _fields(said.get(2, b"")) if field == 2]
    offset, size = said.get(4, 0), said.get(5, 0)
    if size != 4 * math.prod(shape) or offset + size > len(data):
        raise ValueError("the data are cut off, or of another index")
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield field, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED_32, _FIXED_64):
            length = 4 if kind == _FIXED_32 else 8
        else:
            raise ValueError("not the index of a tensor bundle")
        yield field, message[place : place + length]
        place += length


def _varints(message: bytes, count: int) -> list[int]:
    place, found = 0, []
    for _ in range(count):
        value, place = _varint(message, place)
        found.append(value)
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Number in groups of seven bits, the lowest first, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
