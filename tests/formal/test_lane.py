"""A lane and the correction add up to the sum of the terms, modulo ``2**accumulator_width``.

Three lemmas, each proven for every input and every number of cycles, say it together. Each term of a row
has a product p, ``+-(x << e)`` or 0, and a power q, ``1 << e`` where it is negative and else 0.

1. What a lane adds for a term is ``p + 255 q`` (`addends`); a multiplier lane adds ``p``.
2. Whatever a lane adds, its accumulator is the sum of it (`accumulates`).
3. The correction is -255 times the sum of ``q`` (`corrects`).

The sum of ``p + 255 q``, less 255 times the sum of ``q``, is the sum of ``p``. This last step is on
paper: in one proof all this is too much for the solver. `sums` says it at once, and is checked for the
first rows only.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data

import shiftbook.hw.engine.correction
import shiftbook.hw.engine.lane
from shiftbook.golden.coding.terms import Row, Term
from shiftbook.golden.program.row_words import row_words
from shiftbook.golden.spec import DEFAULT, PRESETS, WEIGHT_WIDTH, Spec
from shiftbook.hw.engine.correction import Correction
from shiftbook.hw.engine.lane import Lane, MultiplyLane, ShiftLane, make_lane
from tests.formal.checks import anything, drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SPECS = {
    "shift": DEFAULT,
    "two_term": PRESETS["two_term"],
    "focused": PRESETS["focused"],
    "shift4": PRESETS["shift4"],
    "three": replace(DEFAULT, slots=1, terms=((7, 7), (2, 5), (0, 0)), accumulator_width=32),
}
MULTIPLY = PRESETS["int8_sparse"]


def terms(row: data.View, spec: Spec) -> list[tuple[Value, Value]]:
    """Of each term of a row whether it is there and negative, and ``1 << e`` (`golden.coding.terms`)."""
    result = []
    for number, (low, high) in enumerate(spec.terms):
        exponent = row[f"exponent{number}"] if high > low else 0
        power: Value | int = 0
        for step in range(high - low + 1):
            power = Mux(exponent == step, 1 << low + step, power)
        result.append((row[f"enable{number}"], row[f"negative{number}"], Value.cast(power)))
    return result


def product(pixel: Value, row: data.View, spec: Spec) -> Value:
    """What a row means: the sum of ``+-(x << e)``, or the pixel times the weight, bit by bit."""
    if spec.lane == "multiply":
        parts = [Mux(row.weight[place], pixel << place, 0) for place in range(WEIGHT_WIDTH)]
        return sum(parts[:-1]) - parts[-1]
    total: Value | int = 0
    for there, negative, power in terms(row, spec):
        size = sum(Mux(bit, pixel << place, 0) for place, bit in enumerate(power))
        total = total + Mux(there, Mux(negative, -size, size), 0)
    return Value.cast(total)


def addends(lane: Lane) -> Module:
    """Lemma 1, for a row and a pixel of any content in the last slot."""
    m = Module()
    m.submodules.lane = lane
    drive_freely(m, lane)
    spec, pixel, row = lane.spec, lane.pixels[-1], lane.rows[-1]
    if spec.lane == "multiply":
        m.d.comb += Assert(lane.addends()[-1] == product(pixel, row, spec), "a product is wrong")
        return m
    for added, (there, negative, power) in zip(
        lane.addends()[-len(spec.terms) :], terms(row, spec), strict=True
    ):
        size = sum(Mux(bit, pixel << place, 0) for place, bit in enumerate(power))
        signed_size = Mux(there, Mux(negative, -size, size), 0)
        left = Mux(there & negative, (power << 8) - power, 0)
        m.d.comb += Assert(added == signed_size + left, "a term is wrong")
    return m


def accumulates(kind: type[Lane], spec: Spec, invariants: bool = True) -> Module:
    """Lemma 2, with addends of any value; and that ``shadow`` is ``above`` where no channel begins.

    Assumed: no ``fold``, which is for `keeps_the_larger`.
    """
    m = Module()
    added: list[Value] = []

    class AnyAddends(kind):
        def addends(self) -> list[Value]:
            added.extend(anything(m, value.shape(), "addend") for value in super().addends())
            return list(added)

    lane = AnyAddends(spec)
    inside = Inside(lane)
    m.submodules.lane = inside.fragment
    drive_freely(m, lane, but=("fold",))
    total = Signal(spec.accumulator_width)
    m.d.sync += total.eq(Mux(lane.start, 0, total) + sum(added))
    shadow = Mux(past(m, lane.start), past(m, total), past(m, lane.above))
    m.d.comb += Assert(lane.shadow == shadow, "the sum is wrong")
    if invariants:
        m.d.comb += Assert(inside.signal("accumulator") == total)
    return m


def corrects(correction: Correction) -> Module:
    """Lemma 3: in every cycle, so also while ``start``."""
    m = Module()
    m.submodules.correction = correction
    drive_freely(m, correction)
    spec = correction.spec
    total = Signal(spec.accumulator_width)
    owed = [Mux(negative, power, 0) for row in correction.rows for _, negative, power in terms(row, spec)]
    m.d.sync += total.eq(sum(owed, Mux(correction.start, 0, total)))
    m.d.comb += Assert(
        correction.correction == (-255 * total)[: spec.accumulator_width], "the correction is wrong"
    )
    return m


def keeps_the_larger(lane: Lane) -> Module:
    """A pixel that is taken away, and then added with ``fold``, leaves the larger of the two.

    Assumed: the accumulator is in 0..255 before. Proven by induction.
    """
    m = Module()
    inside = Inside(lane)
    m.submodules.lane = inside.fragment
    drive_freely(m, lane)
    accumulator = inside.signal("accumulator")
    pixel = lane.pixels[0]
    added = sum_is(m, lane, 1) & lane.fold & ~lane.start
    taken = sum_is(m, lane, -1) & ~lane.fold & ~lane.start & (accumulator < 256)
    before = past(m, past(m, accumulator))
    larger = Mux(before > past(m, pixel), before, past(m, pixel))
    twice = past(m, past(m, taken) & added & (past(m, pixel) == pixel))
    m.d.comb += Assert(~twice | (accumulator == larger), "the larger of the two is lost")
    return m


def sum_is(m: Module, lane: Lane, weight: int) -> Signal:
    """The first slot's row is ``weight``, 1 or -1, and the others' add nothing."""
    row: Row = weight if lane.spec.lane == "multiply" else (Term(weight, 0),)
    bits = [*row_words([(0, row)], lane.spec).tolist(), *[0] * (lane.spec.slots - 1)]
    result = Signal()
    m.d.comb += result.eq(
        Cat(row.as_value() == word for row, word in zip(lane.rows, bits, strict=True)).all()
    )
    return result


def sums(lane: Lane, correction: Correction | None) -> Module:
    """A lane and the correction, next to an accumulator that adds up what rows mean.

    In the cycle after ``start`` the lane's shadow register, and with it the correction of the cycle before,
    is the sum of the rows since the last ``start``. Assumed: no ``fold``, and no negative term that is not
    there. Bounded, for the solver's sake: the first `FIRST_CYCLES` cycles.
    """
    m = Module()
    spec = lane.spec
    m.submodules.lane = lane
    drive_freely(m, lane, but=("fold",))
    owed: Value | int = 0
    if correction is not None:
        m.submodules.correction = correction
        m.d.comb += [correction.rows.eq(lane.rows), correction.start.eq(lane.start)]
        owed = correction.correction
        found = [term for row in lane.rows for term in terms(row, spec)]
        m.d.comb += [Assume(there | ~negative) for there, negative, _ in found]
    total = Signal(spec.accumulator_width)
    products = [product(lane.pixels[slot], lane.rows[slot], spec) for slot in range(spec.slots)]
    m.d.sync += total.eq(sum(products, Mux(lane.start, 0, total)))
    sum_found = (lane.shadow + past(m, owed))[: spec.accumulator_width]
    m.d.comb += Assert(~past(m, lane.start) | (sum_found == past(m, total)), "the sum is wrong")
    return m


@pytest.mark.formal
@pytest.mark.parametrize("spec", [*SPECS.values(), MULTIPLY], ids=[*SPECS, "multiply"])
def test_addends(spec: Spec) -> None:
    prove(addends(make_lane(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", [*SPECS.values(), MULTIPLY], ids=[*SPECS, "multiply"])
def test_accumulates(spec: Spec) -> None:
    prove(accumulates(ShiftLane if spec.lane == "shift" else MultiplyLane, spec))


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_corrects(spec: Spec) -> None:
    prove(corrects(Correction(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", [DEFAULT, MULTIPLY], ids=["shift", "multiply"])
def test_keeps_the_larger(spec: Spec) -> None:
    prove(keeps_the_larger(make_lane(spec)), depth=3)


FIRST_CYCLES = 4


@pytest.mark.formal
@pytest.mark.parametrize("preset", ["shift", "focused", "int8_sparse"])
def test_first_rows(preset: str) -> None:
    spec = replace(PRESETS[preset], slots=1)
    correction = Correction(spec) if spec.lane == "shift" else None
    prove(sums(make_lane(spec), correction), "bmc", FIRST_CYCLES)


ADDENDS = {
    "a term that is not there is left as it is": ("gated(value, enable & ~last)", "gated(value, ~last)"),
    "a term that is not there is moved": ("enable & last", "last"),
    "the last level moves too little": ("1 << len(bits)", "len(bits)"),
    "another level moves too little": ("value << (1 << level)", "value << level"),
    "no term is negative": (
        'pixel ^ terms[f"negative{number}"].replicate',
        'pixel & terms[f"negative{number}"].replicate',
    ),
    "the longest shift is cut": ("ACTIVATION_WIDTH + high - low]", "ACTIVATION_WIDTH + high - low - 1]"),
    "the lowest exponent is forgotten": ("Const(0, low), value", "Const(0, low - 1), value"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), ADDENDS.values(), ids=ADDENDS)
def test_mutant_terms(right: str, wrong: str) -> None:
    kind = mutant(shiftbook.hw.engine.lane, right, wrong).ShiftLane
    refute(addends(kind(replace(DEFAULT, slots=1, terms=((1, 7),)))), "a term is wrong", 1)


@pytest.mark.formal
def test_mutant_product() -> None:
    lane = mutant(
        shiftbook.hw.engine.lane, "self.rows[slot].weight for", "self.rows[slot].weight[:8] for"
    ).MultiplyLane(MULTIPLY)
    refute(addends(lane), "a product is wrong", 1)


ACCUMULATES = {
    "start does not clear": ("~(self.start | self.fold).replicate(len(high))", "-1"),
    "the shadow takes what comes next": (
        "Mux(self.start, accumulator, self.above)",
        "Mux(self.start, self.kept(accumulator), self.above)",
    ),
    "an odd addend is lost": ("len(addends) & ~1 :]", "len(addends) :]"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), ACCUMULATES.values(), ids=ACCUMULATES)
def test_mutant_accumulators(right: str, wrong: str) -> None:
    spec = replace(DEFAULT, slots=3)
    refute(
        accumulates(mutant(shiftbook.hw.engine.lane, right, wrong).ShiftLane, spec, invariants=False),
        "the sum is wrong",
        4,
    )


FOLDS = {
    "a carry is forgotten": ("rest + (self.fold & larger)", "rest"),
    "the smaller stays": ("(self.fold & ~larger)", "(self.fold & larger)"),
    "256 stays": ("~(self.start | self.fold).replicate(len(high))", "~self.start.replicate(len(high))"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), FOLDS.values(), ids=FOLDS)
def test_mutant_folds(right: str, wrong: str) -> None:
    lane = mutant(shiftbook.hw.engine.lane, right, wrong).ShiftLane(replace(DEFAULT, slots=1))
    refute(keeps_the_larger(lane), "the larger of the two is lost", 5)


@pytest.mark.formal
def test_mutant_multiply_fold() -> None:
    lane = mutant(shiftbook.hw.engine.lane, "accumulator[-1])", "~accumulator[-1])").MultiplyLane(
        replace(MULTIPLY, slots=1)
    )
    refute(keeps_the_larger(lane), "the larger of the two is lost", 5)


CORRECTS = {
    "255 is 256": ("self.correction.eq(total - (", "self.correction.eq(-("),
    "start does not clear": ("Mux(self.start, 0, total)", "total"),
    "the longest shift is cut": ("[: high - low + 1]", "[: high - low]"),
    "the lowest exponent is forgotten": ("power << Const(low)", "power"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), CORRECTS.values(), ids=CORRECTS)
def test_mutant_corrections(right: str, wrong: str) -> None:
    correction = mutant(shiftbook.hw.engine.correction, right, wrong).Correction(
        replace(DEFAULT, slots=1, terms=((1, 7),))
    )
    refute(corrects(correction), "the correction is wrong", 4)
