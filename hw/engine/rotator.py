"""From the banks of a tile to the lanes of the grid."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
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
            turned = [[grid[(r + step) % rows][c] for c in range(cols)] for r in range(rows)]
            grid = selected(m, bit, turned, grid)
        for level, bit in enumerate(self.offset.ox):
            step = 1 << level
            turned = [[grid[r][(c + step) % cols] for c in range(cols)] for r in range(rows)]
            grid = selected(m, bit, turned, grid)
        for r in range(rows):
            for c in range(cols):
                m.d.comb += self.lanes[r * cols + c].eq(grid[r][c])
        return m


def selected(m: Module, bit: Value, ones: list[list[Value]], zeros: list[list[Value]]) -> list[list[Value]]:
    """The pixels of ``ones`` where ``bit`` is set, those of ``zeros`` where it is not.

    They are signals: as expressions, each of which names two of the level before, the last of six levels
    would be written out with 64 pixels a lane.
    """
    grid: list[list[Value]] = [[Signal(ACTIVATION_WIDTH, name="turned") for _ in row] for row in zeros]
    for row, one, zero in zip(grid, ones, zeros, strict=True):
        m.d.comb += [pixel.eq(Mux(bit, a, b)) for pixel, a, b in zip(row, one, zero, strict=True)]
    return grid
