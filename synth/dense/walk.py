"""The loops of a layer, and the address of the activations that they read."""

from __future__ import annotations

from amaranth import Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.synth.dense.layer import ITERATIONS, Loop, bounds, jumps
from shiftbook.synth.dense.shape import Dense


class Walk(wiring.Component):
    """Walks through the loops; one adder makes all addresses.

    All banks read at the same address: each holds a part of the map with its halo, laid out alike. Hence the
    array needs no rotator.

    Parameters
    ----------
    dense
        Widths.

    Members
    -------
    begin : In(1)
        Strobe: to the first iteration of all loops.
    base : In(address_width)
        Where that reads; while ``begin``.
    go : In(1)
        Strobe: to the next iteration.
    bounds : In(StructLayout)
        See `synth.dense.layer.bounds`.
    jumps : In(StructLayout)
        See `synth.dense.layer.jumps`.
    address : Out(address_width)
        Of the running iteration.
    last : Out(7)
        Of each loop: it and all within it are in their last iteration.

    Latency
    -------
    One cycle.
    """

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        super().__init__(
            {
                "begin": In(1),
                "base": In(dense.address_width),
                "go": In(1),
                "bounds": In(bounds()),
                "jumps": In(jumps(dense)),
                "address": Out(dense.address_width),
                "last": Out(len(Loop)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        within: Value = Const(1, 1)  # all loops within are in their last iteration
        for loop in Loop:
            left = Signal(ITERATIONS[loop], name=f"left_{loop.name.lower()}", reset_less=True)
            over = within & (left == 0)
            with m.If(self.begin | (self.go & over)):
                m.d.sync += left.eq(self.bounds[loop.name.lower()])
            with m.Elif(self.go & within):
                m.d.sync += left.eq(left - 1)
            m.d.comb += self.last[loop].eq(over)
            within = self.last[loop]
        jump: Value = self.jumps[Loop.GROUP.name.lower()]
        for loop in reversed(list(Loop)[:-1]):
            jump = Mux(self.last[loop], jump, self.jumps[loop.name.lower()])
        with m.If(self.begin | self.go):
            m.d.sync += self.address.eq(Mux(self.begin, self.base, self.address + jump))
        return m
