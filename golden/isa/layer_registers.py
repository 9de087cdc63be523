"""What loads and stores a layer's tensors: registers that the program writes, as plain data."""

from __future__ import annotations

from enum import IntEnum

from shiftbook.golden.isa.addresses import BURST_WIDTH, TILE_WIDTH, beat_address_width, place_width
from shiftbook.golden.isa.bit_fields import Field
from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec


class LayerRegister(IntEnum):
    """Index of a register within ``Region.LAYER``."""

    TILE_ROWS = 0
    TILE_COLS = 1
    LEFT = 2
    RIGHT = 3
    SOURCE = 4
    SOURCE_ROW_STEP = 5
    SOURCE_BLOCK_STEP = 6
    SOURCE_BEAT_STEP = 7
    SOURCE_SKIP = 8
    CHANNELS = 9
    LOCAL_CHANNELS = 10
    FIRST_BLOCK = 11
    FIRST_BEAT = 12
    ROW_BEATS = 13
    BLOCK_ROWS = 14
    BLOCK_COLS = 15
    LAST_ROWS = 16
    LAST_COLS = 17
    STRIDED = 18
    SCATTERED = 19
    PAD = 20
    DESTINATION = 21
    DESTINATION_BLOCK_STEP = 22
    DESTINATION_BEAT_STEP = 23
    RESIDUAL = 24
    RESIDUAL_SOURCE = 25
    RESIDUAL_BLOCK_STEP = 26
    RESIDUAL_BEAT_STEP = 27
    TILES = 28
    LAST_BLOCK = 29
    FIRST_BANKS = 30
    LAST_BANKS = 31
    PARTIAL_IN = 32
    DESTINATION_ROW_STEP = 33
    DESTINATION_SKIP = 34
    DESTINATION_PHASES = 35
    DESTINATION_CUT = 36
    APART = 37
    AFTER = 38
    AFTER_ROW_STEP = 39
    AFTER_COLUMN_STEP = 40
    IMAGE_ROWS = 41
    SOURCE_IMAGE_STEP = 42


LOADED_BY = {
    LayerRegister.TILE_ROWS,
    LayerRegister.TILE_COLS,
    LayerRegister.LEFT,
    LayerRegister.RIGHT,
    LayerRegister.SOURCE,
    LayerRegister.SOURCE_ROW_STEP,
    LayerRegister.SOURCE_BLOCK_STEP,
    LayerRegister.SOURCE_BEAT_STEP,
    LayerRegister.SOURCE_SKIP,
    LayerRegister.CHANNELS,
    LayerRegister.LOCAL_CHANNELS,
    LayerRegister.FIRST_BLOCK,
    LayerRegister.FIRST_BEAT,
    LayerRegister.ROW_BEATS,
    LayerRegister.BLOCK_ROWS,
    LayerRegister.BLOCK_COLS,
    LayerRegister.LAST_ROWS,
    LayerRegister.LAST_COLS,
    LayerRegister.STRIDED,
    LayerRegister.SCATTERED,
    LayerRegister.PAD,
    LayerRegister.LAST_BLOCK,
    LayerRegister.FIRST_BANKS,
    LayerRegister.LAST_BANKS,
    LayerRegister.APART,
    LayerRegister.AFTER,
    LayerRegister.AFTER_ROW_STEP,
    LayerRegister.AFTER_COLUMN_STEP,
    LayerRegister.IMAGE_ROWS,
    LayerRegister.SOURCE_IMAGE_STEP,
}
"""Registers that say how the input is loaded: written before `golden.isa.program_format.Command.LOAD`."""

RESET = {LayerRegister.IMAGE_ROWS}
"""Registers that are 0 when a program begins; the others keep what the program before wrote."""

FETCHED_BY = {LayerRegister.TILES}
"""Those that say how the streams are fetched: written before `golden.isa.program_format.Command.FETCH`."""

INTERLEAVING = {
    LayerRegister.DESTINATION_ROW_STEP,
    LayerRegister.DESTINATION_SKIP,
    LayerRegister.DESTINATION_PHASES,
    LayerRegister.DESTINATION_CUT,
}
"""Registers that only an accelerator has that interleaves."""


