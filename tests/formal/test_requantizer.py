"""The requantizer rounds, shifts and clamps as the formula of `golden.model.weights.Requantize` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.requantizer
from shiftbook.golden.isa.registers import OFFSET_WIDTH
from shiftbook.golden.spec import DEFAULT, FRACTION, LEAST_SHIFT, RESIDUAL_WIDTH, Spec
from shiftbook.hw.engine.requantizer import LOW_BITS, Requantizer, saturating_shift
from tests.formal.checks import anything, drive_freely, past, something
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


def multiplies(requantizer: Requantizer, invariants: bool = True) -> Module:
    """The product of the third stage, next to one that is added up bit by bit; and the residual's.

    Assumed, for the solver's sake: the multiplier is below ``2**FACTOR_BITS``.
    """
    m = Module()
    inside = Inside(requantizer)
    m.submodules.requantizer = inside.fragment
    drive_freely(m, requantizer)
    total, product = Signal(signed(requantizer.spec.accumulator_width)), inside.signal("product")
    opened, expected = Signal.like(product), Signal.like(product)
    m.d.comb += Assume(requantizer.multiplier >> FACTOR_BITS == 0)
    m.d.sync += [
        total.eq(requantizer.accumulator + requantizer.bias + requantizer.partial),
        opened.eq(times(total, requantizer.multiplier)),
        expected.eq(opened),
    ]
    m.d.comb += Assert(product == expected, "the product is wrong")
    added, factor = inside.signal("added"), requantizer.residual_multiplier
    residual = past(m, past(m, requantizer.residual))
    m.d.comb += Assert(
        added == past(m, times(residual, factor))[: len(added)], "the residual's product is wrong"
    )
    if invariants:
        low, sums, carries = (inside.signal(name) for name in ("low", "sums", "carries"))
        m.d.comb += Assert(inside.signal("total") == total)
        m.d.comb += Assert((low + (sums + carries << LOW_BITS))[: len(opened)].as_signed() == opened)
        m.d.comb += Assert(inside.signal("residual_1") == residual)
        m.d.comb += Assert(inside.signal("residual_0") == past(m, requantizer.residual))
    return m


OFFSETS = (-255 * ((1 << RESIDUAL_WIDTH) - 1), (255 << FRACTION) + (1 << FRACTION - 1))
"""The offset of a layer is the zero point and a half, less the product of the residual's zero point."""


def requantized(requantizer: Requantizer) -> Module:
    """All that comes after the product, next to the formula, which shifts once and never saturates.

    Assumed: ``low <= high``, an offset within `OFFSETS`, and that ``partial_out`` does not change. Proven by
    induction, for every other input and every product: the result is the formula's, or the byte. Design and
    formula have Amaranth's product of the same residual: `multiplies` is about products.
    """
    m = Module()
    inside = Inside(requantizer)
    m.submodules.requantizer = inside.fragment
    dut = requantizer
    drive_freely(m, dut, but=("partial_out",))
    residual = inside.signal("residual_1")
    m.d.comb += [
        dut.partial_out.eq(something(m, 1, "leaves")),
        Assume(dut.low <= dut.high),
        Assume((dut.offset >= OFFSETS[0]) & (dut.offset <= OFFSETS[1])),
    ]
    product, shift = past(m, inside.signal("product")), past(m, dut.shift)
    result = formula(
        product, shift, past(m, residual * dut.residual_multiplier) + dut.offset, dut.low, dut.high
    )
    in_bytes = Cat(product[:24], past(m, residual))
    byte = past(m, dut.byte)
    expected = Mux(dut.partial_out, (in_bytes >> (byte << 3))[:8], result)
    began = past(m, Const(1, 1))
    m.d.comb += Assert(~began | (dut.result == expected), "the result is wrong")
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
    "the multiplier is cut": (
        "(m, total, self.multiplier)",
        "(m, total, self.multiplier & 15)",
        "the product",
    ),
    "a sign counts positive": ("~(sign & bit)", "sign & bit", "the product"),
    "a carry is forgotten": ("a & b | a & c | b & c", "a & b | a & c", "the product"),
    "the lower bits carry nothing": ("Cat(low[LOW_BITS], ", "Cat(Const(0, 1), ", "the product"),
    "the residual is signed": ("residual * self", "residual.as_signed() * self", "the residual's product"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), PRODUCTS.values(), ids=PRODUCTS)
def test_mutant_products(right: str, wrong: str, message: str) -> None:
    requantizer = mutant(shiftbook.hw.engine.requantizer, right, wrong).Requantizer(NARROW)
    refute(multiplies(requantizer, invariants=False), message, 6)


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
    "bytes are clamped": ("Mux(self.partial_out, shifted[:ACTIVATION_WIDTH], clamped)", "clamped"),
    "bytes are shifted": ("Mux(self.partial_out, byte, moved", "Mux(0, byte, moved"),
    "the residual is a sum": ("PARTIAL_WIDTH], residual)", "PARTIAL_WIDTH], product[:ACTIVATION_WIDTH])"),
    "the clamp is one too high": (
        "Mux(moved > self.high, self.high, ",
        "Mux(moved > self.high, self.high + 1, ",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), RESULTS.values(), ids=RESULTS)
def test_mutant_results(right: str, wrong: str) -> None:
    requantizer = mutant(shiftbook.hw.engine.requantizer, right, wrong).Requantizer(NARROW)
    refute(requantized(requantizer), "the result is wrong", 6)


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
