"""The requantizer rounds, shifts and clamps as the formula of `golden.model.weights.Requantize` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.requantizer
from shiftbook.golden.isa.registers import OFFSET_WIDTH
from shiftbook.golden.spec import ACTIVATION_WIDTH, DEFAULT, FRACTION, LEAST_SHIFT, RESIDUAL_WIDTH, Spec
from shiftbook.hw.engine.requantizer import Requantizer, saturating_shift
from tests.formal.checks import anything, drive_freely
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

NARROW = replace(DEFAULT, accumulator_width=16, multiplier_width=9, shift_width=4)
FACTOR_BITS = 5
"""Bits of the multipliers with which the product is proven."""

SHIFTED = ((2, 6, 10), (20, 4, OFFSET_WIDTH), (34, 5, OFFSET_WIDTH), (48, 6, OFFSET_WIDTH), (48, 6, 10))
"""Bits of the value, of the shift and of the result; the middle three as requantizers have them."""

WIDE = replace(DEFAULT, accumulator_width=32, multiplier_width=16, shift_width=6)


def times(value: Value, factor: Value) -> Value:
    """Their product, bit by bit of the factor: no operator is shared with the design."""
    return sum(Mux(bit, value << place, 0) for place, bit in enumerate(factor))


def formula(product: Value, shift: Value, added: Value, low: Value, high: Value) -> Value:
    """``clamp(floor(product / 2^s + added / 2^FRACTION), low, high)``, as wide as it takes; s is the shift.

    This is `golden.model.weights.Requantize` with its zero points and half in ``added``, whose steps are
    ``2**-FRACTION`` of the output.
    """
    moved = shift + LEAST_SHIFT
    value = ((product << FRACTION) + (added << moved)) >> (moved + FRACTION)
    return Mux(value < low, low, Mux(value > high, high, value))


def multiplies(requantizer: Requantizer) -> Module:
    """The registered products, next to ones that are added up bit by bit.

    Assumed, for the solver's sake: the multiplier is below ``2**FACTOR_BITS``.
    """
    m = Module()
    inside = Inside(requantizer)
    m.submodules.requantizer = inside.fragment
    drive_freely(m, requantizer)
    total, product = Signal(signed(requantizer.spec.accumulator_width)), inside.signal("product")
    expected = Signal.like(product)
    m.d.comb += total.eq(requantizer.accumulator + requantizer.bias + requantizer.partial)
    m.d.comb += Assume(requantizer.multiplier >> FACTOR_BITS == 0)
    m.d.sync += expected.eq(times(total, requantizer.multiplier))
    m.d.comb += Assert(product == expected, "the product is wrong")
    added = inside.signal("added")
    expected_added = Signal.like(added)
    m.d.sync += expected_added.eq(times(requantizer.residual, requantizer.residual_multiplier))
    m.d.comb += Assert(added == expected_added, "the residual's product is wrong")
    return m


OFFSETS = (-255 * ((1 << RESIDUAL_WIDTH) - 1), (255 << FRACTION) + (1 << FRACTION - 1))
"""The offset of a layer is the zero point and a half, less the product of the residual's zero point."""


def requantized(requantizer: Requantizer) -> Module:
    """The requantizer, next to the formula, which shifts once and never saturates, and next to the bytes.

    Assumed: ``low <= high``, and an offset within `OFFSETS`. Proven by induction, for every other input: the
    result is the formula's. Both have Amaranth's products of the same operands, so that the solver sees two
    multiplications and not four: `multiplies` is about them, this is about all that comes after.
    """
    m = Module()
    m.submodules.requantizer = dut = requantizer
    drive_freely(m, dut)
    total = Signal(signed(dut.spec.accumulator_width))
    product = Signal(signed(dut.spec.accumulator_width + dut.spec.multiplier_width))
    residual = Signal(ACTIVATION_WIDTH + RESIDUAL_WIDTH)
    m.d.comb += [
        total.eq(dut.accumulator + dut.bias + dut.partial),
        Assume(dut.low <= dut.high),
        Assume((dut.offset >= OFFSETS[0]) & (dut.offset <= OFFSETS[1])),
    ]
    m.d.sync += [product.eq(total * dut.multiplier), residual.eq(dut.residual * dut.residual_multiplier)]
    result = formula(product, dut.shift, residual + dut.offset, dut.low, dut.high)
    in_bytes = [product[:8], product[8:16], product[16:24], residual[:8]]
    byte = Mux(
        dut.byte[1], Mux(dut.byte[0], in_bytes[3], in_bytes[2]), Mux(dut.byte[0], in_bytes[1], in_bytes[0])
    )
    m.d.comb += Assert(dut.result == Mux(dut.partial_out, byte, result), "the result is wrong")
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
@pytest.mark.parametrize("spec", [NARROW, DEFAULT], ids=["16", "24"])
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


PRODUCTS = {
    "partial sums are left out": (" + self.partial)", ")", "the product"),
    "the multiplier is cut": ("total * self.multiplier", "total * self.multiplier[:4]", "the product"),
    "the residual is signed": ("self.residual *", "self.residual.as_signed() *", "the residual's product"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), PRODUCTS.values(), ids=PRODUCTS)
def test_mutant_products(right: str, wrong: str, message: str) -> None:
    refute(multiplies(mutant(shiftbook.hw.engine.requantizer, right, wrong).Requantizer(NARROW)), message, 2)


RESULTS = {
    "the shift saturates too soon": ("self.shift, OFFSET_WIDTH)", "self.shift, OFFSET_WIDTH - 2)"),
    "the sum wraps": ("OFFSET_WIDTH + 2 - FRACTION", "OFFSET_WIDTH - 1 - FRACTION"),
    "a bit is dropped before the last shift": ("(shifted + added", "((shifted & -2) + added"),
    "halves are rounded away from zero": (
        "(shifted + added + self.offset)",
        "(shifted + added + self.offset - shifted[-1])",
    ),
    "what is low is not clamped": ("Mux(moved < self.low, self.low, ", "Mux(0, self.low, "),
    "what is high wraps": ("Mux(moved > self.high, self.high, ", "Mux(moved > 255, self.high, "),
    "bytes are clamped": ("Mux(self.partial_out, byte, clamped)", "clamped"),
    "the residual is a sum": ("added[:ACTIVATION_WIDTH]", "product[:ACTIVATION_WIDTH]"),
    "the clamp is one too high": (
        "Mux(moved > self.high, self.high, ",
        "Mux(moved > self.high, self.high + 1, ",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), RESULTS.values(), ids=RESULTS)
def test_mutant_results(right: str, wrong: str) -> None:
    requantizer = mutant(shiftbook.hw.engine.requantizer, right, wrong).Requantizer(NARROW)
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
    shift_of = mutant(shiftbook.hw.engine.requantizer, right, wrong).saturating_shift
    refute(saturated(shift_of, 34, 5, 10), "the shifted value is wrong", 1)