def layer_fields(spec: Spec) -> dict[LayerRegister, Field]:
    """Width and meaning of every register.

    Addresses and steps count beats. Addresses in memory are from the program's first beat; see
    `golden.isa.addresses.place_width`.
    """
    address, place = beat_address_width(spec), place_width(spec)
    block = max(1, (spec.block_beats - 1).bit_length())
    widths = {
        LayerRegister.TILE_ROWS: (TILE_WIDTH, "rows of tiles"),
        LayerRegister.TILE_COLS: (TILE_WIDTH, "columns of tiles"),
        LayerRegister.TILES: (TILE_WIDTH, "tiles, in all"),
        LayerRegister.LEFT: (1, "1: tiles read the group of columns on their left"),
        LayerRegister.RIGHT: (1, "1: tiles read the group of columns on their right"),
        LayerRegister.SOURCE: (place, "input: first beat that the first tile needs, in its first column"),
        LayerRegister.SOURCE_ROW_STEP: (address, "input: from a row of tiles to the next"),
        LayerRegister.SOURCE_BLOCK_STEP: (address, "input: from a block to the next in its row"),
        LayerRegister.SOURCE_BEAT_STEP: (TILE_WIDTH, "input: from a beat of a block to the next"),
        LayerRegister.SOURCE_SKIP: (
            address,
            "input: from the last beat of a block to the first of the one below",
        ),
        LayerRegister.CHANNELS: (spec.channel_counter_width, "input channels"),
        LayerRegister.LOCAL_CHANNELS: (
            spec.tile_words.bit_length(),
            "the most input channels that a slot holds",
        ),
        LayerRegister.FIRST_BLOCK: (2, "row of blocks, from the tile's own, where its pixels begin"),
        LayerRegister.FIRST_BEAT: (block, "beat of that block"),
        LayerRegister.ROW_BEATS: (8, "beats of a column of blocks that a tile needs"),
        LayerRegister.LAST_BLOCK: (4, "row of blocks, from the tile's own first, where its pixels end"),
        LayerRegister.FIRST_BANKS: (spec.rows, "rows of banks that take pixels of the first block"),
        LayerRegister.LAST_BANKS: (spec.rows, "rows of banks that take pixels of the last block"),
        LayerRegister.BLOCK_ROWS: (TILE_WIDTH, "rows of blocks of the input"),
        LayerRegister.BLOCK_COLS: (TILE_WIDTH, "columns of blocks of the input"),
        LayerRegister.LAST_ROWS: (spec.rows.bit_length(), "rows of pixels in the last row of blocks"),
        LayerRegister.LAST_COLS: (spec.cols.bit_length(), "columns of pixels in the last column of blocks"),
        LayerRegister.STRIDED: (1, "1: stride 2"),
        LayerRegister.SCATTERED: (1, "1: every slot holds all channels"),
        LayerRegister.PAD: (ACTIVATION_WIDTH, "pixels that are not there"),
        LayerRegister.DESTINATION: (place, "output: its first beat"),
        LayerRegister.DESTINATION_BLOCK_STEP: (address, "output: from a block to the next in its row"),
        LayerRegister.DESTINATION_BEAT_STEP: (TILE_WIDTH, "output: from a beat of a tile to the next"),
        LayerRegister.DESTINATION_ROW_STEP: (
            address,
            "output: from the last tile of a row to the first of the next",
        ),
        LayerRegister.DESTINATION_SKIP: (
            address,
            "output: from the last beat of a block to the first of the one below",
        ),
        LayerRegister.DESTINATION_PHASES: (
            4,
            "0: a tile is a block; else it is four, whose pixels (2 y + dy, 2 x + dx) bit 2 dy + dx writes",
        ),
        LayerRegister.DESTINATION_CUT: (
            1,
            "1: of four blocks, the right two of a row's last tile are not there",
        ),
        LayerRegister.RESIDUAL: (1, "1: a residual is added"),
        LayerRegister.RESIDUAL_SOURCE: (place, "residual: its first beat"),
        LayerRegister.RESIDUAL_BLOCK_STEP: (address, "residual: from a tile to the next"),
        LayerRegister.RESIDUAL_BEAT_STEP: (TILE_WIDTH, "residual: from a beat of a tile to the next"),
        LayerRegister.PARTIAL_IN: (1, "1: what is added are partial sums and the residuals beside them"),
        LayerRegister.APART: (
            1,
            "1: the input has words of the banks that the layer before does not use, and is loaded beside it",
        ),
        LayerRegister.AFTER: (
            BURST_WIDTH,
            "written bursts of the layer before that must be in memory before the first column is loaded",
        ),
        LayerRegister.AFTER_ROW_STEP: (BURST_WIDTH, "how many more it is from a row of tiles to the next"),
        LayerRegister.AFTER_COLUMN_STEP: (BURST_WIDTH, "how many more it is from a column to the next"),
        LayerRegister.IMAGE_ROWS: (TILE_WIDTH, "rows of tiles of an image of a batch; 0: all are of one"),
        LayerRegister.SOURCE_IMAGE_STEP: (
            address,
            "input: from the last row of tiles of an image to the first of the next",
        ),
    }
    left_out = set() if spec.interleaves else INTERLEAVING
    signed = {LayerRegister.FIRST_BLOCK, LayerRegister.LAST_BLOCK}
    return {
        register: Field(register.name.lower(), width, text, register in signed)
        for register, (width, text) in widths.items()
        if register not in left_out
    }


def owner_width(spec: Spec) -> int:
    """Bits of the number of a slot in the memory of owners: a power of two."""
    bits = (spec.slots - 1).bit_length()
    return 0 if not bits else 1 << (bits - 1).bit_length()
