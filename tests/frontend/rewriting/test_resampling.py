"""Interpolation, uneven windows and odd strides on their way from the model to integers, against torch."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.frontend.fusing.operators.resample import ResampleLayer
from shiftbook.frontend.quantization.lines import in_lines
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model import executor
from shiftbook.golden.spec import DEFAULT, PRESETS
from shiftbook.sim.driver import run_rtl
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.lowering.checking import check_layers, lowered, random_images, real_values
from tests.frontend.models import layers_of
from tests.sim.networks import SPECS

BOTH = ["rows", "columns"]

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


def mean(y):
    return y.mean((2, 3))


def of_resampling(function, **modules):
    """The layers that resample in a function of a convolution's output [N, 5, 8, 9], which torch confirms."""
    model = Wrapped(lambda m, x: mean(function(m, m.c(x))), c=conv(3, 5, padding=1), **modules)
    graph = agree(model, (3, 8, 9), images=2)
    return [layer for layer in graph.layers if isinstance(layer, ResampleLayer)]


WAYS = [("nearest", None), ("nearest-exact", None), ("bilinear", True), ("bilinear", False)]


@given(sizes, st.sampled_from(WAYS))
@settings(deadline=None, max_examples=8)
def test_interpolation_to_any_size(size, way):
    mode, corners = way
    of_resampling(lambda m, x: functional.interpolate(x, size, mode=mode, align_corners=corners))


@given(st.tuples(*[st.integers(0, 7)] * 4), st.sampled_from(["reflect", "replicate"]))
@settings(deadline=None, max_examples=8)
def test_padding_by_pixels_of_the_map(padding, mode):
    layers = of_resampling(lambda m, x: functional.pad(x, padding, mode=mode))
    assert len(layers) == any(padding[:2]) + any(padding[2:])


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_convolutions_with_a_padding_mode(mode):
    layer = nn.Conv2d(5, 4, (3, 5), padding=(1, 2), padding_mode=mode)
    assert len(of_resampling(lambda m, x: m.s(x), s=layer)) == 2


@given(sizes)
@settings(deadline=None, max_examples=6)
def test_windows_of_several_sizes(size):
    of_resampling(lambda m, x: functional.adaptive_avg_pool2d(x, size))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=8)
def test_averages(kernel, stride, padding, ceil, counts):
    padding = min(padding, kernel // 2)
    of_resampling(lambda m, x: functional.avg_pool2d(x, kernel, stride, padding, ceil, counts))


strides = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(strides, st.integers(1, 4), st.integers(0, 1), st.sampled_from([1, 5]))
@settings(deadline=None, max_examples=8)
def test_strides(stride, kernel, padding, groups):
    layer = nn.Conv2d(5, 10, kernel, stride, padding, groups=groups)
    of_resampling(lambda m, x: functional.relu(m.n(m.s(x))), s=layer, n=nn.BatchNorm2d(10))
    if kernel > 1:
        of_resampling(lambda m, x: functional.max_pool2d(x, kernel, stride, padding, ceil_mode=True))


@given(strides, st.integers(1, 4), st.integers(0, 1), st.sampled_from([1, 5]))
@settings(deadline=None, max_examples=8)
def test_strides_of_transposed_convolutions(stride, kernel, padding, groups):
    layer = nn.ConvTranspose2d(5, 10, kernel, stride, min(padding, kernel - 1), groups=groups)
    of_resampling(lambda m, x: functional.relu(m.n(m.s(x))), s=layer, n=nn.BatchNorm2d(10))


@pytest.mark.parametrize(
    ("function", "axes"),
    [
        (lambda m, x: functional.interpolate(x, scale_factor=(1, 2), mode="bilinear"), ["columns"]),
        (lambda m, x: functional.interpolate(x, scale_factor=3).relu(), BOTH),
        (lambda m, x: functional.interpolate(x, scale_factor=4), []),
        (
            lambda m, x: functional.interpolate(functional.pad(x, (1, 0, 2, 1)), scale_factor=3),
            BOTH,
        ),
        (lambda m, x: functional.pixel_shuffle(m.nine(x), 3), BOTH),
        (
            lambda m, x: functional.pixel_unshuffle(functional.interpolate(x, (6, 9)), 3),
            ["rows"] * 2 + ["columns"],
        ),
        (lambda m, x: x[:, :, ::3, ::3], BOTH),
        (lambda m, x: x[:, :, :, ::2], ["columns"]),
        (lambda m, x: m.down(x) + m.down(x.relu()), BOTH * 2),
    ],
)
def test_ways_to_write_it(function, axes):
    down = nn.Conv2d(5, 5, 3, 3)
    assert [layer.axis for layer in of_resampling(function, nine=nn.Conv2d(5, 9, 1), down=down)] == axes


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda m, x: functional.interpolate(x, scale_factor=2, mode="bicubic"),
            "Upsample at 'part.upsample_bicubic2d': its mode must be nearest or bilinear, not bicubic",
        ),
        (
            lambda m, x: functional.avg_pool2d(x, 3, 1, divisor_override=4),
            "divisor_override does not run",
        ),
    ],
)
def test_what_does_not_run_is_named(function, message):
    model = Wrapped(lambda m, x: mean(function(m, m.c(x))), c=conv(3, 5))
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        layers_of(model, (3, 8, 8))
    assert "\n" not in str(caught.value)


