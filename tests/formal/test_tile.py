"""A tile gives each lane what a memory of its own would: the word that was written last."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data

import shiftbook.hw.engine.tile
from shiftbook.golden.mapping.tiles import address_bits, half
from shiftbook.golden.spec import ACTIVATION_WIDTH, DEFAULT, MAX_RING, RING_WIDTH, Spec
from shiftbook.hw.engine.layouts import chosen, column_groups
from shiftbook.hw.engine.tile import Tile
from tests.formal.checks import drive_freely, something
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

PAIRS = replace(DEFAULT, rows=2, cols=4, requantizers=4, slots=1, tile_words=64, bus_bytes=8)
"""Two groups of two columns."""

ALONE = replace(PAIRS, cols=3, requantizers=3)
"""A group of two columns, and a column that is alone."""

FOURS = replace(PAIRS, cols=8, requantizers=8)
"""Two groups of four columns."""

SPECS = {"pairs": PAIRS, "alone": ALONE, "fours": FOURS}


class Layers:
    """Layers that are read and written, and where the words of a bank are for them.

    Parameters
    ----------
    m
        The checker.
    tile
        What is checked.
    """

    def __init__(self, m: Module, tile: Tile) -> None:
        self.m, self.tile, self.spec = m, tile, tile.spec
        self.top = self.spec.address_width - 1
        self.halved = something(m, 1, "halved")
        self.phases = something(m, 2, "phases")  # of the layers in both halves

    def assume(self) -> None:
        """All banks belong to one layer, or each half to a layer; no channel lies where other bits do."""
        tile, write = self.tile, self.tile.write
        for mode in (tile.addressing, tile.write_addressing):
            possible = [(1 << bits) - 1 for bits in range(RING_WIDTH + 1)]
            self._assume(Cat(mode.ring == ring for ring in possible).any())
            self._assume(
                Mux(self.halved, mode.half[1] & mode.ring[0], (mode.half == 0) & ~mode.ring[MAX_RING])
            )
            self._assume(~self.halved | (mode.phased == self.phases.bit_select(mode.half[0], 1)))
        for way in write.halves:
            self._assume(~self.halved | (way.column[0] == tile.write_addressing.half[0]))
        none = Const(0, RING_WIDTH)
        used = self.address(tile.addressing, 0, 1, ~none, 0, 0)
        self._assume(~(tile.address & used).any())
        used = self.address(tile.write_addressing, 0, 1, ~none, 1, 1)
        self._assume(~(write.channel & used).any())

    def _assume(self, condition: Value) -> None:
        self.m.d.comb += Assume(condition)

    def address(
        self, mode: data.View, channel: Value, far: Value, place: Value, phase_y: Value, phase_x: Value
    ) -> Value:
        """Where a word is in its bank, as `golden.mapping.tiles` has it for each kind of layer."""
        found = Const(0, self.spec.address_width)
        for halo, phased, bits in product((0, 1), (0, 1), range(RING_WIDTH + 1)):
            places = address_bits(bool(halo), bool(phased), bits)
            parts = {places.row: far, places.phase_y: phase_y, places.phase_x: phase_x}
            parts |= {position: place[number] for number, position in enumerate(places.columns)}
            word = channel
            for position, bit in parts.items():
                if position is not None and position <= self.top:
                    word = word | (Value.cast(bit) << self.top - position)
            mine = (mode.halo_rows == halo) & (mode.phased == phased) & (mode.ring == (1 << bits) - 1)
            found = Mux(mine, word, found)
        address = Signal(self.spec.address_width)
        self.m.d.comb += address.eq(found)
        return address

    def read(self, row: Value, beside: Value) -> Value:
        """The address that a lane reads in its bank, in the column of blocks of lane 0 or ``beside`` it."""
        tile, mode = self.tile, self.tile.addressing
        number = Signal(MAX_RING)
        place = Signal(RING_WIDTH)
        self.m.d.comb += [
            number.eq(tile.first_column + beside),
            place.eq(Mux(self.halved, Cat(mode.half[0], number), number)),
        ]
        return self.address(mode, tile.address, tile.far ^ (tile.offset.oy > row), place, 0, 0)

    def written(self, row: Value, col: Value) -> tuple[Value, Value]:
        """Whether a bank is written, and where."""
        write, mode = self.tile.write, self.tile.write_addressing
        kind, way = write.rows[row], write.halves[col >= half(self.spec.cols)]
        enable = self.tile.enable & kind.enable & way.enable
        return enable, self.address(mode, write.channel, kind.far, way.column, kind.phase, way.phase)

    def held(self, word: Value) -> tuple[Value, Value]:
        """Which memory of its group has a word of a bank, and where: what the hardware makes of it."""
        top, second, fourth = (word[self.top - place] for place in (0, 2, 4))
        phased = self.phases.bit_select(top, 1)
        rest = list(word[: self.top])
        rest[self.top - 2] = Mux(self.halved, top, second)
        rest[self.top - 4] = Mux(self.halved & phased, second, fourth)
        return Mux(self.halved, Mux(phased, fourth, second), top), Cat(rest)


def remembered(tile: Tile, invariants: bool = True) -> Module:
    """The tile, and one word of one bank, any of them.

    Assumed: see `Layers.assume`. Proven by induction: what a lane gets is the word at its address as it was
    written last before the read, until the next read; a memory is read where a lane of its group looks into
    it, and only then.
    """
    m = Module()
    spec = tile.spec
    inside = Inside(tile)
    m.submodules.tile = inside.fragment
    drive_freely(m, tile)
    layers = Layers(m, tile)
    layers.assume()
    row, col = something(m, range(spec.rows), "row"), something(m, range(spec.cols), "col")
    word, lane = something(m, spec.address_width, "word"), Signal(range(spec.lanes), name="lane")
    m.d.comb += [Assume(row < spec.rows), Assume(col < spec.cols), lane.eq(row * spec.cols + col)]
    entry, known = Signal(ACTIVATION_WIDTH, name="entry"), Signal(name="known")
    due, pixel = Signal(name="due"), Signal(ACTIVATION_WIDTH, name="pixel")
    enable, address = layers.written(row, col)
    with m.If(enable & (address == word)):
        m.d.sync += [known.eq(1), entry.eq(tile.write.plane[lane])]
    asked = layers.read(row, tile.offset.ox > col) == word
    with m.If(tile.read):
        m.d.sync += [due.eq(known & asked), pixel.eq(entry)]
    found = Array(chosen(tile.words, spec))[lane]
    m.d.comb += Assert(~due | (found == pixel), "a pixel is wrong, or does not stay")
    _read_for_a_lane(m, inside, layers)
    if invariants:
        m.d.comb += Assert(~known | (_byte(inside, layers, lane, word) == entry))
    return m


def memories(inside: Inside, spec: Spec) -> dict[tuple[int, int], tuple[range, list[Inside]]]:
    """By row and first column: the columns of a group, and its memory, or the even and the odd one."""
    found = {}
    for row, groups in product(range(spec.rows), column_groups(spec)):
        for group in groups:
            first = row * spec.cols + group.start
            names = [f"bank_{first}"] if len(group) == 1 else [f"banks_{first}_{which}" for which in (0, 1)]
            found[row, group.start] = group, [inside.part(name) for name in names]
    return found


def _read_for_a_lane(m: Module, inside: Inside, layers: Layers) -> None:
    """Of each memory: whether it is read."""
    here, beside = (layers.held(layers.read(Const(0), Const(side)))[0] for side in (0, 1))
    offset = layers.tile.offset.ox
    for group, parts in memories(inside, layers.spec).values():
        looks = [Mux(offset > col, beside, here) for col in group]
        for which, part in enumerate(parts):
            wanted = Const(1) if len(parts) == 1 else Cat(look == which for look in looks).any()
            m.d.comb += Assert(
                part.component.read == (layers.tile.read & wanted), "a memory is read in vain, or is not"
            )


def _byte(inside: Inside, layers: Layers, lane: Value, word: Value) -> Value:
    """What the memories have of a word of a bank."""
    odd, rest = layers.held(word)
    bytes_ = {}
    for (row, _), (group, parts) in memories(inside, layers.spec).items():
        where = Cat(rest, odd) if len(parts) == 1 else rest
        words = [part.word("memory", where) for part in parts]
        for place, col in enumerate(group):
            both = [each.word_select(place, ACTIVATION_WIDTH) for each in words]
            bytes_[row * layers.spec.cols + col] = Mux(odd, both[-1], both[0])
    return Array(bytes_[number] for number in range(layers.spec.lanes))[lane]


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_tile(spec: Spec) -> None:
    prove(remembered(Tile(spec)))


WRONG = "a pixel is wrong"
MUTANTS = {
    "pixels do not stay": ("with m.If(self.read):", "with m.If(1):", WRONG),
    "lanes look into one column": ("Mux(self.offset.ox > col, beside.odd, here.odd)", "here.odd", WRONG),
    "memories swapped": (
        "Cat(enable & ~word.odd, enable & word.odd)",
        "Cat(enable & word.odd, enable)",
        WRONG,
    ),
    "even words of one column": ("Mux(here.odd, beside.rest, here.rest)", "here.rest", WRONG),
    "rows look into one block": ("self.far ^ (self.offset.oy > row)", "self.far", WRONG),
    "halves are one": ("rest[width - 3] = Mux(halved, top, second)", "rest[width - 3] = second", WRONG),
    "halves are told apart elsewhere with phases": (
        "rest[width - 5] = Mux(halved & mode.phased, second, fourth)",
        "rest[-2], rest[-4] = Mux(mode.phased, second, rest[-2]), Mux(halved & mode.phased, top, fourth)",
        WRONG,
    ),
    "the neighbour is not read": (" | (look_beside & ~beside.odd)", "", f"in vain|{WRONG}"),
    "all memories are read": ("memory.read.eq(wanted[which])", "memory.read.eq(self.read)", "in vain"),
    "a column that is alone looks at one address": ("Mux(odd, read[1], read[0])", "read[0]", WRONG),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    tile = mutant(shiftbook.hw.engine.tile, right, wrong).Tile(ALONE)
    refute(remembered(tile, invariants=False), message, 5)
