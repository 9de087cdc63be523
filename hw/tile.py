"""The activation tile of one slot: one bank of memory for each pixel of the lane grid."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.spec import ACTIVATION_WIDTH, Spec
from hw.layouts import plane, tap_offset


class Tile(wiring.Component):
    """Banks that together read one pixel for every lane of the grid.

    The in-tile pixel (i, j) lies in bank (i mod rows, j mod cols), sub-block (i div rows, j div cols). A
    tap that looks (oy, ox) further therefore finds pixels of the next sub-block in the first oy bank rows
    and the first ox bank columns.

    Parameters
    ----------
    spec
        Grid and bank size.

    Members
    -------
    write : In(1)
        Write ``data`` to ``write_address`` of all banks.
    write_address : In(address_width)
        Word to write.
    data : In(ArrayLayout)
        One pixel for each bank.
    address : In(address_width)
        Word of sub-block (0, 0) to read; its two low bits are 0 where the tap has an offset.
    offset : In(StructLayout)
        Tap offset {oy, ox}.
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
                "write": In(1),
                "write_address": In(spec.address_width),
                "data": In(plane(spec)),
                "address": In(spec.address_width),
                "offset": In(tap_offset(spec)),
                "pixels": Out(plane(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        next_row = Signal(spec.rows)
        next_col = Signal(spec.cols)
        m.d.comb += [
            next_row.eq(Cat(self.offset.oy > row for row in range(spec.rows))),
            next_col.eq(Cat(self.offset.ox > col for col in range(spec.cols))),
        ]
        for row in range(spec.rows):
            for col in range(spec.cols):
                lane = row * spec.cols + col
                m.submodules[f"bank_{row}_{col}"] = bank = Bank(spec)
                m.d.comb += [
                    bank.write.eq(self.write),
                    bank.write_address.eq(self.write_address),
                    bank.data.eq(self.data[lane]),
                    bank.address.eq(self.address | Cat(next_col[col], next_row[row])),
                    self.pixels[lane].eq(bank.pixel),
                ]
        return m


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
            read.addr.eq(self.address),
            self.pixel.eq(read.data),
        ]
        return m
