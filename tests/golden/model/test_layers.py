"""Every type of layer against torch, over shapes, strides, paddings, groups, zero points and clamps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shiftbook.golden.model import executor
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.integer import span_of
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Concat, Conv, Gate, Interleave, Pool, Resample, Subsample
from shiftbook.golden.model.weights import Requantize, Weights
from tests.golden import torch_layers

torch.set_num_threads(1)  # the tensors are tiny

byte = st.integers(0, 255)
seeds = st.integers(0, 2**32).map(np.random.default_rng)
exactly = settings(deadline=None, max_examples=60)


def draw_images(rng, *shape):
    return rng.integers(0, 256, shape, np.uint8)


@st.composite
def clamps(draw, zero):
    """Lowest and highest integer: of no activation, of ReLU, of ReLU6, or any."""
    return draw(
        st.one_of(
            st.just((0, 255)),
            st.just((zero, 255)),
            st.integers(0, 255 - zero).map(lambda six: (zero, zero + six)),
            st.tuples(byte, byte).map(lambda ends: (min(ends), max(ends))),
        )
    )


@st.composite
def requantizers(draw, rng, outputs, reach, residual=False):
    """Under which most channels bring sums up to ``reach`` between the clamps; the others are any.

    ``reach`` is one number, or one for each output.
    """
    zero = draw(byte)
    low, high = draw(clamps(zero))
    multiplier = rng.integers(0, 1 << draw(st.integers(1, 16)), outputs)
    fitting = np.log2((multiplier + 1) * (reach + 1) / 255).astype(np.int64) + rng.integers(0, 3, outputs)
    shift = np.where(rng.random(outputs) < 0.95, np.clip(fitting, 0, 40), rng.integers(0, 41, outputs))
    bias = rng.integers(-reach, reach + 1, outputs) // draw(st.sampled_from([1, 8]))
    most = draw(st.sampled_from([255, 1023]))
    added = int(rng.integers(0, most + 1)) if residual else None
    function = FunctionTable(rng.bytes(256), draw(byte)) if draw(st.integers(0, 2)) == 0 else None
    return Requantize(bias, multiplier, shift, zero, low, high, added, function)


def without_function(node):
    """The layer with its clamps alone."""
    return replace(node, requantize=replace(node.requantize, function=None))


@st.composite
def weights(draw, rng, shape):
    """[O, kh, kw, I] of any size and density."""
    largest = draw(st.sampled_from([1, 24, 128]))
    integers = rng.integers(-largest, min(largest + 1, 128), shape).astype(np.int16)
    integers[rng.random(shape) >= draw(st.sampled_from([0.1, 1.0]))] = 0
    return Weights(integers, np.unique(integers), "test", True)


def windows(sides, kernel, padding, stride):
    """Rows and columns of windows that fit."""
    around = padding[:2], padding[2:]
    return [
        (side + sum(pads) - size) // step + 1
        for side, size, pads, step in zip(sides, kernel, around, stride, strict=True)
    ]


def sizes(span, pads):
    """Rows or columns that leave one pixel behind a crop, and a window with the padding."""
    crops = -sum(min(pad, 0) for pad in pads)
    return st.integers(max(1 + crops, span - sum(pads)), 19 + crops)


@st.composite
def convs(draw, whole=False):
    """A convolution, the tensors it reads and their zero points; a ``whole`` kernel covers its input."""
    kind = "dense" if whole else draw(st.sampled_from(["dense", "dense", "grouped", "depthwise"]))
    groups = 1 if kind == "dense" else draw(st.integers(2, 6))
    inputs = 1 if kind == "depthwise" else draw(st.integers(1, 5))
    outputs = groups * draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding, stride, dilation, sides = (0,) * 4, (1, 1), (1, 1), kernel
    span = kernel
    if not whole:
        padding = draw(st.tuples(*[st.integers(draw(st.sampled_from([0, -2])), 3)] * 4))
        stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        dilation = draw(st.tuples(*[st.sampled_from([1, 1, 2, 3])] * 2))
        span = span_of(kernel, dilation)
        sides = [draw(sizes(side, pads)) for side, pads in zip(span, (padding[:2], padding[2:]), strict=True)]
    rng, count, adds = draw(seeds), draw(st.integers(1, 2)), draw(st.booleans())
    coded = draw(weights(rng, (outputs, *kernel, inputs)))
    squares = np.square(coded.integers.astype(np.int64)).sum(axis=(1, 2, 3))
    reach = (255 * np.sqrt(squares)).astype(np.int64)
    requantize = draw(requantizers(rng, outputs, reach, adds))
    conv = Conv(
        "conv", "x", coded, requantize, stride, padding, groups, "r" if adds else None, dilation=dilation
    )
    tensors = {"x": draw_images(rng, count, *sides, groups * inputs)}
    if adds:
        tensors["r"] = draw_images(rng, count, *windows(sides, span, padding, stride), outputs)
    return conv, tensors, {"x": draw(byte), "r": draw(byte)}


def check(node, tensors, zero):
    """Every integer, and nothing but integers of 8 bits."""
    got = executor.run_node(node, tensors, zero)
    want = torch_layers.run_node(node, tensors, zero)
    assert got.dtype == np.uint8
    assert got.shape == want.shape
    assert np.array_equal(got, want)


@given(convs())
@settings(exactly, max_examples=150)
def test_convolution(case):
    """Kernels 1 to 7, strides, dilations, padding or crops, groups, residuals, every clamp, functions."""
    check(*case)


@given(seeds, *[st.integers(1, 5)] * 2, *[st.integers(1, 4)] * 3, st.booleans(), st.data())
@exactly
def test_copies(rng, height, width, copies, outputs, inputs, adds, data):
    """Runs of channels that share weights, each with requantizers of its own."""
    coded = data.draw(weights(rng, (outputs, 1, 1, inputs)))
    requantize = data.draw(requantizers(rng, copies * outputs, 255 * inputs * 24, adds))
    residual = "r" if adds else None
    node = Conv("conv", "x", coded, requantize, residual=residual, copies=copies)
    channels = {"x": copies * inputs, "r": copies * outputs}
    tensors = {name: draw_images(rng, 2, height, width, count) for name, count in channels.items()}
    check(node, tensors, {"x": data.draw(byte), "r": data.draw(byte)})


@given(convs(whole=True))
@exactly
def test_fully_connected(case):
    """A kernel that covers its input is torch's linear layer on flattened pixels."""
    node, tensors, zero = case
    check(node, tensors, zero)
    features = torch.from_numpy(tensors["x"].astype(np.int64)).flatten(1)
    weights = torch.from_numpy(node.weights.integers.astype(np.int64)).flatten(1)
    want = torch_layers.requantize(functional.linear(features, weights)[:, :, None, None], node.requantize)
    alone = replace(node, residual=None)
    assert np.array_equal(executor.run_node(alone, tensors, zero)[:, 0, 0], want[:, :, 0, 0].numpy())


