"""The requantizer rounds, shifts and clamps as the formula of `golden.network.Requantize` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume

import hw.requantizer
from golden.spec import ACTIVATION_WIDTH, DEFAULT, Spec
from hw.requantizer import Requantizer, saturating_shift
from tests.formal.checks import anything, drive_freely
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

NARROW = replace(DEFAULT, accumulator_width=16, multiplier_width=4, shift_width=4)
SHIFTED = ((2, 6, 20), (21, 4, 10), (35, 5, 10), (49, 6, 10), (49, 6, 20))
"""Bits of the value, of the shift and of the result; with results of 10 bits as requantizers have them."""

WIDE = replace(DEFAULT, accumulator_width=32, multiplier_width=16, shift_width=6)


def times(value: Value, factor: Value) -> Value:
    """Their product, bit by bit of the factor: no operator is shared with the design."""
    return sum(Mux(bit, value << place, 0) for place, bit in enumerate(factor))


def formula(product: Value, shift: Value, zero_point: Value, low: Value, high: Value) -> Value:
    """``clamp(zero_point + (product + half >> shift), low, high)``, as wide as it takes."""
    half = Mux(shift == 0, 0, (1 << shift) >> 1)
    value = zero_point + ((product + half) >> shift)
    return Mux(value < low, low, Mux(value > high, high, value))


def multiplies(requantizer: Requantizer) -> Module:
    """The registered product, next to one that is added up bit by bit. Nothing is assumed."""
    m = Module()
    inside = Inside(requantizer)
    m.submodules.requantizer = inside.fragment
    drive_freely(m, requantizer)
    total, product = Signal(signed(requantizer.spec.accumulator_width)), inside.signal("product")
    expected = Signal.like(product)
    m.d.comb += total.eq(requantizer.accumulator + requantizer.bias)
    m.d.sync += expected.eq(times(total, requantizer.multiplier))
    m.d.comb += Assert(product == expected, "the product is wrong")
    return m


def requantized(requantizer: Requantizer) -> Module:
    """The requantizer, next to the formula.

    Assumed: ``low <= high``. Proven by induction, for every other input: the result is the formula's.
    Both have Amaranth's product of the same operands, so that the solver sees one multiplication:
    `multiplies` is about it, this is about all that comes after it.
    """
    m = Module()
    m.submodules.requantizer = dut = requantizer
    drive_freely(m, dut)
    total = Signal(signed(dut.spec.accumulator_width))
    product = Signal(signed(dut.spec.accumulator_width + dut.spec.multiplier_width))
    m.d.comb += [total.eq(dut.accumulator + dut.bias), Assume(dut.low <= dut.high)]
    m.d.sync += product.eq(total * dut.multiplier)
    result = formula(product, dut.shift, dut.zero_point, dut.low, dut.high)
    m.d.comb += Assert(dut.result == result, "the result is wrong")
    return m


def saturated(
    shift_of: Callable[[Value, Value, int], Value], width: int, shift_width: int, bits: int
) -> Module:
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
@pytest.mark.parametrize("spec", [NARROW, replace(DEFAULT, multiplier_width=4)], ids=["16", "24"])
def test_multiplies(spec: Spec) -> None:
    prove(multiplies(Requantizer(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", [DEFAULT, WIDE], ids=["default", "wide"])
def test_requantized(spec: Spec) -> None:
    prove(requantized(Requantizer(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize(("width", "shift_width", "bits"), SHIFTED)
def test_saturating_shift(width: int, shift_width: int, bits: int) -> None:
    prove(saturated(saturating_shift, width, shift_width, bits), depth=1)


@pytest.mark.formal
def test_mutant_product() -> None:
    requantizer = mutant(
        hw.requantizer, "total * self.multiplier", "total * self.multiplier[:-1]"
    ).Requantizer(NARROW)
    refute(multiplies(requantizer), "the product is wrong", 2)


RESULTS = {
    "halves are rounded down": (
        "halves + Cat(Const(1, 1), self.zero_point)",
        "halves + Cat(Const(0, 1), self.zero_point)",
    ),
    "no room for the zero point": ("self.shift, ACTIVATION_WIDTH + 2)", "self.shift, ACTIVATION_WIDTH + 1)"),
    "what is low is not clamped": ("Mux(moved < self.low, self.low, ", "Mux(0, self.low, "),
    "what is high wraps": ("Mux(moved > self.high, self.high, ", "Mux(moved > 255, self.high, "),
    "the clamp is one too high": (
        "Mux(moved > self.high, self.high, ",
        "Mux(moved > self.high, self.high + 1, ",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), RESULTS.values(), ids=RESULTS)
def test_mutant_results(right: str, wrong: str) -> None:
    requantizer = mutant(hw.requantizer, right, wrong).Requantizer(NARROW)
    refute(requantized(requantizer), "the result is wrong", 2)


SHIFTS = {
    "a level keeps too little": ("width + step - 1, len(value)", "width + step - 2, len(value)"),
    "a lost bit is not seen": ("bits[kept - 1 : -1]", "bits[kept : -1]"),
    "the bounds are swapped": (
        "Cat((~sign).replicate(width - 1), sign)",
        "Cat(sign.replicate(width - 1), ~sign)",
    ),
    "the value is not looked at": ("(~shift[level], value)", "(~shift[level], shifted)"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), SHIFTS.values(), ids=SHIFTS)
def test_mutant_shifts(right: str, wrong: str) -> None:
    shift_of = mutant(hw.requantizer, right, wrong).saturating_shift
    refute(saturated(shift_of, 35, 5, ACTIVATION_WIDTH + 2), "the shifted value is wrong", 1)
