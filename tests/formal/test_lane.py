"""A lane and the correction add up to the sum of the terms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import Assert
from amaranth.lib import data

import hw.correction
import hw.lane
from golden.spec import DEFAULT, PRESETS, WEIGHT_WIDTH, Spec
from hw.correction import Correction
from hw.lane import Lane, make_lane
from tests.formal.checks import anything, drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SPECS = {
    "shift": replace(DEFAULT, slots=1),
    "shift_2_slots": replace(DEFAULT, slots=2),
    "shift_32_bits": replace(DEFAULT, slots=1, accumulator_width=32),
    "pair": replace(PRESETS["pair"], slots=1),
    "focused": replace(PRESETS["focused"], slots=1),
    "three": replace(DEFAULT, slots=1, terms=((7, 7), (2, 5), (0, 0))),
    "multiply": replace(PRESETS["int8_sparse"], slots=1),
    "multiply_2": replace(PRESETS["int8_sparse"], slots=2),
    "shift_4_slots": replace(DEFAULT, slots=4),
    "pair_4_slots": PRESETS["pair"],
    "multiply_4_slots": replace(PRESETS["int8_sparse"], slots=4),
}


def product(pixel: Value, row: data.View, spec: Spec) -> Value:
    """What a row means (`golden.terms`): the pixel times the sum of its terms, or times its weight.

    Written as sums and differences of shifted pixels: no operator is shared with the design.
    """
    total: Value | int = 0
    if spec.lane == "multiply":
        for place in range(WEIGHT_WIDTH):
            part = Mux(row.weight[place], pixel << place, 0)
            total = total - part if place == WEIGHT_WIDTH - 1 else total + part
    else:
        for number, (low, high) in enumerate(spec.terms):
            exponent = row[f"exponent{number}"] if high > low else 0
            for step in range(high - low + 1):
                chosen = row[f"enable{number}"] & (exponent == step)
                part = Mux(chosen, pixel << (low + step), 0)
                total = total + Mux(row[f"negative{number}"], -part, part)
    return Value.cast(total)


def sums(lane: Lane, correction: Correction | None, invariants: bool = True) -> Module:
    """A lane and the correction, next to an accumulator that adds up what rows mean.

    Nothing is assumed: pixels, rows and ``start`` are anything in every cycle. Proven by induction: in the cycle
    after ``start`` the lane's shadow register, and with it the correction of the cycle before, is the sum of
    the rows since the last ``start``, modulo ``2**accumulator_width``; in other cycles it is ``above``, a cycle ago.
    """
    m = Module()
    spec = lane.spec
    inside = Inside(lane)
    m.submodules.lane = inside.fragment
    drive_freely(m, lane)
    owed: Value | int = 0
    if correction is not None:
        m.submodules.correction = correction
        m.d.comb += [correction.rows.eq(lane.rows), correction.start.eq(lane.start)]
        owed = correction.correction
    total = Signal(spec.accumulator_width)
    added = [product(lane.pixels[slot], lane.rows[slot], spec) for slot in range(spec.slots)]
    m.d.sync += total.eq(sum(added, Mux(lane.start, 0, total)))
    begun = Signal()
    finished = Signal(spec.accumulator_width)
    m.d.sync += [begun.eq(begun | lane.start), finished.eq(total - owed)]
    shadow = Mux(past(m, lane.start), finished, past(m, lane.above))
    m.d.comb += Assert(~begun | (lane.shadow == shadow), "the sum is wrong")
    if invariants:
        accumulator = inside.signal("accumulator")
        m.d.comb += Assert((accumulator + owed - total)[: spec.accumulator_width] == 0)
    return m


def proof_of(spec: Spec) -> Module:
    return sums(make_lane(spec), Correction(spec) if spec.lane == "shift" else None)


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_sums(spec: Spec) -> None:
    prove(proof_of(spec))