@given(convs(), st.integers(0, 300), st.booleans())
@exactly
def test_activations(case, six, ends):
    """ReLU and ReLU6 of steps that count from the zero point, by torch's own functions."""
    node, tensors, zero = without_function(case[0]), *case[1:]
    point = node.requantize.zero_point
    high = min(255, point + six) if ends else 255
    clamped = replace(node, requantize=replace(node.requantize, low=point, high=high))
    steps = torch_layers.conv_steps(node, tensors, zero).double()
    steps = functional.hardtanh(steps, 0, six) if ends else functional.relu(steps)
    want = (point + steps).clamp(max=255).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(executor.run_node(clamped, tensors, zero), want)


@st.composite
def pools(draw, kind, everything=False):
    """A pooling layer and its source; ``everything`` is one window over the whole image."""
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding, stride = (0,) * 4, kernel
    if not everything:
        padding = tuple(draw(st.integers(0, min(3, k - 1))) for k in (kernel[0],) * 2 + (kernel[1],) * 2)
        stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    sides = kernel if everything else [draw(st.integers(size, 12)) for size in kernel]
    rng = draw(seeds)
    reach = kernel[0] * kernel[1] * 255
    requantize = draw(requantizers(rng, 1, reach)) if kind == "average" else None
    images = draw_images(rng, draw(st.integers(1, 2)), *sides, draw(st.integers(1, 6)))
    return Pool("pool", "x", kind, kernel, stride, padding, requantize), {"x": images}, {"x": draw(byte)}


@given(pools("max"))
@exactly
def test_max_pooling(case):
    check(*case)


@given(pools("average"))
@exactly
def test_average_pooling(case):
    check(*case)


@given(pools("average", everything=True))
@exactly
def test_global_average_pooling(case):
    check(*case)


