"""Target: checkpoints, mutated in their graph, their tensors and their bytes, with right checksums."""

from __future__ import annotations

import copy
import json
import random
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
from safetensors.numpy import save as safetensors_bytes

from shiftbook.golden.errors import is_plain
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.statistics.decomposed import FACT, decomposed_layers
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import KEY, _sha256, finished_graph, load, serialize
from shiftbook.golden.storage.graph import tensors_of
from tests.fuzz import reference
from tests.fuzz.bytes_of_files import damaged
from tests.fuzz.judging import loaded
from tests.golden import page_decoder
from tests.golden.checkpoints import same
from tests.golden.storage.test_page import NETWORKS

SLOW = 200_000
"""Products of an image up to which it is also run pixel by pixel, which takes a second."""

NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    17,
    64,
    255,
    256,
    257,
    1023,
    1024,
    1 << 16,
    1 << 20,
    (1 << 20) + 1,
    1 << 62,
)
VALUES = (
    *(
        None,
        True,
        False,
        "",
        "run",
        "taps",
        "conv",
        "pool",
        "max",
        "average",
        "stem",
        "image",
        "a\x1b[2J",
        "\ud800",
    ),
    *(
        0.5,
        0.0,
        -1,
        1e300,
        10**19,
        10**30,
        "1e400",
        "NaN",
        [],
        {},
        [0],
        [1, 1],
        [0, "run"],
        [0.0, "run"],
        "x" * 300,
    ),
    *([1 << 20] * 2, [1 << 20] * 3, [1 << 20] * 4, [0] * 4, [1, 1, 1, 1], {"a": {"b": []}}),
)


@cache
def _bases() -> tuple[tuple[dict, dict], ...]:
    """Graphs and tensors of good files, one with a fact that is read."""
    result = []
    for make in NETWORKS.values():
        tensors = tensors_of(make(), DEFAULT)
        result.append((finished_graph(make(), tensors, DEFAULT), tensors))
    entry = {"nodes": ["stem"], "shape": [8, 3, 3, 3], "modes": [8, 3], "ranks": [4]}
    result[0][0]["facts"][FACT] = {"x": entry}
    return tuple(result)


def mutate(rng: random.Random, folder: Path) -> Path:
    """One or a few changes of a good file; the checksums are those of what it holds then."""
    graph, tensors = rng.choice(_bases())
    graph, tensors = copy.deepcopy(graph), dict(tensors)
    version = 3
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.randrange(10)
        if kind == 0:
            _demand(graph, rng)
        elif kind < 5:
            _change_graph(graph, rng)
        elif kind < 9 and tensors:
            _change_tensor(tensors, rng)
        else:
            version = rng.choice([1, 2, 2, 4])
    graph["sha256"] = {name: _sha256(data.tobytes()) for name, data in tensors.items()}
    text = json.dumps(graph).replace('"1e400"', "1e400")
    data = safetensors_bytes(tensors, metadata={KEY: f"{version} {_sha256(text.encode())} {text}"})
    path = folder / "mutant.ckpt"
    path.write_bytes(damaged(data, rng) if rng.random() < 0.1 else data)
    return path


def _change_graph(graph: dict, rng: random.Random) -> None:
    """Replace, remove, double or move one value anywhere in the graph."""
    places = [(graph, key) for key in graph if key != "sha256"]
    if rng.random() < 0.3 and places:  # else nearly all changes would be of nodes
        places = [rng.choice(places)]
    for holder, key in places:
        inner = holder[key]
        if isinstance(inner, dict | list):
            places += [(inner, k) for k in (inner if isinstance(inner, dict) else range(len(inner)))]
    if not places:
        return
    holder, key = rng.choice(places)
    old, kind = holder[key], rng.randrange(10)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(old))
    elif kind == 2 and isinstance(holder, list):
        rng.shuffle(holder)
    elif kind == 3:
        other, name = rng.choice(places)
        holder[key] = copy.deepcopy(other[name]) if name in other or isinstance(other, list) else None
    elif type(old) is int and kind < 9:
        holder[key] = rng.choice([old + 1, old - 1, 2 * old, rng.choice(NUMBERS)])
    elif isinstance(old, str) and kind < 7 and old:
        holder[key] = rng.choice([node["name"] for node in graph.get("nodes", []) if _named(node)] or [old])
    else:
        holder[key] = rng.choice(VALUES)


