import re

import pytest
from amaranth import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.engine.layouts import column_groups
from shiftbook.hw.verilog import ZERO, emit, rtlil_text
from tests.hw.small import small


class Add(wiring.Component):
    x: In(8)
    y: Out(8)

    def __init__(self, number: int, clocked: bool = True) -> None:
        self.number = number
        self.clocked = clocked
        super().__init__()

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.d["sync" if self.clocked else "comb"] += self.y.eq(self.x + self.number)
        return m


class Chain(wiring.Component):
    """Some of one kind and one of another; a constant and an open output among their connections."""

    x: In(8)
    y: Out(8)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        blocks = [Add(1), Add(1), Add(1), Add(2), Add(1, clocked=False)]
        for index, block in enumerate(blocks):
            m.submodules[f"add_{index}"] = block
        m.d.comb += [
            blocks[0].x.eq(self.x),
            blocks[1].x.eq(blocks[0].y),
            blocks[2].x.eq(7),
            blocks[3].x.eq(blocks[2].y),
            blocks[4].x.eq(blocks[1].y),
            self.y.eq(blocks[4].y + blocks[3].y),
        ]
        return m


def modules(text: str) -> list[str]:
    return re.findall(r"^module \\(\S+)$", text, re.MULTILINE)


def instances(text: str, module: str) -> int:
    return len(re.findall(rf"^  cell \\{module} ", text, re.MULTILINE))


def test_components_constructed_alike_share_a_module() -> None:
    text = rtlil_text(Chain(), "chain")
    assert modules(text) == ["chain_add", "chain_add_v2", "chain_add_v3", "chain"]
    assert [instances(text, name) for name in modules(text)] == [3, 1, 1, 0]
    assert text.count("attribute \\top 1") == 1


def test_verilog_has_the_ports_of_the_signature() -> None:
    text = emit(Chain(), "chain")
    assert re.search(r"module chain\(x, clk, rst, y\);|module chain\(", text)
    assert set(re.search(r"module chain\(([^)]*)\)", text).group(1).split(", ")) == {"x", "y", "clk", "rst"}


@pytest.mark.parametrize("preset", ["shift", "int8"])
def test_engine_is_one_lane_many_times(preset: str) -> None:
    spec = small(preset)
    text = rtlil_text(Engine(spec), "engine")
    lane = "engine_shift_lane" if spec.lane == "shift" else "engine_multiply_lane"
    assert instances(text, lane) == spec.lanes
    groups = [group for half in column_groups(spec) for group in half]
    assert instances(text, "engine_bank_memory") == spec.rows * len(groups) * 2
    assert instances(text, "engine_slot") == spec.slots
    assert instances(text, "engine_requantizer") == spec.requantizers
    assert len(modules(text)) == len(set(modules(text)))
    assert text == rtlil_text(Engine(spec), "engine")


def test_memories_stay_memories() -> None:
    text = rtlil_text(Engine(small("shift")), "engine")
    found = len(re.findall(r"^  memory width", text, re.MULTILINE))
    assert found == 6  # bank, rows, taps, two symbols, functions


@pytest.mark.parametrize(
    ("line", "dropped"),
    [
        ("    memory[255] = 8'h00;\n", True),
        ("    memory[0] = 13'h0000;\n", True),
        ("    memory[1] = 8'h10;\n", False),
        ("    counter = 8'h00;\n", False),
    ],
)
def test_zeros_of_memories_are_not_said(line: str, dropped: bool) -> None:
    assert (ZERO.sub("", line) == "") == dropped