@given(seeds, *[st.integers(1, 9)] * 3, st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), byte)
@exactly
def test_subsample(rng, height, width, channels, stride, before, after, zero):
    images = draw_images(rng, 2, height, width, channels)
    check(Subsample("shortcut", "x", stride, before, after), {"x": images}, {"x": zero})


@given(seeds, *[st.integers(1, 6)] * 2, st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
@exactly
def test_concatenation(rng, height, width, channels, data):
    """In any order, some tensors more than once, some never."""
    tensors = {f"x{i}": draw_images(rng, 2, height, width, count) for i, count in enumerate(channels)}
    chosen = data.draw(st.lists(st.sampled_from(sorted(tensors)), min_size=1, max_size=5))
    check(Concat("joined", tuple(chosen)), tensors, dict.fromkeys(tensors, 7))


@given(seeds, *[st.integers(2, 9)] * 2, st.integers(1, 4), st.booleans())
@exactly
def test_interleaving(rng, height, width, channels, nearest):
    """Four tensors, of which the lower and the right ones may be smaller, or one of them four times."""
    rows, cols = [-(-height // 2), height // 2], [-(-width // 2), width // 2]
    sizes = [(rows[0], cols[0])] * 4 if nearest else [(r, c) for r in rows for c in cols]
    tensors = {f"x{i}": draw_images(rng, 2, *size, channels) for i, size in enumerate(sizes)}
    sources = ("x0",) * 4 if nearest else tuple(tensors)
    check(Interleave("whole", sources), tensors, dict.fromkeys(tensors, 7))


@given(
    seeds,
    *[st.integers(1, 6)] * 3,
    st.sampled_from(["rows", "columns"]),
    st.integers(1, 9),
    st.integers(0, 9),
    byte,
)
@exactly
def test_resampling(rng, height, width, channels, axis, lines, shift, zero):
    """Weights of both signs, in any order, and lines of none."""
    length = height if axis == "rows" else width
    taps = int(rng.integers(1, length + 1))
    weights = rng.integers(-128, 128, (lines, taps)).astype(np.int16) * rng.integers(0, 2, (lines, 1))
    first = rng.integers(0, length - taps + 1, lines)
    node = Resample("resized", "x", axis, first, weights.astype(np.int16), shift)
    check(node, {"x": draw_images(rng, 2, height, width, channels)}, {"x": zero})


@given(seeds, *[st.integers(1, 6)] * 3, st.integers(2, 16), byte, st.booleans(), st.data())
@exactly
def test_gates(rng, height, width, channels, shift, zero, pixels, data):
    """Every image with gates of its own, of channels or of pixels; 0 among them."""
    own = data.draw(requantizers(rng, 1, 255))
    own = replace(own, bias=np.array([-zero]), multiplier=np.array([1]), shift=np.array([shift]))
    shape = (2, height, width, channels) if pixels else (2, 1, 1, channels)
    gates = draw_images(rng, *shape) * rng.integers(0, 2, shape, np.uint8)
    tensors = {"x": draw_images(rng, 2, height, width, channels), "g": gates}
    check(Gate("gate", "x", "g", own), tensors, {"x": zero, "g": 0})


@given(seeds, st.integers(1, 5), st.data())
@exactly
def test_input_normalization(rng, channels, data):
    """Every pixel value in every channel, through the network's own first step."""
    requantize = data.draw(requantizers(rng, channels, 255))
    images = np.repeat(np.arange(256, dtype=np.uint8), channels).reshape(1, 16, 16, channels)
    same = Pool("same", "image", "max", (1, 1), (1, 1))
    network = Network(Input("image", (16, 16, channels), requantize), (same,), 1)
    got = executor.run(network, images, keep=True).tensors
    want = torch_layers.run(network, images)
    assert got.keys() == want.keys() == {"image", "same"}
    assert all(np.array_equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("strategy", [convs(), pools("average")])
def test_outputs_are_not_all_clamped(strategy):
    """The comparisons above would be empty if every output sat at a clamp."""
    shares = []

    @given(strategy)
    @settings(exactly, max_examples=300, derandomize=True, database=None)
    def look(case):
        node, tensors, zero = without_function(case[0]), *case[1:]
        got = executor.run_node(node, tensors, zero)
        shares.append(((got > node.requantize.low) & (got < node.requantize.high)).mean())

    look()
    assert np.mean(shares) > 0.2, np.mean(shares)
