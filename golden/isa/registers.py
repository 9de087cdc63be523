"""The engine's address map: every register, memory and bit field that the host writes, as plain data.

The hardware decodes addresses from it, the program builder packs words with it and the documentation
prints it. An address is ``region << INDEX_WIDTH | index``; a word has 32 bits and unused ones are 0.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.isa.bit_fields import Field, Layout, width
from shiftbook.golden.spec import (
    ACTIVATION_WIDTH,
    FRACTION,
    LEAST_SHIFT,
    RESIDUAL_WIDTH,
    RING_WIDTH,
    Spec,
)
from shiftbook.golden.spec import DATA_WIDTH as DATA_WIDTH

ADDRESS_WIDTH = 17
INDEX_WIDTH = 13

OFFSET_WIDTH = FRACTION + ACTIVATION_WIDTH + 4
"""Bits of all that the requantizer adds up behind its shift; a residual's product needs two less."""

ROW_COUNT_WIDTH = 5
"""Bits of "rows - 1" of a code: a code has one to 32 rows."""


class Region(IntEnum):
    """The upper bits of an address.

    Memories 3 to 5 exist once a slot, and 11 once a requantizer; all are written together.
    """

    REGISTERS = 0
    GAP_CODE = 1  # index: length - 1
    CODE_CODE = 2  # index: length - 1
    GAP_SYMBOLS = 3  # index: rank of the code word
    CODE_SYMBOLS = 4  # index: codebook << rank_width(code_symbols) | rank of the code word
    ROWS = 5  # index: row
    TAPS = 6  # index: slot * table_entries + entry
    LAYER = 7  # index: golden.isa.layer_registers.LayerRegister
    STREAMS = 8  # index: stream << 2 | golden.isa.stream_registers.StreamField
    OWNERS = 9  # index: channel / channels of a word
    COMMANDS = 10  # index: golden.isa.program_format.Command
    FUNCTION = 11  # index: activation


class Register(IntEnum):
    """Index of a register within ``Region.REGISTERS``."""

    POSITIONS = 0
    CHANNEL_BITS = 1
    RING = 2
    HALO_ROWS = 3
    PHASED = 4
    OUTPUT_CHANNELS = 5
    GROUP_OUTPUTS = 6
    GROUP_STEP = 7
    MAXIMUM = 8
    OFFSET = 9
    CLAMP_LOW = 10
    CLAMP_HIGH = 11
    RESIDUAL = 12
    RESIDUAL_MULTIPLIER = 13
    LEAVING = 14
    GAPLESS = 15
    HALF = 16
    STEP = 17  # this and all below: not there with a dense feed
    BOOKS = 18
    OFFSET_SHIFT = 19


ADDRESSING = {Register.RING, Register.HALO_ROWS, Register.PHASED, Register.HALF}
"""Registers that say how the input lies in the banks: written with those of what loads it."""


class Leaving(IntEnum):
    """Values of ``Register.LEAVING``."""

    ACTIVATIONS = 0
    PARTIAL_SUMS = 1
    FUNCTION = 2


def register_fields(spec: Spec) -> dict[Register, Field]:
    """Width and meaning of every register that an engine of this spec has."""
    channel_bits_width = spec.address_width.bit_length()
    fields = {
        Register.POSITIONS: Field("positions", spec.position_width, "local positions P of an output channel"),
        Register.CHANNEL_BITS: Field(
            "channel_bits",
            channel_bits_width,
            "low bits of a position that count local channels; the rest is the tap table entry",
        ),
        Register.RING: Field(
            "ring",
            RING_WIDTH,
            "ones in the bits that count the columns of the banks' ring, of a half from the second bit on",
        ),
        Register.HALO_ROWS: Field("halo_rows", 1, "1: taps read blocks above or below the tile's own"),
        Register.PHASED: Field("phased", 1, "1: bank words have phases, at stride 2"),
        Register.OUTPUT_CHANNELS: Field("output_channels", spec.channel_counter_width, "output channels"),
        Register.GROUP_OUTPUTS: Field(
            "group_outputs", spec.channel_counter_width, "output channels of a group, minus 1"
        ),
        Register.GROUP_STEP: Field(
            "group_step", spec.address_width, "bank words from the channels of a group to those of the next"
        ),
        Register.MAXIMUM: Field("maximum", 1, "1: lanes keep the largest pixel instead of adding up"),
        Register.OFFSET: Field(
            "offset",
            OFFSET_WIDTH,
            f"zero point and one half, less the residual's zero point times its multiplier, in 2^-{FRACTION}",
            signed=True,
        ),
        Register.CLAMP_LOW: Field("clamp_low", ACTIVATION_WIDTH, "smallest output"),
        Register.CLAMP_HIGH: Field("clamp_high", ACTIVATION_WIDTH, "largest output"),
        Register.RESIDUAL: Field(
            "residual",
            3,
            "0: none; 1: a residual is added; 3: its first pixel is the channel's multiplier; 5: each is its "
            "pixel's",
        ),
        Register.RESIDUAL_MULTIPLIER: Field(
            "residual_multiplier", RESIDUAL_WIDTH, f"what it is multiplied with, in 2^-{FRACTION}"
        ),
        Register.LEAVING: Field(
            "leaving",
            2 if spec.function_tables else 1,
            "what leaves: 0 activations, 1 partial sums"
            + (", 2 the function of activations" if spec.function_tables else ""),
        ),
        Register.GAPLESS: Field("gapless", 1, "1: every position has a code and there is no gap stream"),
        Register.HALF: Field(
            "half",
            2,
            "0: the input has all banks; 2, 3: every second column of the ring, from 0 or from 1 on",
        ),
    }
    if spec.feed == "coded":
        fields |= {
            Register.STEP: Field(
                "step",
                spec.vector_size.bit_length(),
                "positions from one item's first weight to the next item's",
            ),
            Register.BOOKS: Field(
                "books", max(1, (spec.codebooks - 1).bit_length()), "codes of an item, minus 1"
            ),
            Register.OFFSET_SHIFT: Field(
                "offset_shift",
                channel_bits_width,
                "left shift of a row's offset: 0 along local positions, channel_bits along taps",
            ),
        }
    return fields


