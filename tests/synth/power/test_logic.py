"""Energies of mapped modules, against sums by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow.liberty import load_liberty
from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.power import logic
from shiftbook.synth.power.cells import load_cells
from shiftbook.synth.power.circuit import Kind
from shiftbook.synth.power.logic import MappedLogic, ModuleEnergy, map_logic, module_energy
from shiftbook.synth.power.replay import Difference
from shiftbook.synth.technologies.technology import Technology, technology
from tests.synth.power.by_hand import ByHand
from tests.synth.power.library import CELLS, write

COUNTER = """
module counter(input clk, input rst, input enable, output [3:0] count, output last);
  reg [3:0] value;
  always @(posedge clk) if (rst) value <= 0; else if (enable) value <= value + 1;
  assign count = value;
  assign last = &value;
endmodule
"""

LENGTH = 11
WINDOWS = 9

Wires = dict[tuple[str, int], np.ndarray]


@pytest.fixture(scope="module")
def asap7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Technology]:
    """The technology, with a small library in the place of its own."""
    folder = write(tmp_path_factory.mktemp("library"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY", str(folder))
        yield replace(technology("asap7"), variable="TINY")


@pytest.fixture(scope="module")
def counter(asap7: Technology) -> MappedLogic:
    return map_logic(COUNTER, "counter", asap7, "board.counter")


@pytest.fixture(scope="module")
def hand(asap7: Technology) -> ByHand:
    liberty = load_liberty(asap7.library())
    netlist = map_designs({"c": Design("counter", COUNTER)}, liberty, liberty=liberty, circuits=True)["c"]
    raw = netlist.modules["counter"].circuit
    assert raw is not None
    return ByHand(raw, asap7.load)


@pytest.fixture(scope="module")
def wires() -> Wires:
    """What the counter's RTL does: bits by wire and cycle."""
    cycles = WINDOWS * LENGTH
    random = np.random.default_rng(1)
    rst, enable = random.random(cycles) < 0.05, random.random(cycles) < 0.7
    value, values = 0, []
    for cycle in range(cycles):
        values.append(value)
        value = 0 if rst[cycle] else (value + int(enable[cycle])) % 16
    number = np.array(values)
    bits = {(name, bit): number >> bit & 1 for name in ("value", "count") for bit in range(4)}
    return {**bits, ("rst", 0): rst, ("enable", 0): enable, ("last", 0): number == 15}


def played(mapped: MappedLogic, wires: Wires) -> ModuleEnergy:
    told = np.stack([wires[wire] for wire in mapped.watched["counter"]]).astype(np.uint8)
    return module_energy(mapped, "counter", told[None], LENGTH)


def windows_of(cycles: list[Any]) -> list[list[Any]]:
    return [cycles[at : at + LENGTH] for at in range(0, len(cycles), LENGTH)]


def test_a_counter_takes_what_a_sum_by_hand_says(counter: MappedLogic, hand: ByHand, wires: Wires) -> None:
    found = played(counter, wires)
    expected = [hand.picojoules(window) / (LENGTH - 1) for window in windows_of(hand.wires(wires))]
    assert found.settled.tolist() == pytest.approx(expected, rel=1e-12)
    assert (found.instances, found.sampled, found.cells) == (1, 1, len(hand.cells))
    assert found.compared > 5 * WINDOWS * LENGTH


def test_glitches_of_a_counter_are_those_of_single_events(
    counter: MappedLogic, hand: ByHand, wires: Wires
) -> None:
    found = played(counter, wires)
    windows = windows_of(hand.wires(wires))
    states = [hand.picojoules(window) - sum(map(hand.quiet, window[:-1], window[1:])) for window in windows]
    moving = [sum(map(hand.glitching, window[:-1], window[1:])) for window in windows]
    expected = [(one + other) / (LENGTH - 1) for one, other in zip(states, moving, strict=True)]
    assert found.timed.tolist() == pytest.approx(expected, rel=1e-12)
    assert found.timed.sum() > 1.02 * found.settled.sum()


def test_the_clock_of_a_still_counter(counter: MappedLogic, wires: Wires) -> None:
    """Its flip-flops keep 0: their clock pins and their own energies of both edges, and nothing else."""
    still = {wire: np.zeros(LENGTH, np.uint8) for wire in wires}
    found = played(counter, still)
    cell = CELLS["DFF"]
    idle = next(power for power in cell.powers if power.when == "(1 - D) & (1 - Q)")
    edges = idle.rise[0] + idle.fall[0] + 2 * cell.pins["CK"] * 0.5**2 / 2
    assert found.clock[0] == pytest.approx(4 * edges / 1e3, rel=1e-12)
    assert found.settled[0] == found.timed[0] == pytest.approx(found.clock[0], rel=1e-12)


