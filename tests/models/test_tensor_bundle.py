"""A tensor bundle that is written here, entry by entry, is read; one that is damaged is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from genrefusion.models.tensor_bundle import read_tensors

FLOAT, INT64 = 1, 9
ARRAYS = {
    "dense/bias": np.arange(3, dtype="<f4"),
    "dense/kernel": np.arange(600, dtype="<f4").reshape(3, 200) / 7,
    "dense/step": np.array(5, dtype="<i8"),
    "dense_1/scale": np.array(0.5, dtype="<f4"),
}


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([128 | number & 127]) + varint(number >> 7)


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol buffer; zero is left out, as protocol buffers do."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value) if value else b""


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Entries whose keys leave out what they share with the one before, and the place of the one that begins anew."""
    written, before = b"", b""
    for key, value in entries:
        shared = len([*itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, key, strict=False))])
        written += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return written + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def bundle(*, compressed: bool = False) -> tuple[bytes, bytes]:
    """Index and data."""
    data, entries = b"", [(b"", field(1, 1))]  # the first entry describes the bundle
    for name, array in ARRAYS.items():
        kind = FLOAT if array.dtype == np.float32 else INT64
        shape = b"".join(field(2, field(1, size)) for size in array.shape)
        place = field(4, len(data)) + field(5, array.nbytes) + varint(6 << 3 | 5) + b"\1\2\3\4"  # and a checksum
        entries.append((name.encode(), field(1, kind) + field(2, shape) + place))
        data += array.tobytes()
    behind = bytes([compressed]) + bytes(4)
    tensors = block(entries)
    blocks = block([(b"z", varint(0) + varint(len(tensors)))])
    handles = varint(0) + varint(0) + varint(len(tensors) + 5) + varint(len(blocks))
    magic = bytes.fromhex("57fb808b247547db")
    return tensors + behind + blocks + bytes(5) + handles.ljust(40, b"\0") + magic, data


def test_tensors_of_floats_are_read_by_name() -> None:
    found = read_tensors(*bundle())
    assert list(found) == ["dense/bias", "dense/kernel", "dense_1/scale"]
    for name, array in found.items():
        np.testing.assert_array_equal(array, ARRAYS[name])


@pytest.mark.parametrize(
    ("index", "data", "said"),
    [
        pytest.param(b"", b"", "not the index", id="empty"),
        pytest.param(bundle()[0][:-1], bundle()[1], "not the index", id="the end of the index is missing"),
        pytest.param(bundle()[0][-60:], bundle()[1], "cut off", id="the beginning of the index is missing"),
        pytest.param(bundle()[0], bundle()[1][:-1], "data are cut off", id="the end of the data is missing"),
        pytest.param(bundle(compressed=True)[0], bundle()[1], "compressed", id="compressed"),
    ],
)
def test_what_is_damaged_or_compressed_is_refused(index: bytes, data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_tensors(index, data)
