"""Up-sampling on its way from the model to integers, against torch."""

import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.frontend.fusing.operators.interleave import InterleaveLayer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model import executor
from shiftbook.golden.spec import DEFAULT
from shiftbook.sim.driver import run_rtl
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.lowering.checking import check_layers, lowered, random_images, real_values
from tests.frontend.models import layers_of
from tests.sim.networks import SPECS


def pooled(y):
    return y.mean((2, 3))


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([1, 2, 2, 2, 4]),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
    st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)]),
    st.sampled_from([1, 2, 4]),
    st.tuples(st.integers(2, 6), st.integers(2, 6)),
)
@settings(deadline=None, max_examples=60)
def test_a_transposed_convolution_is_its_phases(rows, cols, stride, padding, extra, dilation, groups, size):
    layer = nn.ConvTranspose2d(
        4,
        8,
        (rows, cols),
        stride,
        padding,
        tuple(min(e, max(stride, d) - 1) for e, d in zip(extra, dilation, strict=True)),
        groups,
        dilation=dilation,
    )
    x = torch.zeros(1, 4, *size)
    try:
        shape = layer(x).shape
    except RuntimeError:
        assume(False)
    assume(min(shape[2:]) >= stride)
    graph = agree(nn.Sequential(layer, nn.BatchNorm2d(8), nn.ReLU(), Mean()), (4, *size), images=2)
    assert len(list(graph.convs())) == stride**2


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def sums(graph):
    """Layers that are neither convolutions nor the mean: what interleaves."""
    return [layer.name for layer in graph.layers if isinstance(layer, InterleaveLayer)]


def added(layer, x):
    return layer(x) + x


def shuffled_and_read(x):
    """Something else reads what is shuffled, so that its layer cannot be cut."""
    return torch.cat([functional.pixel_shuffle(x, 2), functional.interpolate(x, scale_factor=2)], 1)


@pytest.mark.parametrize(
    ("function", "convs", "interleaved"),
    [
        (lambda m, x: pooled(functional.interpolate(m.c(x), scale_factor=2)), 1, 1),
        (lambda m, x: pooled(functional.interpolate(x, size=(32, 32), mode="nearest-exact")), 0, 2),
        (lambda m, x: pooled(functional.relu(functional.interpolate(m.c(x), scale_factor=2.0))), 1, 1),
        (lambda m, x: pooled(m.c(x).repeat_interleave(2, 2).repeat_interleave(2, 3)), 1, 1),
        (lambda m, x: pooled(added(m.e, functional.interpolate(x, scale_factor=2))), 1, 1),
        (lambda m, x: pooled(functional.pixel_shuffle(m.c(x), 2)), 4, 1),
        (lambda m, x: pooled(functional.relu(functional.pixel_shuffle(m.n(m.c(x)).relu(), 2))), 4, 1),
        (lambda m, x: pooled(functional.pixel_shuffle(torch.cat([m.c(x), m.c(x)], 1), 4)), 18, 5),
        (lambda m, x: pooled(shuffled_and_read(m.c(x))), 5, 2),
        (lambda m, x: pooled(m.t(x)) + pooled(m.t(x.relu())), 10, 2),
        (lambda m, x: pooled(functional.relu(m.t(x) * 2 + 1)), 4, 1),
        (lambda m, x: pooled(functional.relu(m.t(x) + functional.interpolate(m.d(x), scale_factor=2))), 6, 2),
        (lambda m, x: pooled(torch.cat([m.t(x), functional.interpolate(x, scale_factor=2)], 1)), 4, 2),
    ],
)
def test_ways_to_write_it(function, convs, interleaved):
    model = Wrapped(
        function,
        c=conv(3, 8, padding=1),
        d=conv(3, 4, padding=1),
        e=conv(3, 3, padding=1),
        n=nn.BatchNorm2d(8),
        t=nn.ConvTranspose2d(3, 4, 2, 2),
    )
    graph = agree(model, (3, 8, 8), images=2)
    assert (len(list(graph.convs())), len(sums(graph))) == (convs, interleaved)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda m, x: pooled(functional.interpolate(x, scale_factor=2, mode="bicubic")),
            "its mode must be nearest or bilinear, not bicubic",
        ),
        (
            lambda m, x: pooled(functional.interpolate(functional.pad(x, (1, 1)), scale_factor=2)),
            "padding must be followed by a convolution or by pooling",
        ),
    ],
)
def test_what_does_not_run_is_named(function, message):
    model = Wrapped(function)
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        layers_of(model, (3, 8, 8))
    assert "\n" not in str(caught.value)


class Decoder(nn.Module):
    """Down, and up again in three ways; takes [N, 3, H, W] of even sizes."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(6, 5, 3, 2, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.wide = nn.Conv2d(6, 12, 1)
        self.odd = nn.ConvTranspose2d(6, 4, 3, 2, 1, groups=2)
        self.odd_head = nn.Conv2d(4, 5, 2)
        self.head = nn.Conv2d(14, 5, 3)

    def forward(self, x):
        y = self.down(x).relu()
        z = [self.norm(self.up(y)).relu(), functional.pixel_shuffle(self.wide(y), 2)]
        z = torch.cat([*z, functional.interpolate(y, scale_factor=2)], 1)
        return self.head(z).mean((2, 3)) + self.odd_head(self.odd(y)).mean((2, 3))


@pytest.mark.parametrize("size", [(8, 12), (14, 6)])
def test_every_layer_of_the_integer_network_is_near(size):
    graph, network, scales, tensors = lowered(Decoder(), (3, *size))
    check_layers(graph, network, scales, tensors)
    for layer in graph.layers:
        if isinstance(layer, InterleaveLayer):
            assert len({scales[name] for name in (layer.name, *layer.sources)}) == 1
            wanted = layer(*(real_values(tensors[name], scales[name]) for name in layer.sources))
            assert torch.equal(real_values(tensors[layer.name], scales[layer.name]), wanted)
    check_runnable(network, DEFAULT)


@pytest.mark.parametrize(("name", "density"), [("shift", 0.4), ("int8", 1.0)])
def test_on_the_accelerator(name, density):
    spec = SPECS[name]
    _, network, _, _ = lowered(Decoder(), (3, 12, 10), name, density=density, spec=spec)
    images = random_images(2, 12, 10, 3, seed=5)
    result = run_rtl(network, images, spec, latency=7, pauses=0.3)
    assert np.array_equal(result.outputs, executor.run(network, images).outputs)
    assert np.unique(result.outputs).size > 5
