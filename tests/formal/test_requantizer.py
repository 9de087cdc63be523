"""The requantizer rounds, shifts and clamps as the formula of `golden.network.Requantize` says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume

import hw.requantizer
from golden.spec import ACTIVATION_WIDTH, DEFAULT, Spec
from hw.requantizer import Requantizer, saturating_shift
from tests.formal.checks import anything, drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import prove, refute

NARROW = replace(DEFAULT, accumulator_width=16, multiplier_width=4, shift_width=4)
WIDE = replace(DEFAULT, accumulator_width=32, multiplier_width=16, shift_width=6)


def times(value: Value, factor: Value) -> Value:
    """Their product, bit by bit of the factor: no operator is shared with the design."""
    return sum(Mux(bit, value << place, 0) for place, bit in enumerate(factor))


def formula(product: Value, shift: Value, zero_point: Value, low: Value, high: Value) -> Value:
    """``clamp(zero_point + (product + half >> shift), low, high)``, as wide as it takes."""
    half = Mux(shift == 0, 0, (1 << shift) >> 1)
    value = zero_point + ((product + half) >> shift)
    return Mux(value < low, low, Mux(value > high, high, value))


def requantized(requantizer: Requantizer, multiply: bool) -> Module:
    """The requantizer, next to the formula.

    Assumed: ``low <= high``. Proven by induction, for every other input: the result is the formula's. With
    ``multiply`` the product is the checker's own; without, it is Amaranth's product of the same operands, so that
    the solver sees one multiplication and what is proven is all that comes after it.
    """
    m = Module()
    m.submodules.requantizer = dut = requantizer
    drive_freely(m, dut)
    width = dut.spec.accumulator_width
    total = Signal(signed(width))
    m.d.comb += [total.eq(dut.accumulator + dut.bias), Assume(dut.low <= dut.high)]
    product = Signal(signed(width + dut.spec.multiplier_width))
    m.d.sync += product.eq(times(total, dut.multiplier) if multiply else total * dut.multiplier)
    result = formula(product, dut.shift, dut.zero_point, dut.low, dut.high)
    m.d.comb += Assert(dut.result == result, "the result is wrong")
    return m


def saturated(shift_of: object, width: int, shift_width: int, bits: int) -> Module:
    """``saturating_shift`` of a value of ``width`` bits to ``bits``, next to ``>>`` and two comparisons."""
    m = Module()
    value = anything(m, signed(width), "value")
    shift = anything(m, shift_width, "shift")
    limit = 1 << bits - 1
    moved = value >> shift
    expected = Mux(moved < -limit, -limit, Mux(moved >= limit, limit - 1, moved))
    m.d.comb += Assert(shift_of(value, shift, bits) == expected, "the shifted value is wrong")
    return m


@pytest.mark.formal
def test_with_multiplication() -> None:
    prove(requantized(Requantizer(NARROW), multiply=True), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", [DEFAULT, WIDE], ids=["default", "wide"])
def test_after_multiplication(spec: Spec) -> None:
    prove(requantized(Requantizer(spec), multiply=False), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("width", [2, 12, 35, 49])
@pytest.mark.parametrize("shift_width", [4, 5, 6])
@pytest.mark.parametrize("bits", [9, ACTIVATION_WIDTH + 2, 20])
def test_saturating_shift(width: int, shift_width: int, bits: int) -> None:
    prove(saturated(saturating_shift, width, shift_width, bits), depth=1)
