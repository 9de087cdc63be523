"""The rules that an AXI4 master must keep: assertions to put next to any master.

One ID, so that data and responses come in the order of the addresses; bursts that count up.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth import Elaboratable, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from tests.formal.checks import past

INCR = 1
"""Burst type: every beat's address is the next one."""

PAGE = 4096
"""Bytes; no burst may have beats on both sides of a multiple of it."""


def address(address_width: int) -> data.StructLayout:
    """The payload of AW and AR: ``len`` is the number of beats, minus 1; a beat has ``2**size`` bytes."""
    return data.StructLayout({"addr": address_width, "len": 8, "size": 3, "burst": 2})


def axi(address_width: int, data_width: int) -> wiring.Signature:
    """The five channels, seen from the master."""
    write = data.StructLayout({"data": data_width, "strb": data_width // 8, "last": 1})
    read = data.StructLayout({"data": data_width, "resp": 2, "last": 1})
    return wiring.Signature(
        {
            "aw": Out(stream.Signature(address(address_width))),
            "w": Out(stream.Signature(write)),
            "b": In(stream.Signature(data.StructLayout({"resp": 2}))),
            "ar": Out(stream.Signature(address(address_width))),
            "r": In(stream.Signature(read)),
        }
    )


class AxiRules(Elaboratable):
    """Asserts what the master must do and assumes what the memory must do.

    The master: a valid address or beat of data waits unchanged until it is taken; bursts have at most
    ``max_beats`` beats, none wider than the bus, and do not cross a page; data comes with or after its
    address, not before, in the order of the addresses, as many beats as announced, the last one marked;
    no more than ``reads`` reads and ``writes`` writes are under way.

    The memory: what it offers waits unchanged; it answers only reads that it took, in their order, with
    as many beats as asked, the last one marked; it answers each write once, when it has taken its address
    and all its data.

    Parameters
    ----------
    bus
        The master's interface, or one that looks like it; see `axi`.
    max_beats
        Most beats of a burst, at most 256.
    reads, writes
        Most bursts that are under way: announced, and not answered in full.
    """

    def __init__(self, bus: wiring.PureInterface, *, max_beats: int = 256, reads: int, writes: int) -> None:
        self.bus = bus
        self.max_beats = max_beats
        self.reads = reads
        self.writes = writes

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        for name in ("aw", "w", "ar"):
            _waits(m, getattr(self.bus, name), Assert, name.upper())
        for name in ("b", "r"):
            _waits(m, getattr(self.bus, name), Assume, name.upper())
        for name in ("aw", "ar"):
            self._burst(m, getattr(self.bus, name), name.upper())
        self._write_data(m)
        self._write_responses(m)
        self._read_data(m)
        return m

    def _burst(self, m: Module, channel: wiring.PureInterface, name: str) -> None:
        """What an address channel may announce."""
        burst = channel.payload
        bus_size = (len(self.bus.w.payload.strb) - 1).bit_length()
        first = (burst.addr & (PAGE - 1)) >> burst.size  # the beat of the page that it begins with
        with m.If(channel.valid):
            m.d.comb += [
                Assert(burst.burst == INCR, f"{name}: the burst does not count up"),
                Assert(burst.size <= bus_size, f"{name}: a beat is wider than the bus"),
                Assert(burst.len < self.max_beats, f"{name}: the burst is too long"),
                Assert(
                    (first + burst.len << burst.size) < PAGE, f"{name}: the burst crosses a page of 4 KiB"
                ),
            ]

    def _write_data(self, m: Module) -> None:
        """Beats of data against the lengths announced; an address counts from when it is first valid."""
        aw, w = self.bus.aw, self.bus.w
        announces = aw.valid & ~past(m, aw.valid & ~aw.ready)
        moves = w.valid & w.ready
        beat = Signal(8)
        burst = _Lengths(m, self.writes, announces, aw.payload.len, moves & w.payload.last, at_once=True)
        m.d.sync += beat.eq(Mux(moves, Mux(w.payload.last, 0, beat + 1), beat))
        with m.If(w.valid):
            m.d.comb += [
                Assert(burst.there, "W: data without an address"),
                Assert(~burst.there | (w.payload.last == (beat == burst.length)), "W: last is wrong"),
            ]

    def _write_responses(self, m: Module) -> None:
        """Writes under way, and what the memory may answer."""
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        answered = b.valid & b.ready
        taken = _balance(m, self.writes, aw.valid & aw.ready, answered)
        complete = _balance(m, self.writes, w.valid & w.ready & w.payload.last, answered)
        m.d.comb += [
            Assert(~aw.valid | (taken < self.writes), "AW: too many writes are under way"),
            Assume(~b.valid | ((taken != 0) & (complete != 0))),
        ]

    def _read_data(self, m: Module) -> None:
        """Reads under way, and what the memory may answer."""
        ar, r = self.bus.ar, self.bus.r
        moves = r.valid & r.ready
        beat = Signal(8)
        ends = moves & r.payload.last
        burst = _Lengths(m, self.reads, ar.valid & ar.ready, ar.payload.len, ends, at_once=False)
        m.d.sync += beat.eq(Mux(moves, Mux(r.payload.last, 0, beat + 1), beat))
        m.d.comb += [
            Assert(~ar.valid | (burst.count < self.reads), "AR: too many reads are under way"),
            Assume(~r.valid | (burst.there & (r.payload.last == (beat == burst.length)))),
        ]


class _Lengths:
    """A queue of the lengths of bursts.

    Parameters
    ----------
    m
        The checker.
    depth
        Most of them.
    enters, value
        A length is added.
    leaves
        The first one is removed.
    at_once
        A length can be the first in the cycle in which it enters.
    """

    def __init__(
        self, m: Module, depth: int, enters: Value, value: Value, leaves: Value, *, at_once: bool
    ) -> None:
        lengths = [Signal(8, name=f"length_{place}") for place in range(depth)]
        self.count = _balance(m, depth, enters, leaves)
        empty = self.count == 0
        self.there = ~empty | (enters if at_once else 0)
        self.length = Mux(empty, value, lengths[0]) if at_once else lengths[0]
        for place, length in enumerate(lengths):
            following = lengths[place + 1] if place + 1 < depth else length
            is_free = self.count - leaves == place
            m.d.sync += length.eq(Mux(enters & is_free, value, Mux(leaves, following, length)))


def _balance(m: Module, limit: int, enters: Value, leaves: Value) -> Signal:
    """How many entered and did not leave."""
    count = Signal(range(limit + 2))
    m.d.sync += count.eq(count + enters - leaves)
    return count


def _waits(m: Module, channel: wiring.PureInterface, rule: Callable[..., object], name: str) -> None:
    """Valid stays, and the payload with it, until ready."""
    waits = past(m, channel.valid & ~channel.ready)
    before = past(m, channel.payload)
    with m.If(waits):
        m.d.comb += [
            rule(channel.valid, f"{name}: valid fell without a transfer"),
            rule(Value.cast(channel.payload) == before, f"{name}: a waiting payload changed"),
        ]
