"""Every unit that the package holds computes what its golden function says, exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from shiftbook.golden.spec import PRESETS
from shiftbook.synth.units.additive import DIM
from shiftbook.synth.units.integer import Int4, Int8
from shiftbook.synth.units.shift import Shift
from shiftbook.synth.units.unit import ACCUMULATOR, Group, Unit, width
from tests.hw.rows import lane_row
from tests.synth.units.known import UNITS

INPUTS = 33
"""More than two groups, and one that is not full."""

CYCLES = 7


def words(rng: np.random.Generator, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random words; two rows of them are all zeros and all ones."""
    chunks = -(-bits // 32)
    kind = np.int64 if bits < 62 else object
    parts = rng.integers(0, 1 << 32, (chunks, *shape)).astype(object)
    found = sum(part << (32 * number) for number, part in enumerate(parts)) & ((1 << bits) - 1)
    found[0], found[1] = 0, (1 << bits) - 1
    return found.astype(kind)


def packed(values: np.ndarray, bits: int) -> int:
    return sum(int(value) << (bits * place) for place, value in enumerate(values))


def wrapped(values: np.ndarray) -> list[int]:
    half = 1 << (ACCUMULATOR - 1)
    return [(int(value) + half) % (2 * half) - half for value in values]


def simulated(unit: Unit, x: np.ndarray, w: np.ndarray, scales: np.ndarray, starts: list[bool]) -> list[int]:
    found = []

    async def play(ctx) -> None:
        for number in range(unit.coefficients):
            ctx.set(unit.scales[number], int(scales[number]))
        for pixels, weights, start in zip(x, w, starts, strict=True):
            ctx.set(unit.x, packed(pixels, width(unit.activation)))
            ctx.set(unit.w, packed(weights, width(unit.weight)))
            ctx.set(unit.start, start)
            await ctx.tick()
            found.append(ctx.get(unit.sum))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()
    return found


CASES = [
    pytest.param(method, extreme, id=f"{method.__name__}{'-extreme' * extreme}")
    for method in UNITS
    for extreme in ((False, True) if method.coefficients else (False,))
]


@pytest.mark.parametrize(("method", "extreme"), CASES)
def test_unit_equals_golden(method: type[Unit], extreme: bool) -> None:
    """Corners, also of both operands together, random codes, and a second dot product after the first."""
    rng = np.random.default_rng(0)
    inputs = 7 if method.coefficients > 4 else INPUTS
    x = words(rng, width(method.activation), (CYCLES, inputs))
    w = words(rng, width(method.weight), (CYCLES, inputs))
    x[2] = x[1]
    w[3], x[3] = w[1], x[0]
    scales = rng.integers(-128, 128, method.coefficients)
    if extreme:
        scales[:] = -128
    starts = [cycle in (0, 4) for cycle in range(CYCLES)]
    each = method.golden(x, w, scales)
    expected = np.concatenate([np.cumsum(each[:4]), np.cumsum(each[4:])])
    assert simulated(method(inputs), x, w, scales, starts) == wrapped(expected)


@pytest.mark.parametrize(("method", "bits"), [(Int8, 8), (Int4, 4)])
def test_recoded_weights_multiply(method: type[Unit], bits: int) -> None:
    """The golden function is exact for any digits; for a weight's own it is the product."""
    spec = replace(PRESETS["int8"], weight_width=bits)
    for weight in range(-(1 << bits - 1), 1 << bits - 1):
        digits = lane_row({"weight": weight}, spec)
        word = sum(
            digits[name][part] << field.offset + place
            for name, field in method.weight
            for place, part in enumerate(digits[name])
        )
        x = np.arange(256)[:, None]
        found = method.golden(x, np.full_like(x, word), np.zeros(0, np.int64))
        assert found.tolist() == (weight * x[:, 0]).tolist()


def test_a_group_is_a_codeword_times_a_vector() -> None:
    """What fills the tables of the look-up: its sum is too large by a known number."""
    rng = np.random.default_rng(1)
    x, w = words(rng, 8, (8, DIM)), words(rng, width(Shift.weight), (8, DIM))
    group, found = Group(Shift, DIM), []

    async def play(ctx) -> None:
        for pixels, codes in zip(x, w, strict=True):
            ctx.set(group.x, packed(pixels, 8))
            ctx.set(group.w, packed(codes, width(Shift.weight)))
            await ctx.delay(1e-6)
            found.append(ctx.get(group.sums.of_0))

    simulator = Simulator(group)
    simulator.add_testbench(play)
    simulator.run()
    assert found == (Shift.golden(x, w, np.zeros(0, np.int64)) + DIM * Shift.offset).tolist()
