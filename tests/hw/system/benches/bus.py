"""Memory behind one reader of the bus."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory

from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.spec import Spec


class Bus:
    """Memory behind one reader's request: grants a burst at a time, and answers it a beat for each tick."""

    def __init__(self, m: Module, spec: Spec, contents: bytes, request: wiring.PureInterface) -> None:
        size = spec.bus_bytes
        words = [int.from_bytes(contents[i : i + size], "little") for i in range(0, len(contents), size)]
        m.submodules.contents = memory = Memory(shape=8 * size, depth=len(words), init=words)
        read = memory.read_port(domain="comb")
        self.left = Signal(range(spec.burst_beats + 1))
        self.address = Signal(beat_address_width(spec))
        self.data = read.data
        m.d.comb += [
            request.grant.eq(request.valid & (self.left == 0)),
            request.granted.eq(Mux(request.beats < spec.burst_beats, request.beats, spec.burst_beats)),
            read.addr.eq(self.address),
        ]
        with m.If(request.grant):
            m.d.sync += [self.left.eq(request.granted), self.address.eq(request.address)]

    def moved(self, m: Module, strobe: Value) -> None:
        """A beat was taken."""
        with m.If(strobe):
            m.d.sync += [self.left.eq(self.left - 1), self.address.eq(self.address + 1)]
