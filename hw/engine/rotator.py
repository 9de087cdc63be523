"""From the banks of a tile to the lanes of the grid."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import bank_words, chosen, plane, tap_offset


class Rotator(wiring.Component):
    """Lane (r, c) takes the pixel of bank ((r + oy) mod rows, (c + ox) mod cols).

    Parameters
    ----------
    spec
        The grid.

    Members
    -------
    banks : In(StructLayout)
        One pixel from each bank, see `hw.engine.layouts.bank_words`.
    offset : In(StructLayout)
        Tap offset {oy, ox}.
    lanes : Out(ArrayLayout)
        One pixel for each lane, in the same cycle.

    Latency
    -------
    None.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "banks": In(bank_words(spec)),
                "offset": In(tap_offset(spec)),
                "lanes": Out(plane(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        rows, cols = self.spec.rows, self.spec.cols
        pixels = chosen(self.banks, self.spec)
        grid = [pixels[r * cols : (r + 1) * cols] for r in range(rows)]
        for level, bit in enumerate(self.offset.oy):
            step = 1 << level
            grid = [
                [Mux(bit, grid[(r + step) % rows][c], grid[r][c]) for c in range(cols)] for r in range(rows)
            ]
        for level, bit in enumerate(self.offset.ox):
            step = 1 << level
            grid = [
                [Mux(bit, grid[r][(c + step) % cols], grid[r][c]) for c in range(cols)] for r in range(rows)
            ]
        for r in range(rows):
            for c in range(cols):
                m.d.comb += self.lanes[r * cols + c].eq(grid[r][c])
        return m
