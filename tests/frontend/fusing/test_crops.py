"""Parts of maps, and zeros around tensors that may be negative: what a layer takes in as padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model import executor
from shiftbook.golden.model.integer import accumulate
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT
from shiftbook.sim.driver import run_rtl
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.lowering.checking import check_layers, lowered, random_images
from tests.sim.networks import SPECS


@pytest.mark.parametrize(
    ("function", "layers"),
    [
        (lambda m, x: m.c(x[:, :, 1:7, 2:]), 1),
        (lambda m, x: m.c(m.d(x)[..., 3:, :-2]), 2),
        (lambda m, x: m.d(x[:, :, 1:7, 2:]), 2),
        (lambda m, x: m.c(functional.pad(x[:, :, 1:], (1, 1, 0, 2))), 2),
        (lambda m, x: m.c(functional.pad(x, (2, 2, 2, 2))[:, :, 1:, 3:]), 2),
        (lambda m, x: x[:, :, 2:5, 1:4], 1),
        (lambda m, x: functional.avg_pool2d(x[:, :, 1:, 1:], 3, 2), 2),
        (lambda m, x: x[:, :, 1::2, 1::2].relu(), 3),
        (lambda m, x: torch.cat([m.d(x)[:, :, 1:], x[:, :, :-1]], 1), 4),
        (lambda m, x: functional.max_pool2d(functional.pad(m.d(x), (0, 1, 0, 1)), 2, 1), 3),
        (lambda m, x: functional.max_pool2d(functional.pad(m.d(x).relu(), (0, 1, 0, 1)), 2, 1), 2),
    ],
)
def test_ways_to_write_it(function, layers):
    graph = agree(Wrapped(function, c=conv(), d=conv(3, 3, padding=1)), (3, 8, 8), images=2)
    assert len(graph.layers) == layers


@given(st.tuples(*[st.integers(-4, 3)] * 4), st.sampled_from([1, 2]), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_negative_padding_leaves_pixels_out(padding, stride, seed):
    rng = np.random.default_rng(seed)
    images, integers = rng.integers(0, 256, (2, 11, 12, 3), np.uint8), rng.integers(-9, 10, (4, 2, 3, 3))
    got = accumulate(images, integers.astype(np.int16), stride=(stride,) * 2, padding=padding, pad_value=5)
    top, bottom, left, right = padding
    maps = torch.from_numpy(images.astype(float)).permute(0, 3, 1, 2)
    padded = functional.pad(maps, (left, right, top, bottom), value=5)
    wanted = functional.conv2d(
        padded, torch.from_numpy(integers.astype(float)).permute(0, 3, 1, 2), stride=stride
    )
    assert np.array_equal(got, wanted.permute(0, 2, 3, 1).numpy())


class Cropped(nn.Module):
    """Crops within a block, over several blocks, at both ends; takes [N, 3, 24, 21]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, padding=1)
        self.far = nn.Conv2d(5, 4, 3)
        self.halved = nn.Conv2d(5, 4, 3, 2)

    def forward(self, x):
        x = self.stem(x)
        a, b = self.far(x[:, :, 13:, 9:-1]), self.halved(x[:, :, 2:-3, 5:])
        return a, b, x[:, :, 7:20, :6].relu()


def test_integers_and_the_accelerator():
    graph, network, scales, tensors = lowered(Cropped(), (3, 24, 21))
    assert min(node.padding[0] for node in network.nodes if isinstance(node, Conv)) == -13
    check_layers(graph, network, scales, tensors)
    check_runnable(network, DEFAULT)
    spec = SPECS["int8"]
    _, network, _, _ = lowered(Cropped(), (3, 24, 21), spec=spec)
    images = random_images(2, 24, 21, 3)
    result = run_rtl(network, images, spec, pauses=0.2)
    found = executor.run(network, images).results
    assert all(np.array_equal(result.results[name], tensor) for name, tensor in found.items())
