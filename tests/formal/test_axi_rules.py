"""The checker of AXI masters lets a right one pass and refutes wrong ones, rule by rule."""

from __future__ import annotations

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Cover

from tests.formal import copier
from tests.formal.axi_rules import AxiRules
from tests.formal.checks import drive_freely
from tests.formal.copier import Copier
from tests.formal.mutants import mutant
from tests.formal.prove import prove, refute

CYCLES = 16


def checked(master: Copier, max_beats: int = 256) -> Module:
    """A master with any memory that keeps the rules."""
    m = Module()
    m.submodules.master = master
    m.submodules.rules = AxiRules(master.bus, max_beats=max_beats, reads=1, writes=1)
    drive_freely(m, master)
    return m


@pytest.mark.formal
def test_a_right_master() -> None:
    """Bounded: the first `CYCLES` cycles."""
    prove(checked(Copier()), "bmc", CYCLES)


@pytest.mark.formal
def test_bursts_can_end() -> None:
    """What is assumed of the memory lets two bursts of three beats be read and written."""
    master = Copier()
    m = checked(master)
    reads, writes = Signal(4), Signal(4)
    r, b = master.bus.r, master.bus.b
    m.d.sync += [
        reads.eq(reads + (r.valid & r.payload.last & (master.bus.ar.payload.len == 2))),
        writes.eq(writes + b.valid),
    ]
    m.d.comb += Cover((reads == 2) & (writes == 2), "two bursts end")
    prove(m, "cover", CYCLES)


MASTERS = {
    "an address is not waited for": ("aw.valid & ~aw.ready", "0", "AW: valid fell"),
    "a read is not waited for": ("ar.valid & ~ar.ready", "0", "AR: valid fell"),
    "data is not waited for": (
        "w.valid & ~(w.ready & w.payload.last)",
        "w.valid & ~w.payload.last",
        "W: valid fell",
    ),
    "an address moves while it waits": (
        "with m.Else():",
        "with m.Else():\n            m.d.sync += aw.payload.addr.eq(self.word << SIZE)",
        "AW: a waiting payload changed",
    ),
    "a read moves while it waits": (
        "with m.Else():",
        "with m.Else():\n            m.d.sync += ar.payload.addr.eq(self.word << SIZE)",
        "AR: a waiting payload changed",
    ),
    "data moves while it waits": ("(w.valid & w.ready)", "w.valid", "W: a waiting payload changed"),
    "a page has another size": (
        "PAGE_WORDS - 1 - self.word[:10]",
        "2 * PAGE_WORDS - 1 - self.word[:11]",
        "crosses a page",
    ),
    "the same address": (".eq(INCR)", ".eq(0)", "does not count up"),
    "a beat of eight bytes": ("size.eq(SIZE)", "size.eq(SIZE + 1)", "wider than the bus"),
    "last is early": ("beat == aw.payload.len", "beat + 1 >= aw.payload.len", "W: last is wrong"),
    "last is late": ("beat == aw.payload.len", "beat == aw.payload.len + 1", "W: last is wrong"),
    "data goes on": ("w.valid & ~(w.ready & w.payload.last)", "w.valid", "W: data without an address"),
    "data comes first": ("aw.valid.eq(1), w.valid.eq(1)", "w.valid.eq(1)", "W: data without an address"),
    "a write is not waited for": (
        "~reading & ~writing",
        "~reading & ~aw.valid & ~w.valid",
        "too many writes",
    ),
    "a read's data is not waited for": ("~reading & ~writing", "~ar.valid & ~writing", "too many reads"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MASTERS.values(), ids=MASTERS)
def test_wrong_masters(right: str, wrong: str, message: str) -> None:
    refute(checked(mutant(copier, right, wrong).Copier()), message)


@pytest.mark.formal
def test_a_master_whose_bursts_are_too_long() -> None:
    refute(checked(Copier(), max_beats=16), "the burst is too long", 3)
