"""Small networks and accelerators that the simulation tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Concat, Conv, Gate, Interleave, Pool, Resample
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import PRESETS, Spec
from tests.golden.model.test_executor import small_network
from tests.hw.small import ODD, small

SMALL = small("shift")

SPECS = {
    "shift": SMALL,
    "odd": replace(ODD, slots=3, terms=PRESETS["two_term"].terms),
    "int8": small("int8", slots=4),
    "two_term": small("two_term", slots=4, requantizers=2),
    "int8_sparse": small("int8_sparse", requantizers=16, bus_bytes=16),
}
"""As in tests/hw/engine/test_engine.py, so that each simulator is built once."""

QUICK = ("shift", "odd", "int8")
"""These stand for the others, which take a build each."""

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


def of_four_bits(spec: Spec) -> Network:
    """`everything`, with weights that are cut to four bits."""
    network = small_network(0)
    nodes = [
        replace(node, weights=replace(node.weights, integers=node.weights.integers.clip(-8, 7)))
        if isinstance(node, Conv)
        else node
        for node in network.nodes
    ]
    return coded(replace(network, nodes=tuple(nodes)), spec)


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


def residuals(spec: Spec) -> Network:
    """Sums of tensors that nothing else needs any more, and of two that are convolved and added."""
    rng = np.random.default_rng(8)
    around = (1, 1, 1, 1)
    nodes = (
        drawn("stem", "image", (10, 3, 3, 3), 12, spec, rng, padding=around),
        drawn("first", "stem", (6, 3, 3, 10), 13, spec, rng, padding=around),
        drawn("second", "first", (10, 3, 3, 6), 13, spec, rng, padding=around, residual="stem"),
        drawn("third", "second", (10, 3, 3, 10), 14, spec, rng, padding=around, residual="second"),
        drawn("fourth", "second", (10, 1, 1, 10), 13, spec, rng, residual="third"),
        drawn("fifth", "fourth", (10, 3, 3, 10), 14, spec, rng, padding=around, residual="fourth"),
        drawn("last", "fifth", (4, 1, 1, 10), 13, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def drawn(
    name: str,
    source: str,
    shape: tuple[int, int, int, int],
    shift: int,
    spec: Spec,
    rng: np.random.Generator,
    copies: int = 1,
    **rest: object,
) -> Conv:
    """A layer of random small weights; ``shift`` brings its sums into 8 bits."""
    integers = rng.integers(-9, 10, shape).astype(np.int16)
    outputs = copies * shape[0]
    requantize = Requantize(
        bias=rng.integers(-999, 999, outputs),
        multiplier=rng.integers(300, 900, outputs),
        shift=np.full(outputs, shift),
        zero_point=100,
        residual_multiplier=150 if "residual" in rest else None,
    )
    return Conv(name, source, code_weights(integers, "test", spec), requantize, copies=copies, **rest)


HALVED = {"stride": (2, 2), "padding": (1, 1, 1, 1)}


def wide(spec: Spec) -> Network:
    """Layers whose input channels do not fit the banks: alone, with a residual, and in groups."""
    rng = np.random.default_rng(3)
    nodes = (
        drawn("stem", "image", (144, 1, 1, 3), 13, spec, rng),
        drawn("halved", "stem", (7, 3, 3, 144), 16, spec, rng, **HALVED),
        drawn("added", "stem", (7, 3, 3, 144), 16, spec, rng, **HALVED, residual="halved"),
        drawn("grouped", "stem", (6, 3, 3, 72), 16, spec, rng, **HALVED, groups=2),
        drawn("last", "added", (5, 1, 1, 7), 13, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def filling(spec: Spec) -> Network:
    """A layer whose input channels fill banks of 64 words, with slots for 128 of them."""
    rng = np.random.default_rng(6)
    nodes = (
        drawn("stem", "image", (128, 1, 1, 3), 13, spec, rng),
        drawn("full", "stem", (8, 1, 1, 128), 16, spec, rng),
        drawn("last", "full", (5, 3, 3, 8), 14, spec, rng, padding=(1, 1, 1, 1)),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def shared(spec: Spec) -> Network:
    """A chain of contractions: runs of channels that share weights, around an ordinary layer."""
    rng = np.random.default_rng(4)
    nodes = (
        drawn("stem", "image", (24, 1, 1, 3), 13, spec, rng),
        drawn("inner", "stem", (3, 1, 1, 6), 13, spec, rng, copies=4),
        drawn("middle", "inner", (8, 3, 3, 12), 13, spec, rng, **HALVED),
        drawn("first", "middle", (10, 1, 1, 8), 13, spec, rng),
        drawn("outer", "first", (4, 1, 1, 5), 13, spec, rng, copies=2),
        drawn("added", "first", (4, 1, 1, 5), 13, spec, rng, copies=2, residual="outer"),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def far(spec: Spec) -> Network:
    """Taps further before a lane's own pixel than a block, along both sides, one, and around a small map."""
    rng = np.random.default_rng(8)
    halved = {"stride": (2, 2), "padding": (17, 17, 18, 16)}
    nodes = (
        drawn("stem", "image", (6, 3, 3, 3), 14, spec, rng, padding=(20,) * 4, dilation=(20, 20)),
        drawn("along", "stem", (4, 1, 21, 6), 15, spec, rng, padding=(0, 0, 10, 10)),
        drawn("down", "stem", (4, 2, 1, 6), 13, spec, rng, padding=(9, 9, 0, 0), dilation=(18, 1)),
        drawn("added", "along", (4, 1, 1, 4), 13, spec, rng, residual="down"),
        drawn("halved", "added", (5, 3, 3, 4), 14, spec, rng, **halved, dilation=(17, 17)),
        drawn("last", "halved", (6, 3, 3, 5), 14, spec, rng, padding=(9,) * 4, dilation=(9, 9)),
        drawn("cropped", "stem", (5, 1, 1, 6), 13, spec, rng, padding=(-1, 0, 0, -1)),
        drawn("short", "cropped", (4, 3, 3, 5), 14, spec, rng, padding=(6,) * 4, dilation=(6, 6)),
        drawn("each", "last", (6, 3, 3, 1), 12, spec, rng, padding=(9,) * 4, dilation=(9, 9), groups=6),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def functions(spec: Spec) -> Network:
    """Function tables: two equal ones, one behind partial sums, none, of a sum, of an average."""
    rng = np.random.default_rng(6)
    first, second = (FunctionTable(rng.bytes(256), int(rng.integers(0, 256))) for _ in range(2))

    def through(node: Conv, table: FunctionTable) -> Conv:
        return replace(node, requantize=replace(node.requantize, function=table))

    average = Requantize(np.array([-9]), np.array([200]), np.array([10]), 5, function=second)
    nodes = (
        through(drawn("stem", "image", (144, 1, 1, 3), 13, spec, rng), first),
        through(drawn("split", "stem", (7, 3, 3, 144), 16, spec, rng, **HALVED), first),
        drawn("plain", "split", (7, 1, 1, 7), 13, spec, rng),
        through(drawn("added", "plain", (7, 1, 1, 7), 13, spec, rng, residual="split"), second),
        Pool("mean", "added", "average", (2, 2), (1, 1), requantize=average),
        drawn("last", "mean", (5, 1, 1, 7), 13, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def gates(spec: Spec) -> Network:
    """Products: gates of maps of several tiles and of one, one behind a function, one clamped; of pixels."""
    rng = np.random.default_rng(7)
    table = FunctionTable(bytes(rng.integers(0, 256, 256, np.uint8)), 0)

    def gate(name: str, source: str, by: str, zero: int, shift: int, **rest: object) -> Gate:
        one = np.array([1])
        return Gate(name, source, by, Requantize(-zero * one, one, shift * one, 120, **rest))

    def squeeze(name: str, source: str, size: tuple[int, int]) -> Pool:
        average = Requantize(np.array([0]), np.array([900]), np.array([16 if size == (9, 11) else 14]), 0)
        return Pool(name, source, "average", size, (1, 1), requantize=average)

    def positive(name: str, source: str) -> Conv:
        conv = drawn(name, source, (7, 1, 1, 7), 13, spec, rng)
        return replace(conv, requantize=replace(conv.requantize, zero_point=0))

    excited = drawn("excited", "squeezed", (20, 1, 1, 20), 13, spec, rng)
    nodes = (
        drawn("stem", "image", (20, 3, 3, 3), 13, spec, rng, padding=(1, 1, 1, 1)),
        squeeze("squeezed", "stem", (9, 11)),
        replace(excited, requantize=replace(excited.requantize, function=table)),
        gate("first", "stem", "excited", 100, 7),
        drawn("halved", "first", (7, 3, 3, 20), 15, spec, rng, **HALVED),
        squeeze("small", "halved", (5, 6)),
        gate("second", "halved", "small", 100, 6, low=120, high=200, function=table),
        positive("pixels", "second"),
        gate("third", "halved", "pixels", 100, 6),
        drawn("last", "third", (5, 1, 1, 7), 13, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def holes(spec: Spec) -> Network:
    """Kernels with holes: of both axes, over neighbouring blocks, with stride 2, and depthwise."""
    rng = np.random.default_rng(5)
    each = {"groups": 4, "padding": (2, 0, 1, 1), "dilation": (2, 2)}
    nodes = (
        drawn("stem", "image", (6, 3, 3, 3), 13, spec, rng, padding=(1, 1, 2, 2), dilation=(1, 2)),
        drawn("far", "stem", (6, 2, 2, 6), 14, spec, rng, padding=(3, 0, 0, 4), dilation=(3, 4)),
        drawn("halved", "far", (4, 3, 3, 6), 14, spec, rng, **HALVED, dilation=(1, 2)),
        drawn("depthwise", "halved", (4, 2, 2, 1), 12, spec, rng, **each),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def doubled(spec: Spec) -> Network:
    """Tensors interleaved: four layers, one of them in parts; one tensor four times; one that others read."""
    rng = np.random.default_rng(6)
    quarters = [f"quarter{number}" for number in range(4)]
    nodes = (
        drawn("stem", "image", (5, 3, 3, 3), 13, spec, rng, padding=(1, 1, 1, 1)),
        drawn("quarter0", "stem", (7, 1, 1, 5), 13, spec, rng),
        drawn("quarter1", "stem", (7, 1, 2, 5), 13, spec, rng),
        drawn("quarter2", "stem", (7, 2, 1, 5), 13, spec, rng),
        drawn("quarter3", "stem", (7, 2, 2, 5), 14, spec, rng),
        Interleave("whole", tuple(quarters)),
        Interleave("nearest", ("stem", "stem", "stem", "stem")),
        Pool("largest", "whole", "max", (2, 2), (1, 1), (0, 1, 0, 1)),
        drawn("one", "nearest", (4, 1, 1, 5), 13, spec, rng),
        drawn("other", "nearest", (4, 1, 1, 5), 13, spec, rng),
        Interleave("mixed", ("one", "other", "other", "one")),
        drawn("added", "mixed", (4, 1, 1, 4), 13, spec, rng, stride=(2, 2), residual="one"),
        drawn("last", "largest", (3, 3, 3, 7), 14, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def resized(spec: Spec) -> Network:
    """Rows and columns resampled: to more and to fewer, to one and from one, whole strips of zeros."""
    rng = np.random.default_rng(8)

    def lines(name: str, source: str, axis: str, length: int, count: int, taps: int) -> Resample:
        weights = rng.integers(-20, 45, (count, taps)).astype(np.int16)
        weights[: count // 2 : 2] = 0
        return Resample(name, source, axis, rng.integers(0, length - taps + 1, count), weights, 6)

    empty = Resample("empty", "narrow", "rows", np.zeros(9, np.int64), np.zeros((9, 1), np.int16), 6)
    nodes = (
        drawn("stem", "image", (5, 3, 3, 3), 13, spec, rng, padding=(1, 1, 1, 1)),
        lines("tall", "stem", "rows", 9, 21, 2),
        lines("small", "tall", "columns", 11, 6, 3),
        lines("line", "small", "rows", 21, 1, 21),
        lines("narrow", "line", "columns", 6, 13, 1),
        empty,
        Concat("joined", ("tall", "tall")),
        drawn("first", "joined", (4, 1, 1, 10), 13, spec, rng),
        drawn("last", "empty", (3, 3, 3, 5), 14, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots, outputs=("small", "first", "last"))


def whole_maps(spec: Spec) -> Network:
    """Kernels that cover maps: more taps than the table has, pooled, in groups, with a residual."""
    rng = np.random.default_rng(7)
    average = Requantize(rng.integers(-99, 99, 1), np.array([700]), np.array([17]), 100)
    nodes = (
        drawn("stem", "image", (8, 1, 1, 3), 13, spec, rng),
        Interleave("larger", ("stem",) * 4),
        Pool("mean", "larger", "average", (18, 22), (1, 1), requantize=average),
        drawn("dense", "larger", (8, 18, 22, 8), 18, spec, rng, residual="mean"),
        drawn("grouped", "larger", (4, 18, 22, 4), 17, spec, rng, groups=2),
        Concat("beside", ("dense", "grouped", "mean")),
        drawn("moves", "larger", (3, 9, 9, 8), 17, spec, rng, padding=(4, 4, 4, 4)),
        drawn("halves", "larger", (3, 10, 9, 8), 17, spec, rng, stride=(2, 2), padding=(4, 4, 4, 4)),
        drawn("last", "beside", (5, 1, 1, 20), 12, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)
