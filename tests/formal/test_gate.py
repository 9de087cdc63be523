"""Multipliers that are residuals: the first of a gated channel from its first beat to its last, or each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert
from amaranth.lib import data

import shiftbook.hw.engine.drain
from shiftbook.golden.spec import ACTIVATION_WIDTH, DEFAULT
from shiftbook.hw.engine.drain import Drain
from tests.formal.checks import drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SMALL = replace(DEFAULT, rows=2, cols=2, requantizers=2, bus_bytes=8)


def multiplied(drain: Drain, invariants: bool = True) -> Module:
    """The drain, and what its requantizers multiply with.

    Nothing is assumed. Proven by induction, a cycle after the accumulators came: while ``gated``, it is the
    first residual of the first cycle after ``begin``, until the next ``begin``; while ``multiplied`` it is
    the requantizer's own residual; else it is the channel's multiplier.
    """
    m = Module()
    inside = Inside(drain)
    m.submodules.drain = inside.fragment
    drive_freely(m, drain)
    parameters = data.View(drain.parameters.shape(), inside.signal("current"))
    multiplier = past(m, parameters.multiplier)
    residuals = [past(m, residual) for residual in drain.residual]
    pixel, seen, begins = Signal(ACTIVATION_WIDTH), Signal(), past(m, drain.begin)
    first = past(m, begins)
    with m.If(first):
        m.d.sync += [pixel.eq(residuals[0]), seen.eq(1)]
    for number in range(drain.spec.requantizers):
        taken = inside.part(f"requantizer_{number}").component.multiplier
        gate = Mux(first, residuals[0], pixel)
        with m.If(drain.multiplied):
            m.d.comb += Assert(taken == residuals[number], "the multiplier is not the pixel's")
        with m.If(~drain.multiplied & drain.gated & (first | seen)):
            m.d.comb += Assert(taken == gate, "the multiplier is not the channel's gate")
        with m.If(~drain.multiplied & ~drain.gated):
            m.d.comb += Assert(taken == multiplier, "a channel without a gate has one")
    if invariants:
        m.d.comb += Assert(~seen | (inside.signal("held") == pixel))
        m.d.comb += Assert(inside.signal("first") == Cat(begins, first))
        m.d.comb += Assert(inside.signal("multiplier_0") == multiplier)
        for number, residual in enumerate(residuals):
            m.d.comb += Assert(inside.signal(f"residual_{number}_0") == residual)
    return m


@pytest.mark.formal
def test_gates() -> None:
    prove(multiplied(Drain(SMALL)))


MUTANTS = {
    "the first beat comes too early": (
        "Mux(first[-1], residual, held)",
        "held",
        "not the channel's gate",
    ),
    "a later pixel counts": (
        "Mux(first[-1], residual, held)",
        "residual",
        "not the channel's gate",
    ),
    "another pixel counts": (
        "held.eq(residual)",
        "held.eq(self.residual[1])",
        "not the channel's gate",
    ),
    "another pixel multiplies": (
        "Mux(self.multiplied, residuals[number], ",
        "Mux(self.multiplied, residuals[0], ",
        "not the pixel's",
    ),
    "all channels are gated": ("Mux(self.gated, ", "Mux(1, ", "without a gate has one"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    drain = mutant(shiftbook.hw.engine.drain, right, wrong).Drain(SMALL)
    refute(multiplied(drain, invariants=False), message, 8)