@given(st.integers(1, 9), st.integers(1, 70), st.sampled_from(sorted(PRESETS)), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_integers_add_up_to_what_the_weights_do(lines, length, name, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.random((lines, length)).astype(np.float32) * (rng.random((lines, length)) < 0.3)
    matrix /= np.maximum(matrix.sum(axis=1, keepdims=True), 1e-9)
    first, weights, shift = in_lines(matrix, PRESETS[name])
    there = matrix.any(axis=1)
    assert (weights.sum(axis=1) == there << shift).all()
    whole = np.zeros((lines, length + weights.shape[1]))
    for line in range(lines):
        whole[line, first[line] : first[line] + weights.shape[1]] = weights[line]
    assert (np.abs(whole[:, :length] / (1 << shift) - matrix) <= 1 / (1 << shift)).all()
    assert not whole[:, length:].any()
    assert weights.max(initial=0) <= 64


class Pyramid(nn.Module):
    """Pooled to three sizes, interpolated and joined; products of maps and of a channel; odd strides."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, (1, 2), 1)
        self.attention = nn.Conv2d(6, 1, 1)
        self.up = nn.ConvTranspose2d(6, 4, 3, 3)
        self.head = nn.Conv2d(24, 5, 1)
        self.last = nn.Conv2d(4, 5, 3)

    def forward(self, x):
        y = self.stem(x).relu()
        parts = [functional.adaptive_avg_pool2d(y, size) for size in (1, 2, 3)]
        parts = [functional.interpolate(p, y.shape[2:], mode="bilinear", align_corners=True) for p in parts]
        y = torch.cat([y * parts[0], parts[1], parts[2], y * self.attention(y).sigmoid()], 1)
        return mean(self.head(y)) + mean(self.last(self.up(parts[2])))


def test_every_layer_of_the_integer_network_is_near():
    graph, network, scales, tensors = lowered(Pyramid(), (3, 8, 14))
    check_layers(graph, network, scales, tensors)
    nodes = {node.name: node for node in network.nodes}
    found = [layer for layer in graph.layers if isinstance(layer, ResampleLayer)]
    assert len(found) > 8
    for layer in found:
        assert scales[layer.name] == scales[layer.source]
        got = real_values(tensors[layer.name], scales[layer.name])
        wanted = torch.einsum(
            "yh,nchw->ncyw" if layer.axis == "rows" else "xw,nchw->nchx",
            layer.matrix.double(),
            real_values(tensors[layer.source], scales[layer.source]),
        )
        node = nodes[layer.name]
        rounded = node.matrix(layer.matrix.shape[1]) / (1 << node.shift)
        steps = 0.5 + 255 * np.abs(rounded - layer.matrix.numpy()).sum(axis=1).max()
        assert float((got - wanted).abs().max()) <= steps * scales[layer.name].scale * 1.0001
        assert steps < 4
    check_runnable(network, DEFAULT)


@pytest.mark.parametrize("name", ["shift4", "focused"])
def test_weights_of_few_exponents(name):
    spec = PRESETS[name]
    layer = ResampleLayer(name="up", source="x", axis="rows", matrix=torch.rand(9, 5))
    _, weights, _ = in_lines(layer.matrix.numpy(), spec)
    assert weights.max() <= 1 << max(high for _, high in spec.terms)


def test_on_the_accelerator():
    spec = SPECS["shift"]
    _, network, _, _ = lowered(Pyramid(), (3, 8, 14), "shift", density=0.5, spec=spec)
    images = random_images(1, 8, 14, 3, seed=5)
    result = run_rtl(network, images, spec, latency=7, pauses=0.3)
    assert np.array_equal(result.outputs, executor.run(network, images).outputs)
    assert np.unique(result.outputs).size > 3
