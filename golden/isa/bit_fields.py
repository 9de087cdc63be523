"""Words of bit fields: their layout, and how values are packed into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.errors import ShiftbookError


@dataclass(frozen=True)
class Field:
    """``width`` bits of a word; two's complement where ``signed``."""

    name: str
    width: int
    text: str
    signed: bool = False


Layout = tuple[Field, ...]
"""Fields of one word from bit 0 upwards, without holes."""


def width(layout: Layout) -> int:
    """Bits of a word."""
    return sum(field.width for field in layout)


def pack(layout: Layout, **values: ArrayLike) -> NDArray[np.uint64]:
    """Words from one array (or number) a field.

    Raises
    ------
    ShiftbookError
        A value does not fit its field.
    """
    word = np.zeros(np.broadcast(*(np.asarray(v) for v in values.values())).shape, np.uint64)
    offset = 0
    for field in layout:
        value = np.asarray(values.pop(field.name), np.int64)
        low, high = (
            (-(1 << field.width - 1), (1 << field.width - 1) - 1)
            if field.signed
            else (0, (1 << field.width) - 1)
        )
        if value.size and (value.min() < low or value.max() > high):
            bad = int(value.min() if value.min() < low else value.max())
            raise ShiftbookError(f"{field.name} must be in {low}..{high} ({field.width} bits), not {bad}")
        word |= (value & (1 << field.width) - 1).astype(np.uint64) << np.uint64(offset)
        offset += field.width
    if values:
        raise TypeError(f"no field is named {', '.join(values)}")
    return word


def unpack(layout: Layout, word: int) -> dict[str, int]:
    """Fields of one word."""
    fields: dict[str, int] = {}
    for field in layout:
        value = word & (1 << field.width) - 1
        word >>= field.width
        fields[field.name] = (
            value - (1 << field.width) if field.signed and value >> field.width - 1 else value
        )
    return fields