def _demand(graph: dict, rng: random.Random) -> None:
    """Ask for much: a large padding, window or number of channels, tensors doubled many times, odd texts."""
    listed = graph.get("nodes")
    nodes = [node for node in listed if isinstance(node, dict)] if isinstance(listed, list) else []
    much = rng.choice([100, 1000, 5000, 1 << 20])
    kind = rng.randrange(4)
    if kind == 0 and nodes:
        node = rng.choice(nodes)
        fields = [
            name for name in ("padding", "kernel", "stride", "before", "after", "groups") if name in node
        ]
        if fields:
            name = rng.choice(fields)
            node[name] = [much] * len(node[name]) if isinstance(node[name], list) else much
    elif kind == 1 and nodes:
        last, (what, times) = nodes[-1].get("name"), rng.choice([("concat", 2), ("interleave", 4)])
        for number in range(rng.choice([2, 30, 2000])):
            graph["nodes"].append({"type": what, "name": f"twice {number}", "sources": [last] * times})
            last = f"twice {number}"
    elif kind == 2:
        graph["classes"] = [rng.choice(["a", "b\x1b[2J", "c\nd", "\ud800", "\u202e", "x" * 1000])]
    else:
        graph[rng.choice(["scales", "facts"])] = {"stem": rng.choice(["1e400", 10**400, 10**19, "\x1b[2J"])}


def _named(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("name"), str)


def _change_tensor(tensors: dict, rng: random.Random) -> None:
    name = rng.choice(sorted(tensors))
    kind = rng.randrange(8)
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        other = rng.choice(sorted(tensors))
        tensors[name], tensors[other] = tensors[other], tensors[name]
    elif kind == 2:
        tensors[name] = tensors[name].view(np.int8)
    elif kind == 3:
        tensors[name] = np.frombuffer(rng.randbytes(len(tensors[name])), np.uint8)
    elif kind < 6 and len(tensors[name]):
        data = bytearray(tensors[name].tobytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        tensors[name] = np.frombuffer(bytes(data), np.uint8)
    else:
        tensors[name] = np.frombuffer(damaged(tensors[name].tobytes(), rng), np.uint8)


def judge(path: Path) -> bool:
    """Refused; or the same again after writing and reading it, with the page's weights and right integers."""
    network = loaded(lambda: load(path))
    if network is None:
        return False
    assert all(map(is_plain, [network.input.name, *(node.name for node in network.nodes), *network.classes]))
    again = path.with_suffix(".again")
    again.write_bytes(serialize(network))
    assert same(load(again), network)
    sizes = layer_sizes(network)
    loaded(lambda: decomposed_layers(network, sizes))
    if b'"shiftbook":"3 ' in path.read_bytes():
        _same_weights(path, network)
    _right_integers(network)
    return True


def _same_weights(path: Path, network: Network) -> None:
    graph, tensors = page_decoder.read_file(path)
    sets = [page_decoder.codebooks(number, shape, tensors) for number, shape in enumerate(graph["codebooks"])]
    for node, golden in zip(graph["nodes"], network.nodes, strict=True):
        if isinstance(golden, Conv):
            integers = np.zeros(node["shape"], int)
            for place, value in page_decoder.layer_weights(node, sets, graph, tensors).items():
                integers[place] = value
            assert np.array_equal(integers, golden.weights.integers), golden.name


def _right_integers(network: Network) -> None:
    image = np.random.default_rng(0).integers(0, 256, network.input.shape, np.uint8)
    found = executor.run(network, image[None], keep=True)
    made = shapes(network)
    products = sum(
        prod(made[node.name]) * (prod(node.weights.integers.shape[1:]) if isinstance(node, Conv) else 64)
        for node in network.nodes
    )
    if products <= SLOW:
        for name, tensor in reference.run(network, image).items():
            assert np.array_equal(found.tensors[name][0], tensor.astype(np.uint8)), name
