"""What the proofs' checkers are built from."""

from __future__ import annotations

from amaranth import Module, Mux, Shape, Signal, Value
from amaranth.hdl import Assert, ShapeLike, ValueCastable
from amaranth.hdl._ast import AnyConst, AnySeq
from amaranth.lib import wiring
from amaranth.lib.wiring import In


def anything(m: Module, shape: ShapeLike, name: str) -> Signal:
    """A signal with any value in every cycle."""
    signal = Signal(shape, name=name)
    m.d.comb += signal.eq(AnySeq(Shape.cast(shape)))
    return signal


def something(m: Module, shape: ShapeLike, name: str) -> Signal:
    """A signal with any value, the same in every cycle."""
    signal = Signal(shape, name=name)
    m.d.comb += signal.eq(AnyConst(Shape.cast(shape)))
    return signal


def drive_freely(m: Module, component: wiring.Component, but: tuple[str, ...] = ()) -> None:
    """Any value on every input in every cycle, but those of the members named ``but``."""
    for path, member, value in component.signature.flatten(component):
        if member.flow == In and path[0] not in but:
            m.d.comb += Value.cast(value).eq(AnySeq(Shape.cast(member.shape)))


def past(m: Module, value: Value) -> Signal:
    """``value`` a cycle ago; 0 in the first cycle."""
    value = value.as_value() if isinstance(value, ValueCastable) else Value.cast(value)
    signal = Signal(value.shape())
    m.d.sync += signal.eq(value)
    return signal


def assert_steady(m: Module, source: wiring.PureInterface, clear: Value) -> None:
    """A stream's item waits, unchanged, until it is taken or everything is forgotten."""
    waits = past(m, source.valid & ~source.ready & ~clear)
    before = past(m, source.payload)
    with m.If(waits):
        m.d.comb += Assert(source.valid, "valid fell without a transfer")
        m.d.comb += Assert(Value.cast(source.payload) == before, "a waiting payload changed")


class Followed:
    """One unit of a stream (an item, a bit), any of them: what it is and how many units are ahead of it.

    Parameters
    ----------
    m
        The checker.
    enters
        This cycle's units may be followed, one of them.
    value
        What it is.
    ahead
        Units that are ahead of it in this cycle, before any leave.
    leaving
        Units that leave in this cycle.
    clear
        All units are forgotten.
    """

    def __init__(
        self, m: Module, *, enters: Value, value: Value, ahead: Value, leaving: Value, clear: Value
    ) -> None:
        self.active = Signal(name="followed")
        self.value = Signal(Value.cast(value).shape(), name="followed_value")
        self.ahead = Signal(Value.cast(ahead).shape(), name="followed_ahead")
        chosen = anything(m, 1, "follow_this")
        with m.If(self.active):
            m.d.sync += [self.active.eq(self.ahead >= leaving), self.ahead.eq(self.ahead - leaving)]
        with m.Elif(enters & chosen):
            m.d.sync += [self.active.eq(1), self.value.eq(value), self.ahead.eq(ahead - leaving)]
        with m.If(clear):
            m.d.sync += self.active.eq(0)


def count(m: Module, width: int, entering: Value, leaving: Value, clear: Value) -> Signal:
    """Units that entered and did not leave."""
    inside = Signal(width, name="inside")
    m.d.sync += inside.eq(Mux(clear, 0, inside + entering - leaving))
    return inside