def broken(mapped: MappedLogic, change: Any) -> MappedLogic:
    """The counter with its first gate of two different inputs changed."""
    circuit = mapped.circuits["counter"]
    gates = list(circuit.gates)
    number = next(n for n, kind in enumerate(gates) if len(kind.cell.inputs) == 2)
    gates[number] = change(gates[number])
    return replace(mapped, circuits={"counter": replace(circuit, gates=tuple(gates))})


def test_a_cell_of_another_function_is_found(counter: MappedLogic, wires: Wires) -> None:
    def inverted(kind: Kind) -> Kind:
        (output,) = kind.cell.outputs
        function = kind.cell.functions[output]
        return replace(kind, cell=replace(kind.cell, functions={output: lambda pins: ~function(pins)}))

    with pytest.raises(Difference, match=r"counter: \w+\[\d\] of the mapped netlist differs from the RTL"):
        played(broken(counter, inverted), wires)


def test_a_pin_on_another_net_is_found(counter: MappedLogic, wires: Wires) -> None:
    def moved(kind: Kind) -> Kind:
        inputs = kind.inputs.copy()
        inputs[:, 0] = inputs[:, 1]
        return replace(kind, inputs=inputs)

    with pytest.raises(Difference):
        played(broken(counter, moved), wires)


@pytest.mark.parametrize("wire", [("count", 1), ("last", 0), ("enable", 0)])
def test_other_values_of_the_rtl_are_found(counter: MappedLogic, wires: Wires, wire) -> None:
    other = {**wires, wire: wires[wire] ^ (np.arange(WINDOWS * LENGTH) == 40)}
    with pytest.raises(Difference):
        played(counter, other)


def test_a_state_may_jump_between_windows(counter: MappedLogic, wires: Wires) -> None:
    """What lies between them was not sampled."""
    later = {wire: np.concatenate([bits[:LENGTH], bits[3 * LENGTH :]]) for wire, bits in wires.items()}
    assert len(played(counter, later).settled) == WINDOWS - 2


def test_a_module_of_modules_has_its_own_glue_alone(asap7: Technology) -> None:
    """Pins of instances are in the instances' figures; here they are a load."""
    two = (
        COUNTER
        + """
module pair(input clk, input rst, input enable, output both);
  wire [1:0] last;
  counter one(.clk(clk), .rst(rst), .enable(enable), .count(), .last(last[0]));
  counter two(.clk(clk), .rst(rst), .enable(last[0]), .count(), .last(last[1]));
  assign both = last[0] & last[1];
endmodule
"""
    )
    mapped = map_logic(two, "pair", asap7, "board.pair")
    assert mapped.paths == {"pair": ["board.pair"], "counter": ["board.pair.one", "board.pair.two"]}
    pair = mapped.circuits["pair"]
    nets = {pair.wires[net]: net for net in pair.watched.tolist()}
    assert ("last", 0) in nets
    assert ("clk", 0) not in nets
    assert pair.load[nets["rst", 0]] > pair.own_load[nets["rst", 0]] == 0
    assert mapped.chosen(1)["counter"][0] in mapped.paths["counter"]
    assert mapped.chosen(9)["counter"] == mapped.paths["counter"]


def test_a_library_without_energies_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(
        "TINY", str(write(tmp_path, {n: replace(cell, powers=()) for n, cell in CELLS.items()}))
    )
    with pytest.raises(ShiftbookError, match="tells no internal energy: logic cannot be priced"):
        map_logic(COUNTER, "counter", replace(technology("asap7"), variable="TINY"), "board")


def test_an_open_pin_is_refused(asap7: Technology, monkeypatch) -> None:
    """Flip-flops with both outputs have one of them open."""

    def with_another(paths, names):
        found = load_cells(paths, names)
        both = replace(found.cells["DFF"], outputs=("Q", "QN"))
        return replace(found, cells={**found.cells, "DFF": both})

    monkeypatch.setattr(logic, "load_cells", with_another)
    with pytest.raises(ShiftbookError, match="cell DFF must be a cell with no open pin to be priced"):
        map_logic(COUNTER, "counter", asap7, "board")
