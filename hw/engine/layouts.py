"""Amaranth shapes and interfaces from the address map and the spec."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Cat, Mux, Shape, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.mapping.tiles import half
from shiftbook.golden.spec import ACTIVATION_WIDTH, RING_WIDTH, Spec
from shiftbook.hw.engine.booth import digit_row

GROUP = 4
"""The most columns of banks that share memories: wide words cost less by the byte, and more of them is wasted
where the lanes of a group look into two columns of blocks."""


def struct(layout: bit_fields.Layout) -> data.StructLayout:
    """The word that `golden.isa.registers` describes, as an Amaranth shape."""
    return data.StructLayout({f.name: shape(f) for f in layout})


def shape(field: bit_fields.Field) -> Shape:
    """Shape of one field."""
    return signed(field.width) if field.signed else unsigned(field.width)


def config_word() -> data.StructLayout:
    """One write to the address map."""
    return data.StructLayout({"address": registers.ADDRESS_WIDTH, "data": registers.DATA_WIDTH})


def memory_write(spec: Spec, region: Region) -> wiring.Signature:
    """Write port of one memory of ``region``, seen from the writer; a tap table is one slot's."""
    depth = spec.table_entries if region == Region.TAPS else registers.depths(spec)[region]
    return wiring.Signature(
        {
            "enable": Out(1),
            "index": Out((depth - 1).bit_length()),
            "data": Out(bit_fields.width(registers.layouts(spec)[region])),
        }
    )


def bank_rows(spec: Spec) -> data.ArrayLayout:
    """Of each row of banks, when they are written: whether they are, and the bits of the word's address.

    ``far``: the word belongs to a block above or below the tile's own. ``phase``: vertical phase.
    """
    return data.ArrayLayout(data.StructLayout({"enable": 1, "far": 1, "phase": 1}), spec.rows)


def bank_halves(spec: Spec) -> data.ArrayLayout:
    """Of the first ``half(cols)`` columns of banks, and of the others: what `bank_rows` says of a row.

    ``column``: place of the column of blocks in the ring. ``phase``: horizontal phase. The columns of a half
    are always written alike: see `golden.mapping.tiles`, where pixels of one phase lie beside each other.
    """
    return data.ArrayLayout(data.StructLayout({"enable": 1, "column": RING_WIDTH, "phase": 1}), 2)


def column_groups(spec: Spec) -> list[list[range]]:
    """The columns of each half that share memories: at most `GROUP` of them, and as even as they can be.

    A column that is alone has one memory with all words of its bank.
    """
    first = half(spec.cols)
    return [_cut(range(first)), _cut(range(first, spec.cols))]


def _cut(columns: range) -> list[range]:
    parts = -(-len(columns) // GROUP)
    ends = [columns.start + len(columns) * part // parts for part in range(parts + 1)]
    return [range(*pair) for pair in pairwise(ends)]


def tile_write(spec: Spec) -> data.StructLayout:
    """A pixel for each bank of the slots in ``slots``; that of bank (r, c) is byte ``r * cols + c``."""
    return data.StructLayout(
        {
            "slots": spec.slots,
            "channel": spec.address_width,
            "rows": bank_rows(spec),
            "halves": bank_halves(spec),
            "plane": plane(spec),
        }
    )


def addressing() -> data.StructLayout:
    """Which bits of a bank's address stand above the channel: see `golden.mapping.tiles`.

    ``ring``, ``halo_rows``, ``phased`` and ``half`` are registers, see `golden.isa.registers`.
    """
    return data.StructLayout({"ring": RING_WIDTH, "halo_rows": 1, "phased": 1, "half": 2})


def place_of_column(number: Value, half: Value) -> Value:
    """Place in the ring of the column with this number: of a half, every second one."""
    return Mux(half[1], Cat(half[0], number), number)


def plane(spec: Spec) -> data.ArrayLayout:
    """One pixel for every bank or lane; (r, c) is element ``r * cols + c``."""
    return data.ArrayLayout(ACTIVATION_WIDTH, spec.lanes)


def bank_words(spec: Spec) -> data.StructLayout:
    """What the memories of a slot's banks have read: see `hw.engine.tile`.

    ``even`` and ``odd`` have a byte for each bank, of the memories of even and of odd columns of blocks.
    ``choice`` says of each column of banks which of both is its pixel; one that is alone has ``even`` only.
    """
    return data.StructLayout({"even": plane(spec), "odd": plane(spec), "choice": spec.cols})


def chosen(words: data.View, spec: Spec) -> list[Value]:
    """The pixel of each bank."""
    sizes = [len(group) for groups in column_groups(spec) for group in groups for _ in group]
    pixels = []
    for bank in range(spec.lanes):
        column = bank % spec.cols
        both = Mux(words.choice[column], words.odd[bank], words.even[bank])
        pixels.append(both if sizes[column] > 1 else words.even[bank])
    return pixels


def row(spec: Spec) -> data.StructLayout:
    """What a slot tells all lanes to do with their pixels."""
    return struct(registers.row(spec))


def lane_row(spec: Spec) -> data.StructLayout:
    """The same as lanes get it: terms as they are, a weight as digits."""
    return digit_row(spec.weight_width) if spec.lane == "multiply" else row(spec)


def tap_offset(spec: Spec) -> data.StructLayout:
    """Rows and columns by which a tap looks further than its lane."""
    return struct(registers.tap_offset(spec))


def gap_symbol(spec: Spec) -> data.StructLayout:
    """A decoded gap; ``bad`` where no code word matched."""
    return data.StructLayout({**_widths(registers.gap_symbol(spec)), "bad": 1})


def code_symbol(spec: Spec) -> data.StructLayout:
    """A decoded code, or with a dense feed the weight itself.

    A code is ``last`` where its item has no other after it, and ``bad`` where no code word matched.
    """
    if spec.feed == "dense":
        return data.StructLayout({"weight": spec.weight_width})
    return data.StructLayout({**_widths(registers.code_symbol(spec)), "last": 1, "bad": 1})


def row_source_width(spec: Spec) -> int:
    """Bits of what names a codebook row: its address, or with a dense feed the weight itself."""
    return spec.weight_width if spec.feed == "dense" else spec.row_address_width


def _widths(layout: bit_fields.Layout) -> dict[str, int]:
    return {f.name: f.width for f in layout}
