"""The address map: literal bits, so that a change of layout is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.coding import terms
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.bit_fields import Field
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.program.row_words import row_words
from shiftbook.golden.spec import DEFAULT, PRESETS


def test_literal_words_of_the_default_engine():
    spec = DEFAULT
    assert bit_fields.pack(registers.huffman_length(spec, 64), limit=0x1000, offset=63) == 0x1000 | 63 << 13
    assert bit_fields.pack(registers.code_symbol(spec), more_rows=3, first_row=5) == 0b101_00011
    assert bit_fields.pack(registers.row(spec), enable0=1, negative0=1, exponent0=5) == 0b101_1_1
    fields = registers.codebook_row(spec)
    assert bit_fields.pack(fields, enable0=1, negative0=0, exponent0=5, offset=9) == 0b1001_101_0_1
    assert (
        bit_fields.pack(registers.tap(spec), base=9, oy=2, ox=7, far=1, column=-1, channels=1024)
        == 9 | 2 << 10 | 7 << 13 | 1 << 16 | 3 << 17 | 1 << 29
    )
    channel = bit_fields.pack(registers.channel_parameters(spec), bias=-1, multiplier=3, shift=17)
    assert channel == 0xFFFFFF | 3 << 24 | 17 << 34
    assert registers.address(Region.TAPS, 65) == 0xC041
    assert registers.address(Region.COMMANDS, 2) == 0x14002 < 1 << registers.ADDRESS_WIDTH == 1 << 17
    assert registers.address(Region.REGISTERS, Register.OFFSET_SHIFT) == 19
    widths = {register: field.width for register, field in registers.register_fields(spec).items()}
    assert (widths[Register.STEP], widths[Register.BOOKS], widths[Register.OFFSET_SHIFT]) == (5, 2, 4)
    assert (widths[Register.RING], widths[Register.OFFSET], widths[Register.GROUP_STEP]) == (4, 20, 10)
    offset = registers.register_fields(spec)[Register.OFFSET]
    assert bit_fields.pack((offset,), offset=-255 * 1023) == (1 << 20) - 255 * 1023
    assert registers.depths(spec)[Region.CODE_SYMBOLS] == 4 * 256


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_everything_fits_the_bus(preset):
    largest = {"slots": 16, "table_entries": 256, "vector_size": 32, "tile_words": 2048}
    for spec in (PRESETS[preset], replace(PRESETS[preset], **largest)):
        assert bit_fields.width(registers.tap(spec)) == spec.tap_width
        for layout in registers.layouts(spec).values():
            assert bit_fields.width(layout) <= registers.DATA_WIDTH
        for depth in registers.depths(spec).values():
            assert depth <= 1 << registers.INDEX_WIDTH
        for field in registers.register_fields(spec).values():
            assert field.width <= registers.DATA_WIDTH


def test_a_dense_engine_has_no_decoder_memories():
    spec = PRESETS["int8"]
    assert list(registers.layouts(spec)) == [Region.TAPS, Region.FUNCTION]
    assert list(registers.register_fields(spec)) == list(Register)[: Register.STEP]
    tap = bit_fields.pack(registers.tap(spec), base=9, oy=2, ox=7, far=0, column=1)
    assert tap == 9 | 2 << 10 | 7 << 13 | 1 << 17


def test_an_engine_without_function_tables():
    spec = replace(DEFAULT, function_tables=False)
    assert Region.FUNCTION not in registers.layouts(spec)
    assert registers.register_fields(spec)[Register.LEAVING].width == 1


def test_what_an_engine_of_scalars_leaves_out():
    spec = replace(DEFAULT, codebooks=1, vector_size=1)
    assert registers.codebook_row(spec) == registers.row(spec)
    assert registers.depths(spec)[Region.CODE_SYMBOLS] == 256
    widths = {register: field.width for register, field in registers.register_fields(spec).items()}
    assert (widths[Register.STEP], widths[Register.BOOKS]) == (1, 1)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("value", [-24, -8, 0, 12, 17])
def test_rows_are_what_the_codebook_writes(preset, value):
    spec = PRESETS[preset]
    layout = registers.row(spec)
    total = 0
    for row in terms.rows_of(value, spec):
        (word,) = row_words([(0, row)], spec).tolist()
        fields = bit_fields.unpack(layout, word)
        if spec.lane == "multiply":
            total += fields["weight"]
            continue
        for number, (low, _) in enumerate(spec.terms):
            term = fields[f"enable{number}"] << low + fields.get(f"exponent{number}", 0)
            total += -term if fields[f"negative{number}"] else term
    assert total == value


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 4095)), min_size=1, max_size=5))
def test_unpack_reverses_pack(parts):
    layout = tuple(Field(f"f{i}", width, "", signed) for i, (width, signed, _) in enumerate(parts))
    values = {}
    for i, (width, signed, bits) in enumerate(parts):
        value = bits & (1 << width) - 1
        values[f"f{i}"] = value - (1 << width) if signed and value >> width - 1 else value
    assert bit_fields.unpack(layout, int(bit_fields.pack(layout, **values))) == values


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(ShiftbookError, match=r"oy must be in 0\.\.7 \(3 bits\), not 8"):
        bit_fields.pack(
            registers.tap(DEFAULT), base=0, oy=np.array([1, 8]), ox=0, far=0, column=0, channels=1
        )
    with pytest.raises(
        ShiftbookError, match=r"bias must be in -8388608\.\.8388607 \(24 bits\), not -8388609"
    ):
        bit_fields.pack(registers.channel_parameters(DEFAULT), bias=-(1 << 23) - 1, multiplier=0, shift=0)
