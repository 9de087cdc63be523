"""What the array is told of a layer, and the registers that hold it."""

from __future__ import annotations

from enum import IntEnum
from typing import cast

from amaranth import Elaboratable, Module, Signal, Value, signed
from amaranth.hdl import ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.registers import OFFSET_WIDTH
from shiftbook.golden.spec import ACTIVATION_WIDTH, DATA_WIDTH, RESIDUAL_WIDTH
from shiftbook.synth.dense.shape import Dense


class Loop(IntEnum):
    """The loops of a layer, the innermost first.

    Words of a tap, taps of a row, rows of taps: these are the positions of a step, which adds up P pixels of
    O output channels. Then the pixels of a row of each bank, its rows, sets of output channels that read the
    same input channels, and input channels.
    """

    WORD = 0
    TAP = 1
    TAP_ROW = 2
    COLUMN = 3
    ROW = 4
    PART = 5
    GROUP = 6


STEP = Loop.TAP_ROW
"""The outermost loop within a step."""

SWEEP = Loop.ROW
"""The outermost loop within a set of output channels."""

ITERATIONS = {
    Loop.WORD: 13,
    Loop.TAP: 4,
    Loop.TAP_ROW: 4,
    Loop.COLUMN: 8,
    Loop.ROW: 8,
    Loop.PART: 13,
    Loop.GROUP: 13,
}
"""Bits of the iterations of each loop, minus 1."""


def bounds() -> data.StructLayout:
    """Iterations of each loop, minus 1."""
    return data.StructLayout({loop.name.lower(): width for loop, width in ITERATIONS.items()})


def jumps(dense: Dense) -> data.StructLayout:
    """What is added to the address where a loop goes on and all within it begin anew."""
    return data.StructLayout({loop.name.lower(): dense.address_width for loop in Loop})


def layer(dense: Dense) -> data.StructLayout:
    """All constants of a layer.

    ``beats``: of a step's outputs, minus 1; fewer where not all output channels are used. ``maximum``: lanes
    keep the larger, see `hw.engine.lane.Lane`. The others: see `hw.engine.requantizer.Requantizer`.
    """
    return data.StructLayout(
        {
            "bounds": bounds(),
            "jumps": jumps(dense),
            "beats": (dense.beats(dense.outputs) - 1).bit_length(),
            "maximum": 1,
            "residual": 1,
            "residual_multiplier": RESIDUAL_WIDTH,
            "offset": signed(OFFSET_WIDTH),
            "low": ACTIVATION_WIDTH,
            "high": ACTIVATION_WIDTH,
        }
    )


def fields(dense: Dense) -> list[tuple[str, ...]]:
    """Where each register's value is within `layer`; a register's address is its place here."""
    found: list[tuple[str, ...]] = []
    for name, field in layer(dense):
        inner = isinstance(field.shape, data.StructLayout)
        found += [(str(name), str(part)) for part, _ in field.shape] if inner else [(str(name),)]
    return found


class Registers(wiring.Component):
    """Holds a layer's constants.

    Parameters
    ----------
    dense
        Widths.

    Members
    -------
    write : In(1)
        Strobe: write a register. While no layer runs.
    index : In(5)
        Which: its place in `fields`.
    data : In(32)
        Its value, in the low bits.
    layer : Out(StructLayout)
        See `layer`.

    Latency
    -------
    One cycle.
    """

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        super().__init__(
            {
                "write": In(1),
                "index": In((len(fields(dense)) - 1).bit_length()),
                "data": In(DATA_WIDTH),
                "layer": Out(layer(dense)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        for place, path in enumerate(fields(self.dense)):
            port = self.layer
            for name in path:
                port = port[name]
            value = Signal(_shape(port), name="_".join(path), reset_less=True)
            with m.If(self.write & (self.index == place)):
                m.d.sync += value.eq(self.data)
            m.d.comb += port.eq(value)
        return m


def _shape(port: object) -> ShapeLike:
    return Value.cast(cast(Value, port)).shape()
