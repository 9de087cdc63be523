"""Memories in macros and in flip-flops, against figures worked out by hand."""

import pytest

from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.memories import MemoryCost, flip_flop_ge
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.technologies.macro import Tiling
from shiftbook.synth.technologies.memory import Memory
from shiftbook.synth.technologies.technology import technology
from tests.synth import designs

ASAP7 = MemoryCost(load_weights(), technology("asap7"))


def test_a_bank_by_hand() -> None:
    """1,024 words of a byte, two ports: 45.9 + 0.459 x 1,024 = 515.916 um2, times 1 + 0.125 x 8 = 2."""
    held = ASAP7.held(Memory(1024, 8))
    assert held.held_by == "1 x 1,024 x 8, 2 ports"
    assert held.ge == pytest.approx(1031.832 / 0.05832)
    assert held.read == pytest.approx((0.0166 + 2.759e-5 * 1024) * (1 + 0.2887 * 8))
    assert held.write == pytest.approx((0.02477 + 3.513e-5 * 1024) * (1 + 0.2518 * 8))


def test_a_small_memory_is_flip_flops_by_hand() -> None:
    """Four words of two bits: 8 enabled flip-flops, 3 x 2 multiplexers, 4 ANDs, 2 output flip-flops."""
    memory = Memory(4, 2)
    expected = 8 * (5.67 + 2.33) + 6 * 2.33 + 4 * 1.33 + 2 * 5.67
    assert flip_flop_ge(memory, load_weights()) == pytest.approx(expected)
    held = ASAP7.held(memory)
    assert (held.held_by, held.ge) == ("flip-flops", pytest.approx(expected))
    assert held.read is held.write is None


@pytest.mark.parametrize(
    ("memory", "tiling"),
    [
        (Memory(8192, 9), Tiling(1024, 9, 8, 1, 1)),
        (Memory(1025, 81), Tiling(513, 41, 2, 2, 1)),
        (Memory(32, 257), Tiling(64, 65, 1, 4, 1)),
        (Memory(100, 3, reads=2), Tiling(100, 8, 1, 1, 2)),
    ],
)
def test_large_memories_are_several_macros(memory: Memory, tiling: Tiling) -> None:
    macro = technology("asap7").macros[1]
    found = macro.tiling(memory)
    assert found == tiling
    assert found.deep * found.words >= memory.words
    assert found.wide * found.bits >= memory.bits


def test_an_access_is_one_of_all_macros_of_a_word_and_a_write_of_all_copies() -> None:
    macro = technology("asap7").macros[1]
    wide = ASAP7.held(Memory(1024, 160))
    assert macro.read is not None
    assert macro.write is not None
    assert wide.read == pytest.approx(2 * macro.read.of(1024, 80))
    twice = ASAP7.held(Memory(2048, 32, reads=2))
    assert twice.read == pytest.approx(macro.read.of(1024, 32))
    assert twice.write == pytest.approx(2 * macro.write.of(1024, 32))


def test_macros_need_a_clocked_read_and_a_port_for_each_access() -> None:
    one, two = technology("asap7").macros
    assert one.fits(Memory(512, 8, writes=0))
    assert not one.fits(Memory(512, 8))
    assert two.fits(Memory(512, 8))
    assert not two.fits(Memory(512, 8, writes=2))
    assert not two.fits(Memory(512, 8, clocked=False))
    assert ASAP7.held(Memory(512, 8, clocked=False)).held_by == "flip-flops"


def test_a_read_only_memory_has_one_port() -> None:
    assert ASAP7.held(Memory(512, 8, writes=0)).held_by == "1 x 512 x 8, 1 port"


def test_memories_of_a_netlist_are_those_of_all_instances() -> None:
    netlist = map_designs({"it": Design("two_stores", designs.MEMORY)}, load_weights())["it"]
    assert netlist.memories() == {Memory(64, 8): 2}
    assert netlist.memories("store") == {Memory(64, 8): 1}
    assert ASAP7.total(netlist.memories()) == 2 * ASAP7.held(Memory(64, 8)).ge
