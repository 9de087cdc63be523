"""A function table answers with what was written last; behind it every beat leaves once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.drain
import shiftbook.hw.engine.function_table
from shiftbook.golden.isa.registers import Leaving
from shiftbook.golden.spec import ACTIVATION_WIDTH, DEFAULT
from shiftbook.hw.engine.drain import Drain
from shiftbook.hw.engine.function_table import FunctionTable
from tests.formal.checks import drive_freely, past, something
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SMALL = replace(DEFAULT, rows=2, cols=2, requantizers=1, bus_bytes=8)


def looked_up(table: FunctionTable, invariants: bool = True) -> Module:
    """The table, and one of its entries, any of them.

    Nothing is assumed. Proven by induction: where ``enable`` was there a cycle ago and is there, the result
    is the entry of the activation a cycle ago as it was written last before that cycle, 0 if it never was;
    without ``enable`` it is the activation.
    """
    m = Module()
    inside = Inside(table)
    m.submodules.table = inside.fragment
    drive_freely(m, table)
    index, entry, began = something(m, ACTIVATION_WIDTH, "index"), Signal(ACTIVATION_WIDTH), Signal()
    m.d.sync += began.eq(1)
    with m.If(table.write.enable & (table.write.index == index)):
        m.d.sync += entry.eq(table.write.data)
    asked = past(m, table.activation == index)
    before, enabled = past(m, entry), past(m, table.enable)
    with m.If(~table.enable):
        m.d.comb += Assert(table.result == table.activation, "an activation was changed on its way around")
    with m.Elif(began & asked & enabled):
        m.d.comb += Assert(table.result == before, "the entry is wrong")
    if invariants:
        m.d.comb += Assert(inside.word("table", index) == entry)
    return m


def left(drain: Drain) -> Module:
    """The drain, and what leaves it.

    Assumed: ``leaving`` does not change. Proven by induction: a beat that the requantizers have leaves in the
    next cycle where it is looked up, else at once; after ``clear`` none does; while idle none is on its way.
    """
    m = Module()
    inside = Inside(drain)
    m.submodules.drain = inside.fragment
    drive_freely(m, drain, but=("leaving",))
    m.d.comb += drain.leaving.eq(something(m, len(drain.leaving), "chosen"))
    made = inside.signal("made")
    m.d.comb += Assume(drain.leaving <= Leaving.FUNCTION)
    with m.If(drain.leaving == Leaving.FUNCTION):
        held = past(m, made & ~drain.clear)
        m.d.comb += Assert(drain.valid == held, "a beat is lost or repeated")
        m.d.comb += Assert(~(drain.idle & made), "a beat is on its way to the table while idle")
    with m.Else():
        m.d.comb += Assert(drain.valid == made, "a beat is late")
    m.d.comb += Assert(~(drain.idle & drain.valid), "a beat leaves while idle")
    return m


@pytest.mark.formal
def test_a_function_table() -> None:
    prove(looked_up(FunctionTable(DEFAULT)))


@pytest.mark.formal
def test_what_leaves_a_drain() -> None:
    prove(left(Drain(SMALL)))


TABLES = {
    "the way around goes through": ("self.enable, read", "1, read", "on its way around"),
    "the table is never asked": ("self.enable, read", "0, read", "the entry is wrong"),
    "the table is not read": ("read.en.eq(self.enable)", "read.en.eq(0)", "the entry is wrong"),
    "activations are signed": ("eq(self.activation)", "eq(self.activation ^ 128)", "the entry is wrong"),
    "an entry is not written": ("write.en.eq(self.write.enable)", "write.en.eq(0)", "the entry is wrong"),
    "entries lie elsewhere": ("eq(self.write.index)", "eq(self.write.index + 1)", "the entry is wrong"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), TABLES.values(), ids=TABLES)
def test_mutant_tables(right: str, wrong: str, message: str) -> None:
    table = mutant(shiftbook.hw.engine.function_table, right, wrong).FunctionTable(DEFAULT)
    refute(looked_up(table, invariants=False), message, 4)


DRAINS = {
    "beats leave before they are looked up": ("Mux(looks_up, held, made)", "made", "lost or repeated"),
    "beats without a function are late": ("Mux(looks_up, held, made)", "held", "is late"),
    "clear does not reach the table": ("& looks_up & ~self.clear", "& looks_up", "lost or repeated"),
    "idle too soon": ("| stages.any() | held)", "| stages.any())", "leaves while idle"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), DRAINS.values(), ids=DRAINS)
def test_mutant_drains(right: str, wrong: str, message: str) -> None:
    refute(left(mutant(shiftbook.hw.engine.drain, right, wrong).Drain(SMALL)), message, 12)
