import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.array_cycles import Layer, layer_cycles, layers_of, words_of
from benchmarks.array_tables import SHOWN_ARRAYS
from benchmarks.dense_arrays import BUS, TERMS, arrays, cycles_of, figures, fitted, memories
from benchmarks.results import DOCS
from benchmarks.tables import TABLES
from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.spec import PRESETS
from shiftbook.synth.dense.shape import Dense
from shiftbook.synth.flow.liberty import Liberty
from shiftbook.synth.flow.measure import Measured, Ruler
from shiftbook.synth.flow.memories import MemoryCost
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.netlist import Module, Netlist
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.technologies.technology import technology
from tests.golden.model.test_executor import small_network

CLASSIC = Dense(8, 8, 4, 4, accumulator_width=23)
FILLS = Layer(16, 16, 1, (3, 3), (3, 3), 1, (32, 32), (32, 32), residual=False)
"""A layer that uses every multiplier in every step."""

AROUND = 600
"""The most cycles before the first step and after the last of a small layer."""


def test_arrays_multiply_equally_much() -> None:
    assert {dense.macs for dense in arrays().values()} == {TERMS}
    assert len({(d.pixels, d.outputs, d.inputs, d.requantizers) for d in arrays().values()}) == len(arrays())


def test_a_layer_that_fills_the_array_takes_its_products_over_those_of_a_cycle() -> None:
    products = 32 * 32 * 16 * 16 * 9
    found = layer_cycles(FILLS, CLASSIC, 32)
    assert products / TERMS < found < products / TERMS + AROUND


def test_taps_lie_side_by_side_where_words_have_place_for_more_channels() -> None:
    few, dense = replace(FILLS, inputs=2), replace(CLASSIC, requantizers=16)
    plain, packed = words_of(few, dense)
    assert (plain.row_words, packed.row_words) == (3, 2)  # six of eight bytes are used
    steps = 32 * 32 * 16 / 64
    assert 6 * steps < layer_cycles(few, dense, 32) < 6 * steps + AROUND


def test_a_depthwise_layer_uses_a_product_for_each_byte_that_is_read() -> None:
    depthwise = replace(FILLS, inputs=1, outputs=1, groups=16)
    products = 32 * 32 * 16 * 9
    read = CLASSIC.pixels * CLASSIC.inputs
    assert products / read < layer_cycles(depthwise, CLASSIC, 32) < products / read + AROUND


def test_a_fully_connected_layer_waits_for_its_weights() -> None:
    connected = Layer(1024, 1024, 1, (1, 1), (1, 1), 1, (1, 1), (1, 1), residual=False)
    found = layer_cycles(connected, replace(CLASSIC, inputs=16), 32)
    assert 1024 * 1024 / 32 < found < 1024 * 1024 / 32 + AROUND
    assert layer_cycles(connected, replace(CLASSIC, inputs=16), 64) < 0.6 * found


def test_small_maps_and_slow_drains_cost() -> None:
    small = replace(FILLS, source=(7, 7), output=(7, 7), inputs=64)
    least = 7 * 7 * 16 * 64 * 9 / TERMS
    assert layer_cycles(small, CLASSIC, 32) - AROUND < least * 8 / 7
    assert layer_cycles(small, CLASSIC, 32) > least * 8 / 7
    pointwise = replace(FILLS, kernel=(1, 1), span=(1, 1))
    slow, fast = (layer_cycles(pointwise, replace(CLASSIC, requantizers=q), 32) for q in (4, 16))
    assert slow > 2.5 * fast


def test_a_map_that_does_not_fit_is_cut_into_tiles_and_pays_for_its_weights_again() -> None:
    large = replace(FILLS, inputs=256, outputs=256, source=(64, 64), output=(64, 64))
    least = 64 * 64 * 256 * 256 * 9 / TERMS
    narrow_bus = layer_cycles(large, CLASSIC, 1)
    assert least < layer_cycles(large, CLASSIC, 32) < 1.01 * least
    assert narrow_bus > 4 * 256 * 256 * 9  # 1 MB of input in halves of 96 kB of banks
    with pytest.raises(
        ShiftbookError, match=r"^a layer of 1x1 pixels and 65536 channels does not fit banks of"
    ):
        layer_cycles(replace(FILLS, source=(1, 1), output=(1, 1), inputs=65536), CLASSIC, 32)


def test_layers_are_those_of_the_networks_passes() -> None:
    spec = PRESETS["int8"]
    steps = plan(for_slots(small_network(0), spec), spec).passes
    found = layers_of(steps)
    assert len(found) == len(steps)
    assert [layer.output for layer in found] == [step.layout.output for step in steps]
    grouped = [step for step in steps if step.whole.groups > 1][-1]
    twice = layers_of([grouped, grouped])
    assert [layer.groups for layer in twice] == [2 * grouped.whole.groups]