def rank_width(symbols: int) -> int:
    """Bits of the rank of a code word among ``symbols``."""
    return (symbols - 1).bit_length()


def huffman_length(spec: Spec, symbols: int) -> Layout:
    """What the decoder of a canonical code over ``symbols`` symbols knows of one code length."""
    return (
        Field("limit", spec.code_length + 1, "(first code + count) << (code_length - length)"),
        Field("offset", rank_width(symbols), "rank = (window >> (code_length - length)) + offset, modulo"),
    )


def gap_symbol(spec: Spec) -> Layout:
    """Gap symbol of a rank."""
    return (Field("gap", rank_width(spec.gap_symbols), "positions to skip; the last symbol is the escape"),)


def code_symbol(spec: Spec) -> Layout:
    """Codebook rows of a rank."""
    return (
        Field("more_rows", ROW_COUNT_WIDTH, "rows of the code, minus 1"),
        Field("first_row", spec.row_address_width, "address of its first row"),
    )


def row(spec: Spec) -> Layout:
    """What a slot tells every lane in one cycle: the terms of a codebook row."""
    if spec.lane == "multiply":
        return (Field("weight", spec.weight_width, "the weight", signed=True),)
    fields: list[Field] = []
    for number, (low, high) in enumerate(spec.terms):
        fields.append(Field(f"enable{number}", 1, "the term is present"))
        fields.append(Field(f"negative{number}", 1, "the term is subtracted"))
        if high > low:
            fields.append(Field(f"exponent{number}", (high - low).bit_length(), f"exponent - {low}"))
    return tuple(fields)


def codebook_row(spec: Spec) -> Layout:
    """One codebook row: what the lanes get of it, and for which weight of the codeword."""
    if not spec.offset_width:
        return row(spec)
    return (*row(spec), Field("offset", spec.offset_width, "position of the weight within its vector"))


def tap_offset(spec: Spec) -> Layout:
    """Where a tap looks."""
    return (
        Field("oy", (spec.rows - 1).bit_length(), "rows by which the tap looks down"),
        Field("ox", (spec.cols - 1).bit_length(), "columns by which the tap looks right"),
    )


def tap(spec: Spec) -> Layout:
    """One tap table entry."""
    base = Field("base", spec.address_width, "tile address of the entry's first local channel")
    block = (
        Field("far", 1, "1: lane 0 looks into a block above or below the tile's own"),
        Field("column", 2, "column of blocks, from the tile's own, that lane 0 looks into", signed=True),
    )
    if not spec.channel_count_width:
        return (base, *tap_offset(spec), *block)
    channels = Field("channels", spec.channel_count_width, "local channels that exist in this entry")
    return (base, *tap_offset(spec), *block, channels)


def channel_parameters(spec: Spec) -> Layout:
    """One word of the ``channels`` stream (not in the address map): the requantizer of an output channel."""
    return (
        Field("bias", spec.accumulator_width, "added to the accumulator", signed=True),
        Field("multiplier", spec.multiplier_width, "factor"),
        Field("shift", spec.shift_width, f"right shift, less {LEAST_SHIFT}"),
    )


def parameter_word_width(spec: Spec) -> int:
    """Bits of a word of the ``channels`` stream: the fields, filled up to a power of two."""
    return 1 << (width(channel_parameters(spec)) - 1).bit_length()


def function_entry() -> Layout:
    """One entry of the function table."""
    return (Field("value", ACTIVATION_WIDTH, "what leaves in the place of the activation"),)


def layouts(spec: Spec) -> dict[Region, Layout]:
    """Word layout of every memory region that an engine of this spec has."""
    memories: dict[Region, Layout] = {Region.TAPS: tap(spec)}
    if spec.feed == "coded":
        memories |= {
            Region.GAP_CODE: huffman_length(spec, spec.gap_symbols),
            Region.CODE_CODE: huffman_length(spec, spec.code_symbols),
            Region.GAP_SYMBOLS: gap_symbol(spec),
            Region.CODE_SYMBOLS: code_symbol(spec),
            Region.ROWS: codebook_row(spec),
        }
    if spec.function_tables:
        memories[Region.FUNCTION] = function_entry()
    return dict(sorted(memories.items()))


def depths(spec: Spec) -> dict[Region, int]:
    """Words of every memory region."""
    words = {
        Region.GAP_CODE: spec.code_length,
        Region.CODE_CODE: spec.code_length,
        Region.GAP_SYMBOLS: spec.gap_symbols,
        Region.CODE_SYMBOLS: spec.codebooks << rank_width(spec.code_symbols),
        Region.ROWS: spec.codebook_rows,
        Region.TAPS: spec.slots * spec.table_entries,
        Region.FUNCTION: 1 << ACTIVATION_WIDTH,
    }
    return {region: words[region] for region in layouts(spec)}


def address(region: Region, index: ArrayLike) -> NDArray[np.uint32]:
    """Addresses of words of a region."""
    return (int(region) << INDEX_WIDTH | np.asarray(index, np.int64)).astype(np.uint32)
