"""Random graphs on the simulated accelerator: a few each time, a thousand layers on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Input, Network, zero_points
from shiftbook.golden.model.nodes import (
    Concat,
    Conv,
    Gate,
    Interleave,
    Node,
    Pool,
    Resample,
    Shape,
    Subsample,
)
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import Spec
from shiftbook.sim.driver import run_rtl
from tests.sim.networks import SPECS

LAYERS = 10
"""Of a network."""

NETWORKS = 20
"""For each of five accelerators: a thousand layers."""

LARGEST = 40
"""Rows or columns of a map that is still doubled, and the most that resampling makes."""

Make = Callable[[np.random.Generator, str, str, Shape, Spec], Node]


def requantizer(rng: np.random.Generator, outputs: int, size: int) -> Requantize:
    """Outputs over the whole range, some of them clamped; ``size`` weights an output."""
    shift = int(13 + np.log2(size) / 2)
    low = int(rng.integers(0, 60)) if rng.random() < 0.3 else 0
    return Requantize(
        rng.integers(-900, 900, outputs),
        rng.integers(100, 1024, outputs),
        np.full(outputs, shift),
        int(rng.choice([100, 100, 100, 0, rng.integers(low, 140)])),  # 100: shared by what is joined
        low,
        int(rng.integers(180, 256)),
        function=function(rng),
    )


def function(rng: np.random.Generator) -> FunctionTable | None:
    """None, as most layers have, or one of a few, so that some follow themselves or each other."""
    if rng.random() < 0.6:
        return None
    table = np.random.default_rng(int(rng.integers(0, 3)))
    return FunctionTable(table.bytes(256), int(table.integers(0, 256)))


def conv(rng: np.random.Generator, name: str, source: str, shape: Shape, spec: Spec) -> Node:
    """Any kernel, stride, padding or crop, dilation, groups, density; gaps or none."""
    channels = shape[2]
    whole = rng.random() < 0.15
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    outputs = groups * int(rng.integers(1, max(2, 9 // groups + 1)))
    kernel = list(shape[:2]) if whole else rng.integers(1, 6, 2).tolist()
    dilation = (1, 1) if whole else tuple(rng.choice([1, 1, 1, 2, 3, 9], 2).tolist())
    spans = [step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True)]
    least = -5 if rng.random() < 0.2 else 0
    padding = tuple(0 if whole else int(rng.integers(least, (spans[i // 2] + 1) // 2 + 1)) for i in range(4))
    integers = rng.integers(-20, 21, (outputs, *kernel, channels // groups)).astype(np.int16)
    integers[rng.random(integers.shape) > rng.choice([0.1, 0.5, 1.0])] = 0
    stride = int(rng.integers(1, 3))
    return Conv(
        name,
        source,
        code_weights(integers, "test", spec),
        requantizer(rng, outputs, integers[0].size),
        (stride, stride),
        padding,
        groups,
        dilation=dilation,
    )


def pool(rng: np.random.Generator, name: str, source: str, shape: Shape, spec: Spec) -> Node:
    """A maximum or an average."""
    kernel = int(rng.integers(1, 4))
    padding = tuple(int(rng.integers(0, (kernel + 1) // 2)) for _ in range(4))
    stride = int(rng.integers(1, 3))
    kind = "max" if rng.random() < 0.5 else "average"
    average = Requantize(
        rng.integers(-99, 99, 1), rng.integers(60, 256, 1), np.array([9]), 5, function=function(rng)
    )
    requantize = None if kind == "max" else average
    return Pool(name, source, kind, (kernel, kernel), (stride, stride), padding, requantize)


def subsample(rng: np.random.Generator, name: str, source: str, shape: Shape, spec: Spec) -> Node:
    """Pixels left out, channels added."""
    return Subsample(name, source, int(rng.integers(1, 3)), *rng.integers(0, 3, 2).tolist())


def resample(rng: np.random.Generator, name: str, source: str, shape: Shape, spec: Spec) -> Node:
    """Any lines of any weights; of maps of up to LARGEST pixels."""
    axis, length = ("rows", shape[0]) if rng.random() < 0.5 else ("columns", shape[1])
    lines, taps = int(rng.integers(1, min(LARGEST, 3 * length) + 1)), int(rng.integers(1, min(length, 4) + 1))
    weights = rng.integers(-30, 60, (lines, taps)).astype(np.int16)
    weights[rng.random(lines) < 0.1] = 0
    return Resample(name, source, axis, rng.integers(0, length - taps + 1, lines), weights, 6)


def gate(rng: np.random.Generator, name: str, source: str, shape: Shape, spec: Spec) -> Node:
    """Every channel times a pixel of ``excited``, of the tensors that have one; see `gated`."""
    one = np.array([1])
    requantize = Requantize(-100 * one, one, int(rng.integers(5, 10)) * one, 90, function=function(rng))
    return Gate(name, source, "", requantize)


def gated(rng: np.random.Generator, node: Node, result: Network) -> Network:
    """The network with a node; a gate is of a tensor of its source's shape, or of an average made before."""
    if not isinstance(node, Gate):
        return replace(result, nodes=(*result.nodes, node))
    found = {result.input.name: result.input.shape, **known(result)}
    zero = zero_points(result)
    alike = [name for name, shape in found.items() if shape == found[node.source] and not zero[name]]
    if alike and rng.random() < 0.7:
        return replace(result, nodes=(*result.nodes, replace(node, gate=str(rng.choice(alike)))))
    height, width, _ = found[node.source]
    multiplier = max(1, min(1023, (1 << 14) // (height * width)))
    average = Requantize(np.array([0]), np.array([multiplier]), np.array([14]), 0)
    pixel = Pool(f"{node.name}of", node.source, "average", (height, width), (1, 1), requantize=average)
    return replace(result, nodes=(*result.nodes, pixel, replace(node, gate=pixel.name)))


def known(result: Network) -> dict[str, Shape]:
    """Shapes of all tensors; a network without layers has none yet."""
    return shapes(result) if result.nodes else {}


def joined(rng: np.random.Generator, name: str, network: Network, found: dict[str, Shape]) -> Node:
    """Channels after one another, or pixels between each other, of tensors that fit."""
    zero, source = zero_points(network), str(rng.choice(list(found)))
    alike = [n for n in found if zero[n] == zero[source] and found[n][:2] == found[source][:2]]
    if rng.random() < 0.5 and max(found[source]) <= LARGEST:
        return Interleave(name, (source,) * 4)
    if rng.random() < 0.5:
        kinds = Counter((found[n], zero[n]) for n in found if max(found[n]) <= LARGEST)
        most, _ = max(kinds.items(), key=lambda kind: kind[1])
        same = [n for n in found if (found[n], zero[n]) == most]
        return Interleave(name, tuple(rng.choice(same, 4, replace=len(same) < 4).tolist()))
    return Concat(name, tuple(rng.choice(alike, int(rng.integers(1, 4))).tolist()))


MAKERS: tuple[Make, ...] = (conv, conv, conv, conv, pool, subsample, resample, gate)


def with_residual(rng: np.random.Generator, node: Node, found: dict[str, Shape]) -> Node:
    """The layer, with a residual where a tensor of its output's shape is at hand."""
    if not isinstance(node, Conv):
        return node
    mine = found[node.name]
    same = [name for name, shape in found.items() if shape == mine and name != node.name]
    if not same or rng.random() < 0.3:
        return node
    requantize = replace(node.requantize, residual_multiplier=int(rng.integers(1, 1024)))
    return replace(node, residual=str(rng.choice(same)), requantize=requantize)


def network(rng: np.random.Generator, spec: Spec) -> Network:
    """Layers on layers; what the accelerator refuses is drawn again."""
    size = (*rng.integers(3, 15, 2).tolist(), int(rng.integers(1, 7)))
    same = Requantize(np.zeros(size[2], np.int64), np.full(size[2], 256), np.full(size[2], 8))
    result = Network(Input("image", size, same), (), spec.slots)
    while len(result.nodes) < LAYERS:
        found = {"image": size, **known(result)}
        source = str(rng.choice(list(found)))
        name = f"layer{len(result.nodes)}"
        if result.nodes and rng.random() < 0.25:
            node = joined(rng, name, result, found)
        else:
            node = MAKERS[int(rng.integers(0, len(MAKERS)))](rng, name, source, found[source], spec)
        try:
            longer = gated(rng, node, result)
            last = with_residual(rng, longer.nodes[-1], shapes(longer))
            longer = replace(longer, nodes=(*longer.nodes[:-1], last))
            check_runnable(longer, spec)
        except ShiftbookError:
            continue
        result = longer
    others = rng.choice([node.name for node in result.nodes[:-1]], int(rng.integers(0, 3)), replace=False)
    return replace(result, outputs=(*others.tolist(), result.nodes[-1].name) if len(others) else ())


@pytest.mark.parametrize(("name", "first"), [("shift", 1000), ("int8", 2000)])
def test_a_few_random_graphs(name: str, first: int) -> None:
    run_networks(name, first, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_random_layers(name: str) -> None:
    run_networks(name, sum(map(ord, name)), NETWORKS)


def run_networks(name: str, seed: int, count: int) -> None:
    """Random graphs, every integer compared."""
    spec = SPECS[name]
    rng = np.random.default_rng(seed)
    for number in range(count):
        drawn = network(rng, spec)
        images = rng.integers(0, 256, (1, *drawn.input.shape), np.uint8)
        pauses = (0.0, 0.3)[number % 2]
        run_rtl(drawn, images, spec, latency=int(rng.integers(0, 60)), pauses=pauses, seed=number + 1)
