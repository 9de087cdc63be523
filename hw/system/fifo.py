"""A small queue in registers that can be emptied."""

from __future__ import annotations

from amaranth import Array, Elaboratable, Module, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Fifo(wiring.Component):
    """First in, first out.

    Parameters
    ----------
    item
        Shape of an item.
    depth
        Items; a power of two.

    Members
    -------
    clear : In(1)
        Forget everything.
    input : In(stream)
        Items.
    output : Out(stream)
        The same.

    Latency
    -------
    One cycle.
    """

    def __init__(self, item: ShapeLike, depth: int) -> None:
        self.item = item
        self.depth = depth
        super().__init__(
            {
                "clear": In(1),
                "input": In(stream.Signature(item)),
                "output": Out(stream.Signature(item)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        items = [Signal(self.item, name=f"item_{i}", reset_less=True) for i in range(self.depth)]
        first, end = Signal(range(self.depth)), Signal(range(self.depth))
        level = Signal(range(self.depth + 1))
        put, got = Signal(), Signal()
        m.d.comb += [
            put.eq(self.input.valid & self.input.ready),
            got.eq(self.output.valid & self.output.ready),
            self.input.ready.eq(level != self.depth),
            self.output.valid.eq(level != 0),
            self.output.payload.eq(Array(items)[first]),
        ]
        with m.If(put):
            m.d.sync += Array(items)[end].eq(self.input.payload)
        m.d.sync += [end.eq(end + put), first.eq(first + got), level.eq(level + put - got)]
        with m.If(self.clear):
            m.d.sync += [end.eq(0), first.eq(0), level.eq(0)]
        return m
