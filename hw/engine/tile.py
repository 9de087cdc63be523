"""The activation tile of one slot: one bank of memory for each pixel of the lane grid."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, MAX_RING, RING_WIDTH, Spec
from shiftbook.hw.engine.layouts import addressing, place_of_column, plane, tap_offset, tile_write


class Tile(wiring.Component):
    """Banks that together read one pixel for every lane of the grid.

    Pixel (u, v) of a block of pixels lies in bank (u, v). A tap with offset (oy, ox) finds the pixels of the
    first oy rows of banks one block further down, and of the first ox columns one block further right. See
    `golden.mapping.tiles` for what is a word's address.

    Parameters
    ----------
    spec
        Grid and bank size.

    Members
    -------
    addressing : In(StructLayout)
        How words are read, see `hw.engine.layouts.addressing`; a constant of the layer.
    write_addressing : In(StructLayout)
        How they are written.
    enable : In(1)
        Write ``write``, whatever slots it names.
    write : In(StructLayout)
        See `hw.engine.layouts.tile_write`.
    read : In(1)
        Read; else ``pixels`` stay as they are.
    address : In(address_width)
        Channel and phase of the word to read.
    offset : In(StructLayout)
        Tap offset {oy, ox}.
    far : In(1)
        Lane 0 looks into another block than the tile's own in the vertical direction.
    first_column : In(3)
        Number of the column of blocks that lane 0 looks into.
    pixels : Out(ArrayLayout)
        One pixel from each bank, one cycle after ``address``.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "addressing": In(addressing()),
                "write_addressing": In(addressing()),
                "enable": In(1),
                "write": In(tile_write(spec)),
                "read": In(1),
                "address": In(spec.address_width),
                "offset": In(tap_offset(spec)),
                "far": In(1),
                "first_column": In(MAX_RING),
                "pixels": Out(plane(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec, write = self.spec, self.write
        here, beside = Signal(RING_WIDTH), Signal(RING_WIDTH)
        half = self.addressing.half
        m.d.comb += [
            here.eq(place_of_column(self.first_column, half)),
            beside.eq(place_of_column((self.first_column + 1)[:MAX_RING], half)),
        ]
        reading, writing = self.addressing, self.write_addressing
        columns, writes = [], []
        for col in range(spec.cols):
            column = Mux(self.offset.ox > col, beside, here)
            columns.append(self._column_bits(m, f"column_{col}", reading, column, Const(0)))
            way = write.columns[col]
            writes.append(self._column_bits(m, f"write_column_{col}", writing, way.column, way.phase))
        for row in range(spec.rows):
            far = Signal(name=f"far_{row}")
            m.d.comb += far.eq(self.far ^ (self.offset.oy > row))
            row_bits = self._row_bits(m, f"row_{row}", reading, far, Const(0))
            way = write.rows[row]
            write_bits = self._row_bits(m, f"write_row_{row}", writing, way.far, way.phase)
            for col in range(spec.cols):
                lane = row * spec.cols + col
                m.submodules[f"bank_{row}_{col}"] = bank = Bank(spec)
                m.d.comb += [
                    bank.write.eq(self.enable & way.enable & write.columns[col].enable),
                    bank.write_address.eq(self._placed(write.channel, write_bits, writes[col])),
                    bank.data.eq(write.plane[lane]),
                    bank.read.eq(self.read),
                    bank.address.eq(self._placed(self.address, row_bits, columns[col])),
                    self.pixels[lane].eq(bank.pixel),
                ]
        return m

    def _row_bits(self, m: Module, name: str, mode: data.View, far: Value, phase: Value) -> Bits:
        """Address bits that all banks of a row share, by their place from the top."""
        return _named(m, name, {1: far & mode.halo_rows, 3: phase & mode.phased})

    def _column_bits(self, m: Module, name: str, mode: data.View, column: Value, phase: Value) -> Bits:
        """Address bits that all banks of a column share, by their place from the top."""
        used = [column[bit] & mode.ring[bit] for bit in range(RING_WIDTH)]
        bits = {
            0: used[0],
            2: Mux(mode.phased, phase, used[1]),
            4: Mux(mode.phased, used[1], used[2]),
            5: Mux(mode.phased, used[2], used[3]),
            6: used[3] & mode.phased,
        }
        return _named(m, name, bits)

    def _placed(self, channel: Value, rows: Bits, columns: Bits) -> Value:
        """The address of a word; ``channel`` is 0 where other bits are in use."""
        bits = list(channel)
        found = {place: bit for place, bit in (rows | columns).items() if place < len(bits)}
        for place, bit in found.items():
            bits[len(bits) - 1 - place] = bits[len(bits) - 1 - place] | bit
        return Cat(bits)


Bits = dict[int, Signal]


def _named(m: Module, name: str, bits: dict[int, Value]) -> Bits:
    signals = {place: Signal(name=f"{name}_{place}") for place in bits}
    m.d.comb += [signals[place].eq(bit) for place, bit in bits.items()]
    return signals


class Bank(wiring.Component):
    """One memory of pixels; a component, so that all banks are one module.

    Parameters
    ----------
    spec
        Bank size.

    Members
    -------
    write : In(1)
        Write ``data`` to ``write_address``.
    write_address : In(address_width)
        Word to write.
    data : In(8)
        Pixel to write.
    read : In(1)
        Read; else ``pixel`` stays as it is.
    address : In(address_width)
        Word to read.
    pixel : Out(8)
        The pixel at ``address``, one cycle later.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "write": In(1),
                "write_address": In(spec.address_width),
                "data": In(ACTIVATION_WIDTH),
                "read": In(1),
                "address": In(spec.address_width),
                "pixel": Out(ACTIVATION_WIDTH),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = Memory(shape=ACTIVATION_WIDTH, depth=self.spec.tile_words, init=[])
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.data),
            read.en.eq(self.read),
            read.addr.eq(self.address),
            self.pixel.eq(read.data),
        ]
        return m
