"""What the loader's two halves tell each other: how beats or padding go into the banks."""

from __future__ import annotations

from enum import IntEnum

from amaranth import signed
from amaranth.lib import data

from shiftbook.golden.spec import MAX_RING, Spec


class Kind(IntEnum):
    """Of a segment."""

    PIXELS = 0  # one beat of every channel
    ROWS = 1  # padding in the place of such beats
    COLUMN = 2  # padding in all rows of a column of blocks


def segment(spec: Spec) -> data.StructLayout:
    """A beat's place in the blocks of a tile, for all channels.

    ``column``: number of the column, modulo the largest ring. ``odd``: with stride 2, the second column
    of blocks of its group. ``block``: row of blocks from the tile's own first. ``beat``: of the block.
    ``first``, ``last``: the block is the first or last of which a tile needs pixels. ``last_row``,
    ``last_column``: the input may end within this block. ``ends``: the last segment of a column.
    """
    return data.StructLayout(
        {
            "kind": 2,
            "column": MAX_RING,
            "odd": 1,
            "block": signed(4),
            "beat": (spec.block_beats - 1).bit_length(),
            "first": 1,
            "last": 1,
            "last_row": 1,
            "last_column": 1,
            "ends": 1,
        }
    )
