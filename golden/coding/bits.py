"""Bit strings, most significant bit first: the layout of every stream and of every packed field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.errors import ShiftbookError

Bytes = NDArray[np.uint8]

MAX_WINDOW = 16
"""Widest window that fits three bytes at every bit offset."""

WIDTH_BITS = 6
MAX_OFFSET_WIDTH = 40
"""An offset array states its widths in 6 bits; none may exceed 40."""


class Stream(NamedTuple):
    """A bit string. Bit i is bit ``7 - i % 8`` of byte ``i // 8``; the last byte is padded with zeros."""

    data: Bytes
    bits: int


def bytes_for(bits: int) -> int:
    """Bytes that hold ``bits`` bits."""
    return (bits + 7) // 8


def pack(values: ArrayLike, widths: ArrayLike) -> Stream:
    """Concatenate unsigned values, each in its own number of bits.

    Parameters
    ----------
    values
        [n] integers; value i is in ``0 .. 2**widths[i] - 1`` (the caller has checked).
    widths
        [n] integers >= 0, or one width for all.
    """
    numbers = np.asarray(values, dtype=np.uint64).ravel()
    lengths = np.broadcast_to(np.asarray(widths, dtype=np.int64), numbers.shape)
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    from_right = np.repeat(ends, lengths) - np.arange(1, total + 1)
    bits = (np.repeat(numbers, lengths) >> from_right.astype(np.uint64)) & np.uint64(1)
    return Stream(np.packbits(bits.astype(np.uint8)), total)


def unpack(data: Bytes, start: int, count: int, width: int) -> NDArray[np.int64]:
    """``count`` unsigned fields of ``width`` bits each (0 to 62), the first one at bit ``start``.

    Raises
    ------
    ShiftbookError
        The fields reach beyond the data.
    """
    total = count * width
    if start + total > 8 * len(data):
        raise ShiftbookError(
            f"packed fields end at bit {start + total}, but only {8 * len(data)} bits are stored"
        )
    first = start // 8
    bits = np.unpackbits(data[first : bytes_for(start + total)])[start - 8 * first :][:total]
    values = np.zeros(count, dtype=np.int64)
    for column in bits.reshape(count, width).T:
        values = (values << 1) | column
    return values


def signed(fields: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Read unsigned fields of ``width`` bits as two's complement."""
    return fields - ((fields >> (width - 1)) << width)


def unsigned(values: ArrayLike, width: int) -> NDArray[np.int64]:
    """Two's complement of signed values in ``width`` bits, as unsigned fields."""
    return np.asarray(values, dtype=np.int64) & ((1 << width) - 1)


def _offset_widths(numbers: NDArray[np.int64]) -> tuple[int, int, int]:
    """The base of an offset array, its width, and the width of the fields."""
    base = int(numbers.min())
    return base, max(base.bit_length(), (~base).bit_length()) + 1, int(numbers.max() - base).bit_length()


class Writer:
    """Packs fields one after another."""

    def __init__(self) -> None:
        self._fields: list[tuple[NDArray[np.int64], int]] = []

    def put(self, values: ArrayLike, width: int) -> None:
        """Append unsigned fields of ``width`` bits each."""
        self._fields.append((np.atleast_1d(np.asarray(values, dtype=np.int64)), width))

    def put_offsets(self, values: ArrayLike) -> None:
        """Append integers as an offset array: see :meth:`Reader.take_offsets`."""
        numbers = np.asarray(values, dtype=np.int64)
        base, base_width, width = _offset_widths(numbers)
        self.put(base_width, WIDTH_BITS)
        self.put(unsigned(base, base_width), base_width)
        self.put(width, WIDTH_BITS)
        self.put(numbers - base, width)

    def data(self) -> Bytes:
        """All fields, zeros up to a whole byte."""
        values = np.concatenate([field for field, _ in self._fields])
        widths = np.concatenate([np.full(len(field), width) for field, width in self._fields])
        return pack(values, widths).data


class Reader:
    """Reads what a Writer packed; a ShiftbookError where fields and bytes do not match."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self.position = 0
        """Bits that were taken."""

    def take(self, count: int, width: int) -> NDArray[np.int64]:
        """The next ``count`` unsigned fields of ``width`` bits each."""
        fields = unpack(self._data, self.position, count, width)
        self.position += count * width
        return fields

    def take_offsets(self, count: int) -> NDArray[np.int64]:
        """The next ``count`` integers of an offset array.

        It is: the width of the base (6 bits), the base (two's complement), the width of the fields
        (6 bits), ``count`` unsigned fields. An integer is base + field.
        """
        base_width = int(self.take(1, WIDTH_BITS)[0])
        if not 1 <= base_width <= MAX_OFFSET_WIDTH:
            raise ShiftbookError(f"an offset array's base has {base_width} bits, not 1..{MAX_OFFSET_WIDTH}")
        base = signed(self.take(1, base_width), base_width)
        width = int(self.take(1, WIDTH_BITS)[0])
        if width > MAX_OFFSET_WIDTH:
            raise ShiftbookError(f"an offset array's fields have {width} bits, not 0..{MAX_OFFSET_WIDTH}")
        return base + self.take(count, width)

    def finish(self) -> None:
        """Check that nothing but the padding of the last byte is left."""
        left = 8 * len(self._data) - self.position
        if left >= 8 or unpack(self._data, self.position, 1, left)[0]:
            raise ShiftbookError(f"{left} bits follow the packed fields, where zeros to a whole byte should")


def windows(stream: Stream, width: int) -> NDArray[np.int32]:
    """[bits] the ``width`` bits that start at each bit of the stream, zeros beyond its end."""
    if not 1 <= width <= MAX_WINDOW:
        raise ValueError(f"width must be in 1..{MAX_WINDOW}, not {width}")
    padded = np.zeros(len(stream.data) + 2, dtype=np.int32)
    padded[: len(stream.data)] = stream.data
    triples = (padded[:-2] << 16) | (padded[1:-1] << 8) | padded[2:]
    shifts = np.arange(24 - width, 16 - width, -1, dtype=np.int32)
    every = (triples[:, None] >> shifts) & ((1 << width) - 1)
    return every.ravel()[: stream.bits]


def words(stream: Stream, word_width: int, count: int) -> NDArray[np.uint32]:
    """The stream cut in ``count`` words, its first bit the most significant of word 0, zero padded."""
    bits = np.zeros(count * word_width, dtype=np.uint8)
    bits[: stream.bits] = np.unpackbits(stream.data)[: stream.bits]
    values = np.zeros(count, dtype=np.uint32)
    for column in bits.reshape(count, word_width).T:
        values = (values << np.uint32(1)) | column
    return values
