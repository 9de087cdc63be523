"""A network with everything that a checkpoint can hold, and what reading a bad one says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Gate, Node, Pool, Subsample
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.storage.checkpoint import load


def requantizer(rng, channels: int, residual: bool = False) -> Requantize:
    """Parameters over their whole ranges."""
    return Requantize(
        rng.integers(-(1 << 23), 1 << 23, channels),
        rng.integers(0, 1 << 10, channels),
        rng.integers(0, 32, channels),
        int(rng.integers(0, 256)),
        int(rng.integers(0, 100)),
        int(rng.integers(100, 256)),
        int(rng.integers(0, 1 << 10)) if residual else None,
    )


def weights(rng, shape, scheme: str, owner=None) -> Weights:
    """Weights with gaps for "focused", without for "int8"."""
    if scheme == "int8":
        integers = rng.integers(-128, 128, shape).astype(np.int16)
        return Weights(integers, np.union1d(integers, np.int16(0)), scheme, True, owner)
    codebook = np.array([-24, -20, -17, -16, -8, 8, 15, 16, 18, 24], np.int16)
    integers = rng.choice(codebook, shape)
    integers[rng.random(shape) > 0.25] = 0
    return Weights(integers, codebook, scheme, False, owner)


def network(seed: int = 0, slots: int = 4) -> Network:
    """A network with every kind of node, residual and balanced channels included."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.arange(8) % slots).astype(np.uint8) if slots in (2, 4, 8) else None
    if owner is not None and np.array_equal(owner, np.arange(8) % slots):
        owner = owner[::-1].copy()  # the default is not stored

    def conv(name, source, shape, scheme, owner=None, **kwargs):
        residual = "residual" in kwargs
        return Conv(
            name, source, weights(rng, shape, scheme, owner), requantizer(rng, shape[0], residual), **kwargs
        )

    nodes = (
        conv("stem", "image", (8, 3, 3, 3), "int8", padding=(1, 1, 1, 1)),
        conv("body.0", "stem", (8, 3, 3, 8), "focused", owner, padding=(0, 1, 0, 1)),
        conv("body.1", "stem", (8, 3, 3, 8), "focused", padding=(1, 1, 1, 1), residual="stem"),
        Pool("max", "body.1", "max", (2, 2), (2, 2)),
        conv("deep", "max", (8, 3, 3, 1), "focused", padding=(1, 1, 1, 1), groups=8),
        Subsample("short", "body.1", 2, 4, 4),
        conv(
            "down", "body.1", (16, 3, 3, 8), "focused", padding=(1, 1, 1, 1), stride=(2, 2), residual="short"
        ),
        Pool("mean", "down", "average", (4, 4), (4, 4), requantize=requantizer(rng, 1)),
        conv("head", "mean", (3, 1, 1, 16), "focused"),
    )
    return Network(
        Input("image", (8, 8, 3), requantizer(rng, 3)),
        nodes,
        slots,
        scales={"stem": 0.1, "head": 1 / 3},
        classes=("cat", "dög", "\u2603"),
        facts={"accuracy": 0.97, "seed": 3, "source": None, "list": [1, {"a": True}]},
    )


def activated() -> Network:
    """A gate, and function tables: of the input, one that a layer and an average share."""
    rng = np.random.default_rng(5)
    own, shared = (FunctionTable(rng.bytes(256), int(rng.integers(0, 256))) for _ in range(2))
    found = network()

    def through(each: Input | Node, table: FunctionTable) -> Input | Node:
        return replace(each, requantize=replace(each.requantize, function=table))

    shared = replace(shared, zero_point=0)  # as gates need it
    tables = {"body.0": shared, "mean": FunctionTable(bytes(bytearray(shared.values)), 0)}
    nodes = [through(node, tables[node.name]) if node.name in tables else node for node in found.nodes]
    one = np.array([1])
    nodes.insert(-1, Gate("gated", "down", "mean", Requantize(-9 * one, one, 8 * one, 7, 3, 250)))
    return replace(found, input=through(found.input, own), nodes=tuple(nodes))


def same(a, b) -> bool:
    """Equality of networks, arrays and their dtypes included."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__)
    return type(a) is type(b) and a == b


def refused(path, data: bytes | None = None) -> str:
    """The error's one line."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ShiftbookError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message
