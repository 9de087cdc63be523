"""The lane with tables computes what adding all rows of all codewords would."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from benchmarks.lookup_lane import LookupLane
from shiftbook.golden.spec import PRESETS
from tests.hw.rows import correction, factor, random_row

SLOTS, VECTORS, CODEWORDS, ROWS, CHANNELS, BOOKS = 2, 6, 5, 3, 7, 2


class Case:
    """Pixels [vector, row, slot], codewords [codeword][row][slot], and codes [channel, vector, book]."""

    def __init__(self, preset: str) -> None:
        self.spec = replace(PRESETS[preset], slots=SLOTS)
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (VECTORS, ROWS, SLOTS)).tolist()
        self.words = [
            [[random_row(self.spec, rng) for _ in range(SLOTS)] for _ in range(ROWS)]
            for _ in range(CODEWORDS)
        ]
        self.codes = rng.integers(0, CODEWORDS, (CHANNELS, VECTORS, BOOKS)).tolist()

    def product(self, vector: int, code: int) -> int:
        """What a shift lane sums for a codeword."""
        total = 0
        for pixels, rows in zip(self.pixels[vector], self.words[code], strict=True):
            total += sum(x * factor(row, self.spec) for x, row in zip(pixels, rows, strict=True))
            total -= correction(rows, self.spec)
        return total

    def sums(self) -> list[int]:
        return [
            sum(self.product(vector, code) for vector, own in enumerate(codes) for code in own)
            for codes in self.codes
        ]


@pytest.mark.parametrize("preset", ["shift", "two_term"])
def test_lookup_equals_adding_rows(preset: str) -> None:
    case = Case(preset)
    lane = LookupLane(case.spec, entries=CODEWORDS, channels=CHANNELS)
    found: list[int] = []

    async def play(ctx) -> None:
        for group in range(0, VECTORS, SLOTS):
            for slot in range(SLOTS):
                await fill(ctx, case, lane, group + slot, slot)
            sums = [await look_up(ctx, case, lane, group, channel) for channel in range(CHANNELS)]
        found.extend(sums)

    simulator = Simulator(lane)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()
    assert found == case.sums()


async def fill(ctx, case: Case, lane: LookupLane, vector: int, slot: int) -> None:
    """A row a cycle; a codeword is written while the next one starts."""
    ctx.set(lane.filling, 1)
    ctx.set(lane.resume, 0)
    for number, word in enumerate(case.words):
        for place, rows in enumerate(word):
            ctx.set(lane.start, place == 0)
            ctx.set(lane.write, (1 << slot) * (place == 0 and number > 0))
            ctx.set(lane.entry[slot], max(number - 1, 0))
            for each in range(SLOTS):
                ctx.set(lane.pixels[each], case.pixels[vector][place][each])
                ctx.set(lane.rows[each], rows[each])
            await ctx.tick()
    ctx.set(lane.write, 1 << slot)
    ctx.set(lane.entry[slot], CODEWORDS - 1)
    await ctx.tick()
    ctx.set(lane.write, 0)
    ctx.set(lane.filling, 0)


async def look_up(ctx, case: Case, lane: LookupLane, group: int, channel: int) -> int:
    """One word of each table a cycle; the sum is kept, and returned."""
    ctx.set(lane.channel, channel)
    for book in range(BOOKS + 1):
        ctx.set(lane.start, book == 1)
        ctx.set(lane.resume, group > 0)
        for slot in range(SLOTS):
            ctx.set(lane.entry[slot], case.codes[channel][group + slot][min(book, BOOKS - 1)])
        await ctx.tick()
    total = ctx.get(lane.sum)
    ctx.set(lane.keep, 1)
    ctx.set(lane.kept_channel, channel)
    await ctx.tick()
    ctx.set(lane.keep, 0)
    return total
