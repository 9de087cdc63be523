"""The queue in registers keeps every item, in order."""

from __future__ import annotations

import pytest
from amaranth import Array, Module, Signal
from amaranth.hdl import Assert

import shiftbook.hw.system.fifo
from shiftbook.hw.system.fifo import Fifo
from tests.formal.checks import Followed, assert_steady, count, drive_freely
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

NAMED = mutant(
    shiftbook.hw.system.fifo,
    "first, end = Signal(range(self.depth)), Signal(range(self.depth))",
    "first = Signal(range(self.depth)); end = Signal(range(self.depth))",
)
"""The same design: Amaranth gives no name to what is assigned in a tuple, and the invariants need names."""


def queue(fifo: Fifo, invariants: bool = True) -> Module:
    """The queue, and items that are numbered by how many are ahead of them.

    Nothing is assumed. Proven by induction: no item comes out that did not go in, those that went in come in
    their order, once and unchanged; there is one on the output whenever there is one, and room for ``depth``.
    """
    m = Module()
    inside = Inside(fifo)
    m.submodules.fifo = inside.fragment
    drive_freely(m, fifo)
    enters = fifo.input.valid & fifo.input.ready
    leaves = fifo.output.valid & fifo.output.ready
    held = count(m, fifo.depth.bit_length() + 1, enters, leaves, fifo.clear)
    followed = Followed(
        m, enters=enters, value=fifo.input.payload, ahead=held, leaving=leaves, clear=fifo.clear
    )
    m.d.comb += [
        Assert(
            fifo.output.valid == (held != 0), "an item comes out that never went in, or does not come out"
        ),
        Assert(fifo.input.ready == (held < fifo.depth), "there is no room, or too much"),
        Assert(
            ~(followed.active & fifo.output.valid & (followed.ahead == 0))
            | (fifo.output.payload == followed.value),
            "an item was lost, repeated or changed",
        ),
    ]
    assert_steady(m, fifo.output, fifo.clear)
    if invariants:
        _invariants(m, inside, followed, held)
    return m


def _invariants(m: Module, inside: Inside, followed: Followed, held: Signal) -> None:
    """What makes the induction close: the registers hold the items from ``first`` on."""
    first, end = inside.signal("first"), inside.signal("end")
    items = Array(inside.signal(f"item_{place}") for place in range(inside.component.depth))
    at_followed = items[(first + followed.ahead)[: len(first)]]
    m.d.comb += [
        Assert(held <= inside.component.depth),
        Assert(inside.signal("level") == held),
        Assert((end - first - held)[: len(first)] == 0),
        Assert(~followed.active | ((followed.ahead < held) & (at_followed == followed.value))),
    ]


@pytest.mark.formal
@pytest.mark.parametrize("depth", [2, 4, 8])
def test_a_queue(depth: int) -> None:
    prove(queue(NAMED.Fifo(8, depth)))


MUTANTS = {
    "the first is read twice": ("first.eq(first + got)", "first.eq(first)", "lost, repeated"),
    "the last is overwritten": ("end.eq(end + put)", "end.eq(end)", "payload changed|lost, repeated"),
    "an item is written without room": ("with m.If(put)", "with m.If(self.input.valid)", "lost, repeated"),
    "one item too many": ("level != self.depth", "level <= self.depth", "no room, or too much"),
    "the last item does not come out": ("level != 0", "level > 1", "does not come out"),
    "clear is forgotten": ("first.eq(0), level.eq(0)", "first.eq(0)", "never went in"),
    "valid falls": ("level != 0", "(level != 0) & ~self.input.valid", "does not come out"),
    "what waits changes": (
        "Array(items)[first]",
        "Array(items)[first - self.input.valid]",
        "payload changed|lost, repeated",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    refute(queue(mutant(shiftbook.hw.system.fifo, right, wrong).Fifo(8, 2), invariants=False), message)
