"""Files of the format before: what they say is read exactly, or refused where it cannot be said any more."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save as safetensors_bytes

from shiftbook.golden.coding.bits import Writer
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import KEY, _sha256, finished_graph, load, save
from shiftbook.golden.storage.graph import tensors_of
from tests.golden.checkpoints import network, refused, same


def original():
    """A network whose shifts are such that version 2 can say its residual multipliers: 8 or more."""
    return replace(network(), nodes=tuple(_with_shift(node) for node in network().nodes))


def _with_shift(node):
    if not isinstance(node, Conv) or node.residual is None:
        return node
    return replace(node, requantize=replace(node.requantize, shift=8 + node.requantize.shift % 8))


def version_2(saved, change=lambda graph, multipliers: None) -> bytes:
    """The file as version 2 wrote it: four arrays where a residual is added, and no field for it."""
    tensors = tensors_of(saved, DEFAULT)
    graph = finished_graph(saved, tensors, DEFAULT)
    multipliers = {}
    for node in saved.nodes:
        if isinstance(node, Conv) and node.residual is not None:
            own = node.requantize
            multipliers[node.name] = own.residual_multiplier << np.minimum(own.shift - 8, 40)
    for part in (graph["input"], *graph["nodes"]):
        if part.get("requantize") is not None:
            del part["requantize"]["residual_multiplier"]
    change(graph, multipliers)
    for node in saved.nodes:
        if node.name in multipliers:
            writer = Writer()
            own = node.requantize
            for values in (own.bias, own.multiplier, own.shift, multipliers[node.name]):
                writer.put_offsets(values)
            tensors[f"{node.name}.requantize"] = writer.data()
    graph["sha256"] = {name: _sha256(data.tobytes()) for name, data in tensors.items()}
    text = json.dumps(graph)
    return safetensors_bytes(tensors, metadata={KEY: f"2 {_sha256(text.encode())} {text}"})


def test_version_2_is_read_exactly(path):
    path.write_bytes(version_2(original()))
    assert same(load(path), original())


def test_what_is_read_is_written_as_version_3(path):
    path.write_bytes(version_2(original()))
    save(load(path), path)
    assert b'"shiftbook":"3 ' in path.read_bytes()
    assert same(load(path), original())


def wrong_by_channel(graph, multipliers):
    multipliers["down"] = multipliers["down"] + np.arange(16) % 2


def too_large(graph, multipliers):
    multipliers["down"] = 1024 * 2 ** (original().nodes[6].requantize.shift - 8)


def negative(graph, multipliers):
    multipliers["down"] = -multipliers["down"]


def test_a_shift_is_never_taken_at_its_word(path):
    saved = original()
    down = saved.nodes[6]
    odd = replace(down.requantize, shift=down.requantize.shift + (1 << 38), residual_multiplier=1)
    data = version_2(
        replace(saved, nodes=(*saved.nodes[:6], replace(down, requantize=odd), *saved.nodes[7:])),
        lambda graph, multipliers: multipliers.update(down=np.ones(16, np.int64)),
    )
    assert "layer down: shift must be in 0..40, not [274877906" in refused(path, data)


@pytest.mark.parametrize("change", [wrong_by_channel, too_large, negative])
def test_a_residual_that_cannot_be_added_exactly_is_refused(path, change):
    line = refused(path, version_2(original(), change))
    assert "layer down: its residual is multiplied by " in line
    assert "format 3 can only add it exactly as one multiple of 1/256" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, m: g.update(nodes=3), "the graph: field 'nodes' must be of type list, not 3"),
        (lambda g, m: g["nodes"].append(3), "node 9 must be an object, not 3"),
        (lambda g, m: g.update(input=3), "the graph: field 'input' must be of type dict, not 3"),
        (lambda g, m: g["nodes"][0].update(name=3), "a layer: field 'name' must be of type str, not 3"),
        (lambda g, m: g["nodes"][2].update(shape=[0, 1, 1, 1]), "layer body.1: it has no output channel"),
        (lambda g, m: g["nodes"][2].update(shape=[1 << 20, 1, 1, 1]), "packed fields end at bit"),
        (
            lambda g, m: g["nodes"][0].update(copies=2),
            "format 2 has no concatenations, no interleaving and no copies",
        ),
        (
            lambda g, m: g["nodes"].append({"type": "concat", "name": "c", "sources": ["stem"]}),
            "layer c: checkpoint format 2 has no concatenations, no interleaving and no copies",
        ),
        (
            lambda g, m: g["input"]["requantize"].update(residual_multiplier=None),
            "checkpoint format 2 has no field 'residual_multiplier'",
        ),
        (lambda g, m: m.pop("body.1"), "packed fields end at bit"),
    ],
)
def test_what_is_no_version_2_is_refused(path, change, message):
    assert message in refused(path, version_2(original(), change))
