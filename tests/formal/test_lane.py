"""A lane and the correction add up to the sum of the terms, modulo ``2**accumulator_width``.

Three lemmas, each proven for every input and every number of cycles, say it together. Each term of a row
has a product p, ``+-(x << e)`` or 0, and a power q, ``1 << e`` where it is negative and else 0. The digits of
a multiplier lane's weight are such terms too: `recodes` says that their sum is the weight.

1. What a lane adds for a term is ``p + 255 q`` (`addends`).
2. Whatever a lane adds, its accumulator is the sum of it (`accumulates`).
3. The correction is -255 times the sum of ``q`` (`corrects`).

The sum of ``p + 255 q``, less 255 times the sum of ``q``, is the sum of ``p``. This last step is on
paper: in one proof all this is too much for the solver. `sums` says it at once, and is checked for the
first rows only.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data

import shiftbook.hw.engine.booth
import shiftbook.hw.engine.correction
import shiftbook.hw.engine.lane
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.hw.engine.booth import Recoder, low_digits
from shiftbook.hw.engine.correction import Correction
from shiftbook.hw.engine.lane import MOST_ADDENDS, Lane, MultiplyLane, ShiftLane, make_lane
from tests.formal.checks import anything, drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute
from tests.hw.rows import lane_row, unit

SPECS = {
    "shift": DEFAULT,
    "two_term": PRESETS["two_term"],
    "focused": PRESETS["focused"],
    "shift4": PRESETS["shift4"],
    "three": replace(DEFAULT, slots=1, terms=((7, 7), (2, 5), (0, 0)), accumulator_width=32),
    "multiply": PRESETS["int8_sparse"],
    "multiply by 4 bits": replace(PRESETS["int8_sparse"], weight_width=4),
}
MULTIPLY = SPECS["multiply"]


def terms(row: data.View, spec: Spec) -> list[tuple[Value, Value]]:
    """Of each term of a row whether it is there and negative, and ``1 << e`` (`golden.coding.terms`)."""
    if spec.lane == "multiply":
        return digits(row)
    result = []
    for number, (low, high) in enumerate(spec.terms):
        exponent = row[f"exponent{number}"] if high > low else 0
        power: Value | int = 0
        for step in range(high - low + 1):
            power = Mux(exponent == step, 1 << low + step, power)
        result.append((row[f"enable{number}"], row[f"negative{number}"], Value.cast(power)))
    return result


def digits(row: data.View) -> list[tuple[Value, Value, Value]]:
    """The same of each digit of a weight, whose magnitude is 1 or 2."""
    low = [row[f"digit{place}"] for place in range(low_digits(row))]
    found = [(d.plus | d.minus | d.double, d.minus, d.double) for d in low]
    found.append((row.last.single | row.last.double, row.last.negative, row.last.double))
    return [
        (there, negative, Mux(double, 2, 1) << 2 * place)
        for place, (there, negative, double) in enumerate(found)
    ]


def as_recoded(row: data.View) -> Value:
    """A digit has one size, and only one that is there is negative; `recodes` shows that rows are so."""
    last = row.last
    sizes = [row[f"digit{place}"] for place in range(low_digits(row))]
    alone = [d.plus + d.minus + d.double <= 1 for d in sizes]
    one = last.single + last.double <= 1
    return Cat(*alone, one, ~last.negative | last.single | last.double).all()


def assume_recoded(m: Module, rows: data.View, spec: Spec) -> None:
    """Nothing is assumed of the rows of a shift lane."""
    if spec.lane == "multiply":
        m.d.comb += [Assume(as_recoded(row)) for row in rows]


def recodes(recoder: Recoder) -> Module:
    """The digits of every weight add up to it and are as `as_recoded` says."""
    m = Module()
    m.submodules.recoder = recoder
    drive_freely(m, recoder)
    total = sum(
        Mux(there, Mux(negative, -power, power), 0) for there, negative, power in digits(recoder.digits)
    )
    m.d.comb += [
        Assert(total == recoder.weight.as_signed(), "the digits are another weight"),
        Assert(as_recoded(recoder.digits), "a digit has two sizes, or a sign alone"),
    ]
    return m


def product(pixel: Value, row: data.View, spec: Spec) -> Value:
    """What a row means: the sum of ``+-(x << e)``."""
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
    pixel, found = lane.pixels[-1], terms(lane.rows[-1], lane.spec)
    assume_recoded(m, lane.rows, lane.spec)
    for added, (there, negative, power) in zip(lane.addends()[-len(found) :], found, strict=True):
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
    total, now = Signal(spec.accumulator_width), past(m, sum(added, Const(0, 1)))
    m.d.sync += total.eq(Mux(lane.start, 0, total) + now)
    shadow = Mux(past(m, lane.start), past(m, total), past(m, lane.above))
    m.d.comb += Assert(lane.shadow == shadow, "the sum is wrong")
    if invariants:
        m.d.comb += Assert(inside.signal("accumulator") == total)
        parts = [inside.signal(f"added_{number}") for number in range(1 + (len(added) > MOST_ADDENDS))]
        m.d.comb += Assert(sum(parts)[: len(total)] == now[: len(total)])
    return m


def corrects(correction: Correction, invariants: bool = True) -> Module:
    """Lemma 3: in every cycle, so also while ``start``."""
    m = Module()
    inside = Inside(correction)
    m.submodules.correction = inside.fragment
    drive_freely(m, correction)
    spec = correction.spec
    assume_recoded(m, correction.rows, spec)
    total = Signal(spec.accumulator_width)
    owed = [Mux(negative, power, 0) for row in correction.rows for _, negative, power in terms(row, spec)]
    now = past(m, sum(owed, Const(0, 1)))
    m.d.sync += total.eq(now + Mux(correction.start, 0, total))
    if invariants:
        m.d.comb += Assert(inside.signal("now") == now)
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
    pixel = past(m, lane.pixels[0])
    added = past(m, sum_is(m, lane, 1)) & lane.fold & ~lane.start
    taken = past(m, sum_is(m, lane, -1)) & ~lane.fold & ~lane.start & (accumulator < 256)
    before = past(m, past(m, accumulator))
    larger = Mux(before > past(m, pixel), before, past(m, pixel))
    twice = past(m, past(m, taken) & added & (past(m, pixel) == pixel))
    m.d.comb += Assert(~twice | (accumulator == larger), "the larger of the two is lost")
    return m


def sum_is(m: Module, lane: Lane, weight: int) -> Signal:
    """The first slot's row is ``weight``, 1 or -1, and the others' add nothing."""
    told = lane.rows.shape().elem_shape.const(lane_row(unit(weight, lane.spec), lane.spec))
    first, *others = lane.rows
    result = Signal()
    m.d.comb += result.eq(
        (first.as_value() == told.as_value()) & ~Cat(row.as_value() for row in others).any()
    )
    return result


def sums(lane: Lane, correction: Correction) -> Module:
    """A lane and the correction, next to an accumulator that adds up what rows mean.

    In the cycle after ``start`` the lane's shadow register, and with it the correction of the cycle before,
    is the sum of the rows since the last ``start``. Assumed: no ``fold``, no negative term that is not there,
    and digits as a recoder gives them. Bounded, for the solver's sake: the first `FIRST_CYCLES` cycles.
    """
    m = Module()
    spec = lane.spec
    m.submodules.lane = lane
    drive_freely(m, lane, but=("fold",))
    m.submodules.correction = correction
    m.d.comb += [correction.rows.eq(lane.rows), correction.start.eq(lane.start)]
    found = [term for row in lane.rows for term in terms(row, spec)]
    m.d.comb += [Assume(there | ~negative) for there, negative, _ in found]
    assume_recoded(m, lane.rows, spec)
    total = Signal(spec.accumulator_width)
    products = [product(lane.pixels[slot], lane.rows[slot], spec) for slot in range(spec.slots)]
    now = past(m, sum(products, Const(0, 1)))
    m.d.sync += total.eq(now + Mux(lane.start, 0, total))
    sum_found = (lane.shadow + past(m, correction.correction))[: spec.accumulator_width]
    m.d.comb += Assert(~past(m, lane.start) | (sum_found == past(m, total)), "the sum is wrong")
    return m


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_addends(spec: Spec) -> None:
    prove(addends(make_lane(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_accumulates(spec: Spec) -> None:
    prove(accumulates(ShiftLane if spec.lane == "shift" else MultiplyLane, spec))


@pytest.mark.formal
@pytest.mark.parametrize("width", [4, 8])
def test_recodes(width: int) -> None:
    prove(recodes(Recoder(width)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_corrects(spec: Spec) -> None:
    prove(corrects(Correction(spec)), depth=1)


@pytest.mark.formal
@pytest.mark.parametrize("spec", [DEFAULT, MULTIPLY], ids=["shift", "multiply"])
def test_keeps_the_larger(spec: Spec) -> None:
    prove(keeps_the_larger(make_lane(spec)), depth=4)


FIRST_CYCLES = {"shift": 5, "focused": 5, "int8_sparse": 3}
"""How far the solver gets, by preset."""


@pytest.mark.formal
@pytest.mark.parametrize("preset", FIRST_CYCLES)
def test_first_rows(preset: str) -> None:
    spec = replace(PRESETS[preset], slots=1)
    prove(sums(make_lane(spec), Correction(spec)), "bmc", FIRST_CYCLES[preset])


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


MULTIPLES = {
    "a digit takes the bit for its complement": ("digit.plus, digit.minus", "digit.minus, digit.plus"),
    "a digit does not double": ("Cat(Const(0, 1), double)", "Cat(double, Const(0, 1))"),
    "the last digit is not negative": (
        "pixel ^ row.last.negative.replicate",
        "pixel & row.last.negative.replicate",
    ),
    "a digit is in the place of the one below": ("2 * number), Cat(single", "number), Cat(single"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong"), MULTIPLES.values(), ids=MULTIPLES)
def test_mutant_multiples(right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong_multiples = mutant(shiftbook.hw.engine.booth, right, wrong).multiples
    monkeypatch.setattr(shiftbook.hw.engine.lane, "multiples", wrong_multiples)
    refute(addends(MultiplyLane(replace(MULTIPLY, slots=1))), "a term is wrong", 1)


RECODES = {
    "a carry is lost": ("total >= 3", "total == 3", "another weight"),
    "4 is no 0": ("total[1] & ~total[0]", "total[1] | total[2]", "two sizes"),
    "the last digit's sign is that of the weight": ("negative & ~total[2]", "negative", "two sizes"),
    "2 is 1": ("total == 1", "total[:2] != 0", "two sizes"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), RECODES.values(), ids=RECODES)
def test_mutant_recoders(right: str, wrong: str, message: str) -> None:
    refute(recodes(mutant(shiftbook.hw.engine.booth, right, wrong).Recoder(8)), message, 1)


@pytest.mark.formal
def test_mutant_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = "row.last.negative & row.last.double", "row.last.double"
    wrong_owed = mutant(shiftbook.hw.engine.booth, right, wrong).owed
    monkeypatch.setattr(shiftbook.hw.engine.correction, "owed", wrong_owed)
    refute(corrects(Correction(replace(MULTIPLY, slots=1)), invariants=False), "the correction is wrong", 5)


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
        5,
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
    refute(keeps_the_larger(lane), "the larger of the two is lost", 6)


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
    refute(corrects(correction, invariants=False), "the correction is wrong", 5)
