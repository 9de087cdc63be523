"""What the test bench that leaves with the Verilog knows, and that it needs nothing else."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from types import ModuleType

import numpy as np
import pytest

from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.program import image
from shiftbook.golden.program.header import address_map
from shiftbook.golden.spec import PRESETS
from shiftbook.sim.testbench.expected import FILES, FOLDER, bench_files
from tests.sim.networks import SMALL, SPECS, everything, functions, gates, holes, joined, shared, wide


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench", FOLDER / "bench.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bench_imports_nothing_of_this_package() -> None:
    tree = ast.parse((FOLDER / "bench.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported}
    assert packages - sys.stdlib_module_names == {"cocotb", "cocotbext"}


@pytest.mark.parametrize("name", [*SPECS, "shift", "7x7"])
@pytest.mark.parametrize("size", [(1, 1, 1), (9, 11, 3), (16, 5, 7)])
def test_addresses_are_those_of_the_layout(bench: ModuleType, name: str, size: tuple[int, int, int]) -> None:
    specs = {**SPECS, "shift": PRESETS["shift"], "7x7": PRESETS["shift"].on_grid(7, 7)}
    layout = TensorLayout(*size, specs[name])
    values = np.random.default_rng(3).integers(0, 256, size, np.uint8)
    first = int(size[2] > 1)  # a part of the channels, where there are some
    place = {"offset": 4096, "height": size[0], "width": size[1], "channels": size[2] - first}
    place |= {"channels_in_memory": size[2], "first_channel": first, "width_in_memory": size[1]}
    place |= {"pixel_step": 1, "first_pixel": [0, 0]}
    memory = bytes(4096) + layout.pack(values).tobytes()
    found = [memory[bench.address(place, layout.spec.as_json(), *at)] for at in bench.positions(place)]
    assert bytes(found) == values[..., first:].tobytes()


@pytest.mark.parametrize("make", [everything, functions, gates, holes, joined, wide, shared])
def test_every_tensor_is_expected(bench: ModuleType, make) -> None:
    network = make(SMALL)
    built = image.build(network, SMALL)
    files = bench_files(network, built)
    assert tuple(files) == FILES
    described, index = address_map(built), json.loads(files["expected.json"])
    assert index["tensors"] == [network.input.name, *(node.name for node in network.nodes)]
    sizes = [len(bench.positions(described["tensors"][name])) for name in index["tensors"]]
    assert sum(sizes) == len(files["expected.bin"])
    assert len(files["pixels.bin"]) == np.prod(network.input.shape)
    assert index["cycles_at_most"] > sum(cost.cycles for cost in built.costs())
