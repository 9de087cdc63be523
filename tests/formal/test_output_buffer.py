"""The output buffer keeps every beat, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert, Assume

import hw.output_buffer
from golden.spec import DEFAULT, Spec
from hw.output_buffer import OutputBuffer
from tests.formal.checks import Followed, assert_steady, count, drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SPECS = {
    f"{spec.drain_cycles}_beats": spec
    for spec in (
        replace(DEFAULT, rows=2, cols=2, requantizers=4),
        replace(DEFAULT, rows=2, cols=2, requantizers=1),
        DEFAULT,
    )
}


def queue(buffer: OutputBuffer, invariants: bool = True) -> Module:
    """The buffer, and a queue of beats that are numbered by how many are ahead of them.

    Assumed: ``reserve`` only while ``room``, ``write`` only for beats that are reserved. Proven by
    induction: no beat is on the output that was not written, those that are come in their order and
    unchanged; a beat is there as soon as the documented latency has passed; ``room`` and ``empty`` tell
    the beats that are owed, and what is owed has room in the memory.
    """
    m = Module()
    inside = Inside(buffer)
    m.submodules.buffer = inside.fragment
    drive_freely(m, buffer)
    beats, depth = buffer.spec.drain_cycles, buffer.depth
    width = depth.bit_length() + 1
    taken = buffer.output.valid & buffer.output.ready
    stored = count(m, width, buffer.write, taken, buffer.clear)
    owed = count(m, width, Mux(buffer.reserve, beats, 0), taken, buffer.clear)
    m.d.comb += [
        Assume(~buffer.reserve | buffer.room),
        Assume(~buffer.write | (owed > stored)),
    ]
    followed = Followed(
        m, enters=buffer.write, value=buffer.data, ahead=stored, leaving=taken, clear=buffer.clear
    )
    m.d.comb += [
        Assert(~buffer.output.valid | (stored != 0), "a beat comes out that never went in"),
        Assert(
            ~(followed.active & buffer.output.valid & (followed.ahead == 0))
            | (buffer.output.payload == followed.value),
            "a beat was lost, repeated or changed",
        ),
        Assert(buffer.output.valid | ~past(m, ~buffer.clear & (stored != taken)), "a beat does not come out"),
        Assert(buffer.room == (owed + beats <= depth), "room is wrong"),
        Assert(buffer.empty == (owed == 0), "empty is wrong"),
    ]
    assert_steady(m, buffer.output, buffer.clear)
    if invariants:
        _invariants(m, inside, followed, stored, owed)
    return m


def _invariants(m: Module, inside: Inside, followed: Followed, stored: Signal, owed: Signal) -> None:
    """What makes the induction close: the memory holds the beats from ``read_index`` on."""
    depth = inside.component.depth
    read, write = inside.signal("read_index"), inside.signal("write_index")
    head = inside.word("memory", read)
    at_followed = inside.word("memory", (read + followed.ahead)[: len(read)])
    m.d.comb += [
        Assert(inside.signal("stored") == stored),
        Assert(inside.signal("owed") == owed),
        Assert((stored <= owed) & (owed <= depth)),
        Assert((write - read - stored)[: len(read)] == 0),
        Assert(~inside.component.output.valid | (inside.component.output.payload == head)),
        Assert(~followed.active | ((followed.ahead < stored) & (at_followed == followed.value))),
    ]


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_queue(spec: Spec) -> None:
    prove(queue(OutputBuffer(spec)))


MUTANTS = {
    "a beat is read twice": ("read_index + taken", "read_index", "lost, repeated or changed"),
    "valid too early": ("eq(stored != taken)", "eq((stored != taken) | self.write)", "lost, repeated"),
    "valid without a beat": ("eq(stored != taken)", "eq((stored != taken) | (owed == 0))", "never went in"),
    "valid for one cycle only": (
        "eq(stored != taken)",
        "eq((stored != taken) & ~self.output.valid)",
        "valid fell",
    ),
    "a beat stays inside": (
        "eq(stored != taken)",
        "eq((stored != taken) & (stored != 3))",
        "does not come out",
    ),
    "the read port goes on": ("read_index + taken", "read_index + self.output.valid", "payload changed"),
    "a beat is dropped": (
        "write.en.eq(self.write)",
        "write.en.eq(self.write & ~self.reserve)",
        "lost, repeated",
    ),
    "room too soon": ("owed <= self.depth - beats", "owed <= self.depth", "room is wrong"),
    "empty too soon": ("owed == 0", "stored == 0", "empty is wrong"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    buffer = mutant(hw.output_buffer, right, wrong).OutputBuffer(SPECS["4_beats"])
    refute(queue(buffer, invariants=False), message)
