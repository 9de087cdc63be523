"""Blocks of pixels as channels, and strides that the engine has not, against torch."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.frontend.layers.fixed import BlockConv2d
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model import executor
from shiftbook.golden.spec import DEFAULT
from shiftbook.sim.driver import run_rtl
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.lowering.checking import check_layers, lowered, random_images
from tests.sim.networks import SPECS


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from([4, 8]),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.sampled_from([1, 2]),
    st.tuples(st.integers(8, 30), st.integers(8, 30)),
)
@settings(deadline=None, max_examples=60)
def test_a_large_stride_is_a_small_one_on_blocks(kernel, stride, padding, groups, size):
    layer = nn.Conv2d(2, 4, kernel, stride, padding, groups=groups)
    assume(all(n + 2 * p >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    graph = agree(nn.Sequential(layer, nn.BatchNorm2d(4), nn.ReLU()), (2, *size), images=2)
    strides = [layer.stride for layer in graph.convs()]
    one = layer(torch.zeros(1, 2, *size)).shape[2:] == (1, 1)
    assert one or set(strides) <= {(1, 1), (2, 2)}


@pytest.mark.parametrize(
    ("function", "blocks"),
    [
        (lambda m, x: functional.pixel_unshuffle(x, 2), 1),
        (lambda m, x: m.c(functional.pixel_unshuffle(m.e(x), 4)), 2),
        (lambda m, x: torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1), 1),
        (lambda m, x: x.reshape(-1, 3, 4, 2, 4, 2).permute(0, 3, 5, 1, 2, 4).reshape(-1, 12, 4, 4), 1),
        (lambda m, x: m.t(x) + m.t(x.relu()), 0),
    ],
)
def test_other_ways_to_write_it(function, blocks):
    model = Wrapped(function, c=conv(48, 4, 1), e=conv(3, 3, 1), t=nn.Conv2d(3, 4, 2, 2))
    graph = agree(model, (3, 8, 8), images=2)
    assert sum(isinstance(layer.module, BlockConv2d) for layer in graph.convs()) == blocks


class Patches(nn.Module):
    """As AlexNet begins; takes [N, 3, 27, 35]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 11, 4, 2)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(functional.max_pool2d(self.stem(x).relu(), 3, 2).mean((2, 3)))


def test_integers_and_the_accelerator():
    graph, network, scales, tensors = lowered(Patches(), (3, 27, 35))
    check_layers(graph, network, scales, tensors)
    check_runnable(network, DEFAULT)
    spec = SPECS["int8"]
    _, network, _, _ = lowered(Patches(), (3, 27, 35), spec=spec)
    images = random_images(1, 27, 35, 3)
    result = run_rtl(network, images, spec, pauses=0.2)
    assert np.array_equal(result.outputs, executor.run(network, images).outputs)
