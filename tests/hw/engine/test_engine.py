"""The engine in its accelerator against golden: outputs and rows of layers of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.coding.vectors import fits_taps
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Node, Pool, Subsample
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.sim.driver import run_rtl
from tests.golden.layers import FOCUSED, make_codebooks, make_conv, make_vector_conv
from tests.hw.small import ODD, small

SPECS = {
    "shift": small("shift"),
    "eight": small("shift", rows=8, cols=8, requantizers=8, slots=1, group_channels=2),
    "two_term": small("two_term", slots=4, requantizers=2),
    "focused": small("focused", slots=1, word_width=32, requantizers=8, bus_bytes=16),
    "shift4": small("shift4"),
    "int8_sparse": small("int8_sparse", requantizers=16, bus_bytes=16),
    "int8": small("int8", slots=4),
    "odd": replace(ODD, slots=3, terms=PRESETS["two_term"].terms),
}
QUICK = ("shift", "shift4", "int8")
"""Builds take a while: these stand for the others. Odd grids run in tests/sim/test_driver.py too."""

MULTI_ROW = [-128, 127, 85, -107]
SIZE = (9, 11, 8)
"""Of the input: several tiles that are not whole."""

NEAR = 20
"""Latency of a memory that is in nobody's way."""


ONLY = {"focused": [value for value in FOCUSED if value], "shift4": [1, -2, 4, -8, 11, -15]}
"""Weights that lanes can take which cannot take all."""


def values(spec: Spec, others: list[int] | None) -> list[int] | None:
    """Weights that the lanes can take."""
    name = next(name for name, known in SPECS.items() if known == spec)
    return ONLY.get(name, others)


DENSITIES = ((0.25, False), (1.0, True), (0.02, False), (0.0, False))
"""Densities of weights, and whether there are gaps."""


