"""docs/checkpoint-format.md is enough to write a reader: one written from it reads what compress writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv, Gate, Pool
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import VERSION, load, save
from tests.golden import page_decoder
from tests.golden.checkpoints import activated, network, requantizer, weights
from tests.golden.coding.test_vectors import network as of_vectors

PAGE = Path(__file__).parents[3] / "docs" / "checkpoint-format.md"


def scattered() -> Network:
    """Channels that no number of slots divides, holes in a kernel, and copies of a 1x1 layer."""
    rng = np.random.default_rng(4)
    first = Conv("first", "image", weights(rng, (6, 5, 5, 3), "focused"), requantizer(rng, 6))
    holes = Conv("holes", "first", weights(rng, (6, 2, 2, 6), "shift"), requantizer(rng, 6), dilation=(2, 1))
    copied = Conv("copied", "holes", weights(rng, (4, 1, 1, 3), "int8"), requantizer(rng, 8), copies=2)
    return replace(network(), nodes=(first, holes, copied), scales={}, classes=())


NETWORKS = {
    "every kind": network,
    "one slot": lambda: network(1, 1),
    "three slots": lambda: network(3, 3),
    "eight slots": lambda: network(8, 8),
    "scattered and copies": scattered,
    "vectors": of_vectors,
    "functions": activated,
}


@pytest.mark.parametrize("make", NETWORKS)
def test_the_page_is_enough_to_read_a_file(path, make):
    save(NETWORKS[make](), path)
    expected = load(path)
    graph, tensors = page_decoder.read_file(path)
    left = set(tensors)

    tables = page_decoder.functions(graph, tensors)
    left -= {f"{number}.function" for number in range(len(tables))}

    def same_parameters(name: str, own, channels: int, shared: dict) -> None:
        left.remove(f"{name}.requantize")
        named = None if own.function is None else (list(own.function.values), own.function.zero_point)
        assert (tables[shared["function"]] if "function" in shared else None) == named
        found = page_decoder.requantizer(tensors[f"{name}.requantize"], channels)
        for values, golden in zip(found, (own.bias, own.multiplier, own.shift), strict=True):
            assert values == golden.tolist()

    first = graph["input"]
    same_parameters(first["name"], expected.input.requantize, first["shape"][2], first["requantize"])
    sets = []
    for number, shape in enumerate(graph["codebooks"]):
        sets.append(page_decoder.codebooks(number, shape, tensors))
        assert sets[-1][0] == expected.codebooks[number].codewords.tolist()
        left -= {f"{number}.codewords", f"{number}.codeword_tables"}
    for node, golden in zip(graph["nodes"], expected.nodes, strict=True):
        if isinstance(golden, Conv):
            integers = np.zeros(node["shape"], int)
            for place, value in page_decoder.layer_weights(node, sets, graph, tensors).items():
                integers[place] = value
            assert np.array_equal(integers, golden.weights.integers)
            assert tuple(node.get("dilation", [1, 1])) == golden.dilation
            channels = node["shape"][0] * node.get("copies", 1)
            same_parameters(node["name"], golden.requantize, channels, node["requantize"])
            left -= {f"{node['name']}.streams", f"{node['name']}.tables"}
        elif isinstance(golden, (Gate, Pool)) and golden.requantize is not None:
            same_parameters(node["name"], golden.requantize, 1, node["requantize"])
    assert not left


def test_equal_function_tables_are_stored_once(path):
    save(activated(), path)
    _, tensors = page_decoder.read_file(path)
    assert sorted(name for name in tensors if name.endswith(".function")) == ["0.function", "1.function"]
    assert load(path).functions == activated().functions
    plain = path.with_suffix(".plain")
    save(network(), plain)
    assert "functions" not in page_decoder.read_file(plain)[0]


def fields_of(table_row: str) -> set[str]:
    """The fields between backquotes in the second column of a row of the page."""
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{table_row}` |"))
    return {part.split()[0] for part in line.split("`")[3::2] if part.isidentifier()}


def test_the_page_names_the_fields_of_the_file(path):
    save(activated(), path)
    graph, _ = page_decoder.read_file(path)
    page = PAGE.read_text()
    for field in graph:
        assert f"| `{field}` | " in page, field
    for field in graph["coding"]:
        assert f"`{field}`" in page, field
    for node in graph["nodes"]:
        own = set(node) - {"type", "name", "source"}
        assert own <= fields_of(node["type"]), node["type"]


def test_the_page_is_of_this_version():
    page = PAGE.read_text()
    assert f"It describes format version {VERSION}." in page
    assert f"the format version (`{VERSION}`, decimal)" in page
    assert f"= {DEFAULT.code_length} bits" in page
