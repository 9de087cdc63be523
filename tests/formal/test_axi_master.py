"""The accelerator's master keeps the rules of AXI: its reading half and its writing half."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.hdl import Assert, Assume, Cover
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import shiftbook.hw.system.read_master
import shiftbook.hw.system.store
from shiftbook.golden.isa.addresses import MEMORY_ADDRESS_WIDTH
from shiftbook.golden.spec import DEFAULT
from shiftbook.hw.system.read_master import ReadMaster
from shiftbook.hw.system.store import Store
from tests.formal.axi_rules import INCR, AxiRules, axi
from tests.formal.checks import drive_freely
from tests.formal.mutants import mutant
from tests.formal.prove import prove, refute

SPEC = replace(
    DEFAULT,
    rows=4,
    cols=4,
    requantizers=8,
    bus_bytes=8,
    burst_beats=4,
    buffer_beats=8,
    group_channels=2,
    outstanding=2,
)
SHIFT = (SPEC.bus_bytes - 1).bit_length()

READ_CYCLES = 20
WRITE_CYCLES = 20


class Half(wiring.Component):
    """One half of the master with all five channels, and with its other inputs as they are."""

    def __init__(self, half: wiring.Component) -> None:
        self.half = half
        members = {
            name: member
            for name, member in half.signature.members.items()
            if member.flow == In and name not in ("read", "response")
        }
        super().__init__({"bus": Out(axi(MEMORY_ADDRESS_WIDTH, 8 * SPEC.bus_bytes)), **members})
        self._inputs = list(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.half = half = self.half
        for name in self._inputs:
            _join(m, getattr(half, name), getattr(self, name))
        return m

    def announce(self, m: Module, channel: wiring.PureInterface, source: wiring.PureInterface) -> None:
        """An address channel as the pins show it."""
        m.d.comb += [
            channel.valid.eq(source.valid),
            source.ready.eq(channel.ready),
            channel.payload.addr.eq(source.payload.address << SHIFT),
            channel.payload.len.eq(source.payload.more_beats),
            channel.payload.size.eq(SHIFT),
            channel.payload.burst.eq(INCR),
        ]


def _join(m: Module, inner: object, outer: object) -> None:
    """An input, or an array of interfaces, of the half."""
    if isinstance(inner, list):
        for one, other in zip(inner, outer, strict=True):
            wiring.connect(m, one, wiring.flipped(other))
    elif isinstance(inner, wiring.PureInterface):
        wiring.connect(m, inner, wiring.flipped(outer))
    else:
        m.d.comb += inner.eq(outer)


class Reads(Half):
    """The reading half."""

    def elaborate(self, platform: object) -> Elaboratable:
        m = super().elaborate(platform)
        r = self.bus.r
        self.announce(m, self.bus.ar, self.half.address)
        m.d.comb += [
            self.half.read.valid.eq(r.valid),
            r.ready.eq(self.half.read.ready),
            self.half.read.payload.data.eq(r.payload.data),
            self.half.read.payload.resp.eq(r.payload.resp),
            self.half.read.payload.last.eq(r.payload.last),
            self.half.answers.ready.eq(1),
        ]
        return m


class Writes(Half):
    """The writing half."""

    def elaborate(self, platform: object) -> Elaboratable:
        m = super().elaborate(platform)
        w, b = self.bus.w, self.bus.b
        self.announce(m, self.bus.aw, self.half.write_address)
        m.d.comb += [
            w.valid.eq(self.half.write_data.valid),
            self.half.write_data.ready.eq(w.ready),
            w.payload.data.eq(self.half.write_data.payload.data),
            w.payload.strb.eq(self.half.write_data.payload.strb),
            w.payload.last.eq(self.half.write_data.payload.last),
            self.half.response.valid.eq(b.valid),
            b.ready.eq(self.half.response.ready),
            self.half.response.payload.resp.eq(b.payload.resp),
        ]
        return m


def reading(half: wiring.Component) -> tuple[Module, Half]:
    """Requests of any kind, those for no beats too."""
    m = Module()
    m.submodules.master = master = Reads(half)
    m.submodules.rules = AxiRules(
        master.bus, max_beats=SPEC.burst_beats, reads=SPEC.outstanding + 1, writes=1
    )
    drive_freely(m, master)
    return m, master


def writing(half: wiring.Component) -> tuple[Module, Half]:
    """Outputs of channels that were committed when there was room.

    A layer begins when the one before it was sent or cleared; when it is cleared, nothing is committed until
    the next one begins. The pixels that it stores change with the layer alone. What the store says that
    memory has is what was acknowledged.
    """
    m = Module()
    m.submodules.master = master = Writes(half)
    m.submodules.rules = AxiRules(master.bus, max_beats=SPEC.burst_beats, reads=1, writes=8)
    drive_freely(m, master)
    owed = Signal(8)  # beats of channels that were committed
    m.d.sync += owed.eq(owed + Mux(master.commit, SPEC.drain_cycles, 0) - master.valid)
    runs = Signal()
    m.d.sync += runs.eq(~master.clear & (master.begin | runs))
    with m.If(master.clear | master.begin):
        m.d.sync += owed.eq(0)
    kept = Signal.like(master.phases)
    m.d.sync += kept.eq(master.phases)
    m.d.comb += [
        Assume(master.begin | (master.phases == kept)),
        Assume(~master.commit | (half.room & runs)),
        Assume(~master.valid | (owed != 0)),
        Assume(~master.begin | half.sent),
    ]
    _counted(m, master, half)
    return m, master


def _counted(m: Module, master: Half, half: wiring.Component) -> None:
    """Bursts are counted as they are acknowledged, those of layers before apart."""
    announced, answered, before = Signal(8), Signal(8), Signal(8)
    m.d.sync += [
        announced.eq(announced + (master.bus.aw.valid & master.bus.aw.ready)),
        answered.eq(answered + (master.bus.b.valid & master.bus.b.ready)),
    ]
    with m.If(master.begin):
        m.d.sync += before.eq(announced)
    settled = Signal()
    m.d.comb += [
        settled.eq((answered - before)[:8].as_signed() >= 0),
        Assert(half.settled == settled, "layers before: not what was acknowledged"),
        Assert(~settled | (half.written == (answered - before)[:8]), "bursts: not those acknowledged"),
    ]


@pytest.mark.formal
def test_the_reading_half() -> None:
    """Bounded: the first `READ_CYCLES` cycles, from reset."""
    prove(reading(ReadMaster(SPEC))[0], "bmc", READ_CYCLES)


@pytest.mark.formal
def test_the_writing_half() -> None:
    """Bounded: the first `WRITE_CYCLES` cycles, from reset."""
    prove(writing(Store(SPEC))[0], "bmc", WRITE_CYCLES)


@pytest.mark.formal
@pytest.mark.parametrize("half", ["read", "write"])
def test_both_halves_get_somewhere(half: str) -> None:
    """What is assumed lets two bursts be read, and two be written."""
    m, master = reading(ReadMaster(SPEC)) if half == "read" else writing(Store(SPEC))
    bus = master.bus
    ends = bus.r.valid & bus.r.payload.last if half == "read" else bus.b.valid
    count = Signal(2)
    m.d.sync += count.eq(count + (ends & (count != 2)))
    m.d.comb += Cover(count == 2, "two bursts end")
    prove(m, "cover", READ_CYCLES)


READERS = {
    "an address does not wait": (
        "free.eq(~self.address.valid | self.address.ready)",
        "free.eq(1)",
        "AR: (valid fell|a waiting payload changed)",
    ),
    "bursts cross the boundary": (
        "to_boundary.eq(longest - address[:bits])",
        "to_boundary.eq(longest)",
        "crosses a page",
    ),
    "a burst of nothing": ("request.valid & request.beats.any()", "request.valid", "AR: |R: |too many"),
    "a burst is one longer": ("more_beats.eq(length - 1)", "more_beats.eq(length)", "AR: |R: |too many"),
}

WRITERS = {
    "last is late": ("last.eq(now.burst == 1)", "last.eq(now.burst == 0)", "W: last is wrong"),
    "a group of nothing is sent": ("some & groups.size.any()", "some", "W: |AW|too many"),
    "data goes on": ("valid.eq(now.burst != 0)", "valid.eq(1)", "W: (data without|last is wrong|a waiting)"),
    "layers before are forgotten": (
        "owed.eq(now.pending - acknowledged)",
        "owed.eq(0)",
        "layers before: not what was acknowledged",
    ),
    "all acknowledgements are this layer's": (
        "with m.Elif(acknowledged & ~self.settled):",
        "with m.Elif(0):",
        "layers before|bursts",
    ),
    "an address does not wait": (
        "with m.If(self.write_address.ready):",
        "with m.If(1):",
        "AW: valid fell",
    ),
    "a cleared burst is dropped": (
        "m.d.sync += now.abandoned.eq(1)",
        'm.next = "WAIT"',
        "W: (valid fell|last is wrong|data without)|AW",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), READERS.values(), ids=READERS)
def test_wrong_readers(right: str, wrong: str, message: str) -> None:
    wrong_master = mutant(shiftbook.hw.system.read_master, right, wrong)
    refute(reading(wrong_master.ReadMaster(SPEC))[0], message, 12)


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), WRITERS.values(), ids=WRITERS)
def test_wrong_writers(right: str, wrong: str, message: str) -> None:
    refute(writing(mutant(shiftbook.hw.system.store, right, wrong).Store(SPEC))[0], message, 14)
