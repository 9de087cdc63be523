"""The register after a beat is that of the recurrence: for every state and beat, because both are linear."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from shiftbook.hw.system.crc import WIDTH, Crc, crc_network
from tests.golden.crc import register_after

SIZES = (4, 8, 16, 32, 64)


def simulated(size: int, cases: list[tuple[int, int]]) -> list[int]:
    """What follows each register and beat."""
    crc = Crc(size)
    found = []

    async def bench(context):
        for register, data in cases:
            context.set(crc.register, register)
            context.set(crc.data, data)
            await context.delay(1e-9)
            found.append(context.get(crc.following))

    simulator = Simulator(crc)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def expected(size: int, cases: list[tuple[int, int]]) -> list[int]:
    return [register_after(data.to_bytes(size, "little"), register) for register, data in cases]


@pytest.mark.parametrize("size", SIZES)
def test_every_bit_of_state_and_beat(size: int) -> None:
    """Nothing but exclusive ors is in it: what is right for each bit alone is right for all sums of them."""
    cases = [(0, 0), *((1 << bit, 0) for bit in range(WIDTH)), *((0, 1 << bit) for bit in range(8 * size))]
    assert simulated(size, cases) == expected(size, cases)


@pytest.mark.parametrize("size", SIZES)
def test_sums_of_bits(size: int) -> None:
    rng = random.Random(size)
    cases = [(rng.getrandbits(WIDTH), rng.getrandbits(8 * size)) for _ in range(50)]
    cases += [(2**WIDTH - 1, 0), (0, 2 ** (8 * size) - 1), (2**WIDTH - 1, 2 ** (8 * size) - 1)]
    assert simulated(size, cases) == expected(size, cases)


def test_bits_are_shared() -> None:
    """A third of what each bit of the register alone would take."""
    assert {size: crc_network(size).gates for size in SIZES} == {4: 222, 8: 432, 16: 811, 32: 1530, 64: 2851}