def plain_layers(spec: Spec, channels: int, rng: np.random.Generator) -> Iterator[Conv]:
    """Every kernel, stride and density, padded the same on all sides or not."""
    number = 0
    for kernel in (1, 3, 5, 7):
        for stride in (1, 2):
            for density, gapless in DENSITIES if channels == SIZE[2] else DENSITIES[:2]:
                number += 1
                padding = [kernel // 2] * 4
                if number % 3 == 0:
                    padding = rng.integers(0, kernel // 2 + 1, 4).tolist()
                conv = make_conv(
                    rng,
                    (int(rng.integers(1, 7)), kernel, kernel, channels),
                    density=density,
                    gapless=gapless,
                    values=values(spec, [None, MULTI_ROW][number % 2]),
                    stride=(stride, stride),
                    padding=tuple(padding),
                )
                yield replace(conv, name=f"k{kernel}s{stride}d{density}")


def grouped_layers(spec: Spec, channels: int, rng: np.random.Generator) -> Iterator[Conv]:
    """Groups of several channels and of one, with as many outputs and with more."""
    for groups, each in ((2, 3), (channels, 1), (channels, 2)):
        for stride in (1, 2):
            if channels % groups:
                continue
            shape = (groups * each, 3, 3, channels // groups)
            conv = make_conv(
                rng, shape, density=0.8, values=values(spec, None), stride=(stride,) * 2, padding=(1, 1, 0, 1)
            )
            yield replace(conv, name=f"g{groups}x{each}s{stride}", groups=groups)


def vector_layers(spec: Spec, channels: int, rng: np.random.Generator) -> Iterator[Conv]:
    """Vectors of one and several codes, over runs and taps, with gaps and without; some share codebooks."""
    if spec.feed == "dense":
        return
    number = 0
    for books, codewords, dim, terms in (
        (1, 8, 9, [1, -4]),
        (2, 16, 5, None),
        (4, 4, 9, None),
        (3, 8, 16, [2]),
    ):
        codebooks = make_codebooks(rng, books, codewords, dim, values(spec, terms))
        for density in (1.0, 1.0, 0.4):
            along = ["run", "taps"][fits_taps((3, 3), channels, dim, spec.slots, spec)]
            conv = make_vector_conv(
                rng,
                (int(rng.integers(1, 7)), 3, 3, channels),
                codebooks,
                spec,
                density=density,
                along=along,
                padding=(1, 1, 1, 1),
            )
            number += 1
            yield replace(conv, name=f"m{books}k{codewords}d{dim}n{number}")


def other_layers(spec: Spec, channels: int, rng: np.random.Generator) -> Iterator[Node]:
    """Pools, channels that are passed on, and sums with what another layer made."""
    mean = Requantize(rng.integers(-300, 0, 1), rng.integers(150, 256, 1), np.array([10]), 30)
    yield Pool("max", "image", "max", (3, 3), (1, 1), (1, 1, 1, 1))
    yield Pool("max2", "image", "max", (3, 2), (2, 2), (0, 1, 1, 0))
    yield Pool("average", "image", "average", (2, 2), (1, 1), (0, 1, 0, 1), mean)
    yield Subsample("subsample", "image", 2, 1, 2)
    for name, residual, kernel, density in (
        ("sum", "average", 1, 1.0),
        ("sum of sums", "sum", 3, 0.3),
        ("sum of nothing", "max", 3, 0.0),
    ):
        padding = (kernel // 2,) * 4
        shape = (channels, kernel, kernel, channels)
        conv = make_conv(rng, shape, density=density, values=values(spec, None), padding=padding)
        requantize = replace(
            conv.requantize, low=0, high=255, residual_multiplier=int(rng.integers(100, 1024))
        )
        yield replace(conv, name=name, residual=residual, requantize=requantize)


def smaller_images(spec: Spec, rng: np.random.Generator) -> Iterator[Conv]:
    """What makes a map of one channel, and one of a single pixel."""
    for name, source, shape, stride in (
        ("plane", "image", (1, 3, 3, 8), (2, 2)),
        ("corner", "plane", (3, 3, 3, 1), (2, 2)),
        ("point", "corner", (21, 1, 2, 3), (1, 1)),
    ):
        conv = make_conv(rng, shape, density=1.0, values=values(spec, None), stride=stride)
        mean = replace(conv.requantize, multiplier=conv.requantize.multiplier + 1, low=0, high=255)
        yield replace(conv, name=name, source=source, requantize=mean)


def network(spec: Spec) -> Network:
    """Layers of every kind that the spec can run: most on the input, some on maps that are made of it."""
    rng = np.random.default_rng(8)
    normalize = Requantize(rng.integers(-300, 0, 8), np.full(8, 200), np.full(8, 8), 99)
    source = Input("image", SIZE, normalize)
    nodes: tuple[Node, ...] = tuple(smaller_images(spec, rng))
    for name, channels in (("image", 8), ("plane", 1), ("point", 21)):
        for makes in (plain_layers, grouped_layers, vector_layers, other_layers):
            if makes not in (plain_layers, vector_layers) and name != "image":
                continue
            for node in makes(spec, channels, rng):
                node = replace(
                    node, source=name, name=node.name if name == "image" else f"{name} {node.name}"
                )
                try:
                    check_runnable(Network(source, (*nodes, node), spec.slots), spec)
                except ShiftbookError:
                    continue  # larger than this image, or than this engine has room for
                nodes += (node,)
    return Network(source, nodes, spec.slots)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]
)
def test_layers_of_every_kind(name: str) -> None:
    spec = SPECS[name]
    layers = network(spec)
    check_variety(name, layers)
    images = np.random.default_rng(1).integers(0, 256, (1, *SIZE), np.uint8)
    for pauses in (0.0, 0.3)[name != "shift" :]:
        result = run_rtl(layers, images, spec, pauses=pauses, latency=NEAR)  # raises at the first difference
        assert [layer.name for layer in result.layers] == ["image", *(node.name for node in layers.nodes)]


def check_variety(name: str, layers: Network) -> None:
    """What the spec refused is not too much."""
    spec = SPECS[name]
    convs = [node for node in layers.nodes if isinstance(node, Conv)]
    assert {conv.weights.integers.shape[1] for conv in convs if conv.source == "image"} == {1, 3, 5, 7}
    assert {conv.stride for conv in convs} == {(1, 1), (2, 2)}
    assert len({conv.padding for conv in convs}) > 6
    assert {conv.groups for conv in convs} == {1, 2, 8}
    assert {conv.residual for conv in convs} >= {"average", "sum", "max"}
    found = [conv.weights.vectors.along for conv in convs if conv.weights.vectors and conv.source == "image"]
    vectors = spec.feed == "coded" and spec.vector_size > 1
    assert len(found) >= (9 if vectors else 0)
    along = {"run"} if name == "odd" else {"run", "taps"}  # there channels are scattered over slots
    assert set(found) == (along if vectors else set())
    assert len(layers.nodes) - len(convs) == 4
    assert all(len([c for c in convs if c.source == source]) >= 4 for source in ("plane", "point"))
