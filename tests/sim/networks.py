"""Small networks and accelerators that the simulation tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from golden.coding import code_weights
from golden.network import Concat, Conv, Network
from golden.spec import DEFAULT, PRESETS, Spec
from tests.golden.test_executor import small_network

SMALL = replace(
    DEFAULT,
    rows=4,
    cols=4,
    slots=2,
    requantizers=4,
    tile_words=256,
    codebook_rows=512,
    group_channels=4,
    outstanding=4,
)
ODD = replace(SMALL, rows=3, cols=5, requantizers=5, slots=3, bus_bytes=8, group_channels=2)

SPECS = {
    "shift": SMALL,
    "pair": replace(SMALL, terms=PRESETS["pair"].terms, requantizers=8),
    "int8": replace(SMALL, lane="multiply", feed="dense"),
    "int8_sparse": replace(SMALL, lane="multiply", requantizers=2),
    "odd": ODD,
}

IMAGES = np.random.default_rng(12).integers(0, 256, (2, 9, 11, 3), np.uint8)


def coded(network: Network, spec: Spec) -> Network:
    """The network coded for a spec."""
    nodes = [
        replace(node, weights=code_weights(node.weights.integers, "test", spec))
        if isinstance(node, Conv)
        else node
        for node in network.nodes
    ]
    return replace(network, nodes=tuple(nodes), slots=spec.slots)


def everything(spec: Spec, seed: int = 0) -> Network:
    """Strides, groups, depthwise, both pools, a residual of a subsampled tensor, a linear layer."""
    return coded(small_network(seed), spec)


def joined(spec: Spec) -> Network:
    """Tensors that are concatenated: one twice, one that another concatenation has too, and that is read."""
    network = small_network(1)
    stem = network.nodes[0]
    assert isinstance(stem, Conv)
    zero = stem.requantize.zero_point
    rng = np.random.default_rng(2)

    def conv(name: str, source: str, outputs: int, channels: int, kernel: int) -> Conv:
        integers = rng.integers(-9, 10, (outputs, kernel, kernel, channels)).astype(np.int16)
        weights = code_weights(integers, "test", spec)
        requantize = replace(
            stem.requantize,
            bias=rng.integers(-99, 99, outputs),
            multiplier=rng.integers(300, 900, outputs),
            shift=np.full(outputs, 13),
            zero_point=zero,
        )
        return Conv(name, source, weights, requantize, padding=(kernel // 2,) * 4)

    nodes = (
        conv("stem", "image", 3, 3, 3),
        conv("side", "stem", 5, 3, 1),
        Concat("pair", ("side", "stem")),
        conv("deep", "pair", 4, 8, 3),
        Concat("all", ("stem", "pair", "deep", "deep")),
        conv("last", "all", 6, 19, 1),
    )
    return replace(network, nodes=nodes, slots=spec.slots)