def test_tables_show_the_best_arrays_and_what_is_over_them() -> None:
    array = {
        "network": "net",
        "pixels": 4,
        "outputs": 8,
        "inputs": 8,
        "requantizers": 4,
        "lane_ge": 4e3,
        "ge": 2e5,
        "cycles": 100,
    }
    rows = [{**array, "product": 2e7 * (1 + n), "relative": 1.0 + n} for n in range(SHOWN_ARRAYS + 2)]
    study = {"terms": 256, "bus": 32, "rows": rows}
    text = TABLES["arrays"]([study])
    assert text.count("\n") == 2 + SHOWN_ARRAYS
    assert "| net | 4x8x8 | 4 | 4,000 | 200,000 | 100 | 0.02 | 1.000 |" in text

    def engine(kind: str, grid: str, ge: float, cycles: int) -> dict[str, object]:
        rows, cols, slots, requantizers = map(int, grid.split())
        own = {"rows": rows, "cols": cols, "slots": slots, "requantizers": requantizers}
        return {
            **own,
            "network": "net",
            "terms": 256,
            "bus": 32,
            "groups": 1,
            "kind": kind,
            "ge": ge,
            "cycles": cycles,
        }

    engines = [
        engine("int8", "8 4 8 4", 4e5, 100),
        engine("shift4", "8 8 4 8", 1e5, 50),
        engine("shift4", "8 4 8 8", 1e5, 40),
    ]
    over = TABLES["arrays_over"]([study, {"rows": engines}])
    assert over.splitlines()[-1] == "| net | 4x8x8 | 100 | 0.500 | 50 | 0.125 | 0.250 | 0.200 |"


def test_the_checkpoints_of_the_document_are_compared_with_the_best_array() -> None:
    rows = [
        {"engine": "int8_array", "network": "resnet18", "product": 99.0, "relative": 1.0},
        {"engine": "int8_array", "network": "resnet20", "product": 20.0, "relative": 1.0},
    ]
    row = {"checkpoint": str(Path("net.ckpt")), "engine": "shift", "accuracy": 0.5, "gate_cycles": 10.0}
    text = TABLES["against"]([{"terms": 256, "rows": rows}, {"rows": [row]}])
    assert text.splitlines()[0].endswith("| to the best dense int8 array |")
    assert text.splitlines()[-1] == "| net | `shift` | 50.00 % | 0.00 | 0.500 |"


def test_with_memories_the_best_array_is_another() -> None:
    def array(ge: float, whole: float, shape: int) -> dict[str, object]:
        size = {"pixels": shape, "outputs": 4, "inputs": 16}
        return {"network": "resnet20", **size, "ge": ge, "whole_ge": whole, "cycles": 100}

    study = {"rows": [array(1e5, 4e6, 8), array(2e5, 2e6, 4)]}
    report = {"engines": {"shift4": {"total_ge": 3e5, "whole_ge": 5e6}}}
    row = {"checkpoint": "narrow.ckpt", "engine": "shift4", "cycles": 20}
    first, second = TABLES["arrays_whole"]([study, report, {"rows": [row]}]).splitlines()[2:]
    assert first == "| dense array, 4x4x16 | 100 | 200,000 | 2,000,000 | 1.000 |"
    assert second == "| narrow on `shift4` | 20 | 300,000 | 5,000,000 | 0.500 |"


def test_declared_memories_have_the_bits_that_yosys_found() -> None:
    stored = json.loads((DOCS / "results" / "dense_arrays.json").read_text())
    every = arrays()
    for row in stored["rows"]:
        name = f"{row['pixels']}x{row['outputs']}x{row['inputs']}, Q = {row['requantizers']}"
        found = memories(every[name])
        assert sum(memory.size * count for memory, count in found.items()) == row["memory_bits"]


def test_memories_are_halved_while_a_network_keeps_its_cycles() -> None:
    """With half as much one layer takes 12 % longer, and the other does not fit."""
    pointwise = replace(FILLS, inputs=128, outputs=128, kernel=(1, 1), span=(1, 1))
    longer, fitting = fitted([pointwise], CLASSIC), fitted([replace(FILLS, inputs=64)], CLASSIC)
    assert longer.memory_bytes < fitting.memory_bytes < CLASSIC.memory_bytes
    for found, layer in ((longer, pointwise), (fitting, replace(FILLS, inputs=64))):
        most = 1.01 * layer_cycles(layer, CLASSIC, BUS)
        assert cycles_of([layer], found) < most
        half = replace(found, memory_bytes=found.memory_bytes // 2)
        assert _cycles(layer, half) >= most


def _cycles(layer: Layer, dense: Dense) -> float:
    try:
        return cycles_of([layer], dense)
    except ShiftbookError:
        return math.inf


def test_with_a_cell_library_an_array_has_an_area() -> None:
    def netlist(cells: dict[str, int], delay: float | None) -> Netlist:
        tree = {"array": Module({}, {"array_multiply_lane": 64}, delay=1.0)}
        return Netlist("array", {**tree, "array_multiply_lane": Module(cells, {}, delay=delay)}, "Yosys")

    library = Liberty("cells.lib", {}, {"NAND2": 2.0}, timed=True, technology=technology("asap7"))
    weights = load_weights()
    measured = Measured(Design("array", ""), netlist({"$_NAND_": 3}, None), netlist({"NAND2": 5}, 250.0))
    found = figures(CLASSIC, measured, Ruler(weights, library))
    bits = MemoryCost(weights, technology("asap7")).total(memories(CLASSIC))
    assert found["ge"] == 64 * 3
    assert (found["total_area"], found["delay"]) == (64 * 10, 250.0)
    assert found["memory_area"] == round(bits * 0.05832, 2)
    assert found["whole_area"] == pytest.approx(found["total_area"] + found["memory_area"], abs=0.01)
    assert "delay" not in figures(CLASSIC, replace(measured, cells=None), Ruler(weights))
