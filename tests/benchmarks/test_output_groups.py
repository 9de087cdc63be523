from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine_tables import means
from benchmarks.output_groups import (
    AROUND,
    KINDS,
    SHARED,
    TERMS,
    Design,
    around_gates,
    cost_of,
    designs,
    engine_gates,
    images,
)
from benchmarks.redraw import redrawn
from benchmarks.tables import TABLES
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.cycles import pass_cycles
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import PRESETS
from tests.golden.layers import Layer, make_conv, one_layer_network
from tests.golden.model.test_executor import small_network


@pytest.mark.parametrize("kind", KINDS)
def test_designs_have_so_many_terms_and_one_is_the_preset(kind: str) -> None:
    found = designs(kind, TERMS)
    assert {design.terms for design in found} == set(TERMS)
    assert len(set(found)) == len(found)
    assert Design(kind, KINDS[kind], 1) in found
    listed = {(d.spec.rows, d.spec.cols, d.count, d.spec.slots) for d in found if d.spec.drain_cycles == 8}
    assert {(4, 4, 4, 4), (8, 4, 2, 4), (8, 8, 4, 4), (16, 16, 1, 4)} <= listed


def pruned() -> tuple[Network, str]:
    """A network with a pruned layer, and the layer's name."""
    network = small_network(0)
    chosen = [node for node in network.nodes if isinstance(node, Conv)][1]
    integers = np.where(np.arange(chosen.weights.integers.size) % 4 == 0, 1, 0)
    thin = replace(chosen.weights, integers=integers.reshape(chosen.weights.integers.shape).astype(np.int16))
    nodes = [replace(node, weights=thin) if node is chosen else node for node in network.nodes]
    return replace(network, nodes=tuple(nodes)), chosen.name


def test_one_group_costs_what_the_model_says() -> None:
    """The preset as a design is the engine that there is, pruned for it."""
    network, _ = pruned()
    spec = PRESETS["shift4"]
    ((design, image),) = images(network, [Design("shift4", spec, 1)])
    wide = replace(spec, accumulator_width=24)
    built = build(redrawn(network, spec, 0.2), wide)
    steps, told = built.plan.passes, built.told
    expected = sum(  # each pass alone: the closed form knows no overlap of passes
        pass_cycles(step, wide, told=each).cycles for step, each in zip(steps, told, strict=True)
    )
    found = sum(cost.cycles for cost in cost_of(image, design, spec.bus_bytes))
    assert abs(found / expected - 1) < 0.1  # the closed form is not the cycle model


def test_only_pruned_layers_are_drawn_anew() -> None:
    network, name = pruned()
    found = redrawn(network, replace(PRESETS["shift4"], slots=network.slots), 0.3)
    for before, after in zip(network.nodes, found.nodes, strict=True):
        if isinstance(before, Conv) and isinstance(after, Conv):
            same = np.array_equal(before.weights.integers, after.weights.integers)
            assert same == (before.name != name)


@pytest.mark.parametrize(("density", "each"), [(0.5, None), (0.02, 8)])
def test_slots_have_equally_many_weights_and_as_many_as_the_drain_makes_free(
    density: float, each: int | None
) -> None:
    conv = make_conv(np.random.default_rng(0), (6, 3, 3, 16), density=0.2)
    image = np.zeros((8, 8, 16), np.uint8)
    network = one_layer_network(Layer(conv, image, 0, PRESETS["shift4"]))
    (found,) = redrawn(network, PRESETS["shift4"], density).nodes
    assert isinstance(found, Conv)
    kept = found.weights.integers != 0
    counts = kept.reshape(6, 9, 4, 4).sum(axis=(1, 2))  # channel c in slot c mod 4
    assert (counts == counts[:, :1]).all()
    assert set(counts.ravel().tolist()) == {each} if each else 12 < counts.mean() < 24


@pytest.mark.parametrize(("bits", "most"), [(None, 8), (4, 7), (8, 127)])
def test_drawn_weights_are_of_so_many_bits(bits: int | None, most: int) -> None:
    conv = make_conv(np.random.default_rng(0), (64, 3, 3, 16), density=0.2)
    network = one_layer_network(Layer(conv, np.zeros((8, 8, 16), np.uint8), 0, PRESETS["shift4"]))
    found = [redrawn(network, PRESETS["shift4"], 0.2, each).nodes[0] for each in (bits, None)]
    drawn, powers = (node.weights.integers for node in found if isinstance(node, Conv))
    assert most / 2 < drawn.max() <= most
    assert -most <= drawn.min() < -most / 2
    assert np.array_equal(np.sign(drawn), np.sign(powers))  # no cycle depends on the sizes


def test_a_network_must_be_pruned() -> None:
    with pytest.raises(ShiftbookError, match=r"no pruned layer, with a density below 0.6: compress it with"):
        redrawn(small_network(0), PRESETS["shift4"], 0.2)


def test_gates_of_groups() -> None:
    modules = {"lane": 60.0, "register_file": 10.0, "code_table_v2": 4.0, "engine": 1.0, "control": 25.0}
    described = {
        "total_ge": 100.0,
        "modules": {name: {"total_ge": ge} for name, ge in modules.items()},
        "accelerator_ge": 160.0,
        "system_modules": {"store": {"total_ge": 20.0}, "stream_buffer_v3": {"total_ge": 5.0}},
    }
    assert engine_gates(described, 1) == 100
    assert engine_gates(described, 3) == 15 + 3 * 85
    assert around_gates(described, 1) == 60
    assert around_gates(described, 3) == 60 + 2 * 25


def test_names_of_modules_are_those_of_the_generator(report: dict[str, list[str]]) -> None:
    """A module that is renamed would be counted otherwise."""
    for pattern, part, count in ((SHARED, "modules", 4), (AROUND, "system_modules", 7)):
        assert len([name for name in report[part] if pattern.fullmatch(name)]) == count


@pytest.fixture
def report() -> dict[str, list[str]]:
    path = Path(__file__).parents[2] / "docs" / "results" / "gates.json"
    engine = json.loads(path.read_text(encoding="utf-8"))["engines"]["shift4"]
    return {part: list(engine[part]) for part in ("modules", "system_modules")}


ROW = {
    "network": "net",
    "kind": "shift4",
    "terms": 256,
    "rows": 8,
    "cols": 8,
    "groups": 1,
    "slots": 4,
    "requantizers": 8,
    "drain": 8,
    "bus": 32,
    "cycles": 100,
    "ge": 1000,
    "accelerator_ge": 2000,
    "spent": {"useful": 3, "idle": 1, "skips": 0, "slot_wait": 0, "drain": 0, "bus": 0, "fill": 0},
}
GROUPED = {**ROW, "rows": 4, "cols": 4, "groups": 4, "cycles": 50, "ge": 1200, "accelerator_ge": 4000}
DENSE = {**ROW, "kind": "int8", "cycles": 300, "ge": 2000}


def test_means_are_of_designs_that_run_all_networks() -> None:
    other = {**ROW, "network": "other", "cycles": 400}
    assert list(means([ROW, GROUPED, other]).values()) == pytest.approx([1000 * 200])


def test_tables_are_over_the_engine_that_there_is() -> None:
    study = [{"rows": [GROUPED, ROW, DENSE]}]
    today, best = TABLES["grouped"](study).splitlines()[2:]
    assert today == "| 256 | 32 | 8x8 | 1 | 4 | 8 | 1,000 | 100 (1.00) | 1.000 | 1.000 |"
    assert best == "| 256 | 32 | 4x4 | 4 | 4 | 8 | 1,200 | 50 (0.60) | 0.600 | 1.000 |"
