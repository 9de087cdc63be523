"""What the simulated accelerator counts of its memories, against what a program must do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from amaranth import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.isa.program_format import Command
from shiftbook.golden.isa.registers import ADDRESS_WIDTH, INDEX_WIDTH, Region
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.program import image
from shiftbook.hw.verilog import rtlil_text
from shiftbook.sim.driver import RtlResult, run_rtl
from shiftbook.sim.probes import MemoryAccesses, MemoryKind, declared_memories, probed
from tests.sim.networks import IMAGES, SMALL, drawn, everything


@pytest.fixture(scope="module")
def result() -> RtlResult:
    return run_rtl(everything(SMALL), IMAGES, SMALL, latency=7, probes=True)


def of(result: RtlResult, *keys: str) -> list[MemoryAccesses]:
    return [each for each in result.accesses if each.kind.key in keys]


def test_every_row_reads_a_codebook_row_and_a_tap(result: RtlResult) -> None:
    rows, taps = of(result, "lookup.rows", "lookup.taps")
    by_layer = dict.fromkeys(result.passes, 0)
    for node, count in zip(result.passes, rows.reads.tolist(), strict=True):
        by_layer[node] += count
    assert by_layer == {layer.name: layer.counters.rows for layer in result.layers}
    assert np.array_equal(rows.reads, taps.reads)
    assert rows.instances == taps.instances == SMALL.slots


def test_a_row_that_adds_something_reads_the_banks_of_its_slot(result: RtlResult) -> None:
    """Two groups of two columns: one memory of each, and both of a group that looks into two blocks."""
    (banks,) = of(result, "bank_memory.memory")
    rows, _ = of(result, "lookup.rows", "lookup.taps")
    assert banks.kind.words == SMALL.tile_words // 2
    assert banks.instances == SMALL.slots * SMALL.rows * 4
    assert not (banks.reads % SMALL.rows).any()
    assert (banks.reads <= 3 * SMALL.rows * rows.reads).all()
    assert banks.reads.sum() > 0.9 * 2 * SMALL.rows * rows.reads.sum()


def test_only_memories_that_lanes_look_into_are_read() -> None:
    """A kernel of 1 x 3 on four blocks of pixels, behind a layer that has one row for each channel."""
    rng = np.random.default_rng(1)
    layer = drawn("layer", "image", (6, 1, 3, 3), 12, SMALL, rng, padding=(0, 0, 1, 1))
    integers = (1 << rng.integers(0, 4, layer.weights.integers.shape)) * rng.integers(0, 2, (6, 1, 3, 3))
    layer = replace(layer, weights=code_weights(integers.astype(np.int16), "test", SMALL))
    same = Requantize(np.zeros(3, np.int64), np.full(3, 256), np.full(3, 8))
    network = Network(Input("image", (8, 8, 3), same), (layer,), SMALL.slots)
    found = run_rtl(network, rng.integers(0, 256, (1, 8, 8, 3), np.uint8), SMALL, probes=True)
    (banks,) = of(found, "bank_memory.memory")
    left, middle, right = np.count_nonzero(integers, (0, 1, 3)).tolist()
    assert min(left, middle, right) > 0
    assert banks.reads.sum() == 4 * SMALL.rows * (2 * (3 + middle) + 3 * (left + right))


def words_of_regions(words: list[int]) -> Counter[int]:
    """How many words a program writes into each region."""
    found: Counter[int] = Counter()
    at = 0
    while words[at] != Region.COMMANDS << INDEX_WIDTH | Command.END:
        region, count = words[at] % (1 << ADDRESS_WIDTH) >> INDEX_WIDTH, (words[at] >> ADDRESS_WIDTH) + 1
        found[region] += count
        at += 1 + count
    return found


def test_tables_are_written_as_the_program_says(result: RtlResult) -> None:
    """A tap goes to its slot, a codebook row to all of them, and no layer has a function."""
    built = image.build(everything(SMALL), SMALL)
    told = words_of_regions(built.program.view("<u4").tolist())
    rows, taps = of(result, "lookup.rows", "lookup.taps")
    (function,) = of(result, "function_table.table")
    assert taps.writes.sum() == told[Region.TAPS] > 0
    assert rows.writes.sum() == SMALL.slots * told[Region.ROWS] > 0
    assert function.writes.sum() == told[Region.FUNCTION] == 0
    assert not function.reads.any()


def test_one_image_is_counted(result: RtlResult) -> None:
    assert len(IMAGES) > 1
    assert len(result.outputs) == 1


class TwoReaders(wiring.Component):
    """A memory with two read ports, one of which is never asked, and one of registers."""

    def __init__(self) -> None:
        super().__init__({"data": In(8), "first": Out(8), "second": Out(8)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.both = both = Memory(shape=8, depth=32, init=[])
        write, one, other = both.write_port(), both.read_port(), both.read_port(domain="comb")
        m.d.comb += [write.en.eq(1), write.data.eq(self.data), self.first.eq(one.data)]
        m.d.comb += self.second.eq(other.data)
        return m


def test_memories_are_found_with_their_ports() -> None:
    text = rtlil_text(TwoReaders(), "accelerator_two_readers")
    assert declared_memories(text) == [MemoryKind("two_readers", "both", 32, 8, 2, 1, clocked=False)]
    watched = probed(text)
    assert watched.count("cell \\memory_probe") == 3
    assert watched.count('"two_readers.both.read"') == 2
    assert watched.count('"two_readers.both.write"') == 1
