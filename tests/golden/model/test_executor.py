"""Whole networks: against torch in float64 (exact on these integers), in batches, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.executor import run
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Pool, Subsample
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.model.weights import Requantize, Weights
from tests.golden import torch_layers


def parameters(rng, outputs: int, residual: bool = False, zero: int | None = None) -> Requantize:
    return Requantize(
        rng.integers(-(1 << 14), 1 << 14, outputs),
        rng.integers(1, 1 << 10, outputs),
        rng.integers(14, 19, outputs),
        int(rng.integers(0, 200)) if zero is None else zero,
        residual_multiplier=int(rng.integers(1, 1 << 10)) if residual else None,
    )


def conv(rng, name, source, shape, residual=None, **rest) -> Conv:
    integers = rng.integers(-24, 25, shape).astype(np.int16)
    weights = Weights(integers, np.arange(-24, 25, dtype=np.int16), "test", True)
    return Conv(
        name, source, weights, parameters(rng, shape[0], residual is not None), residual=residual, **rest
    )


def small_network(seed: int = 0) -> Network:
    """Everything at once: strides, groups, depthwise, both pools, a subsampled residual, a linear layer."""
    rng = np.random.default_rng(seed)
    mean = Requantize(rng.integers(-300, 0, 1), rng.integers(150, 256, 1), np.array([10]), 30)
    nodes = (
        conv(rng, "stem", "image", (8, 3, 3, 3), padding=(1, 1, 1, 1)),
        Pool("max", "stem", "max", (3, 3), (1, 1), (1, 1, 1, 1)),
        Subsample("shortcut", "max", 2, 2, 2),
        conv(rng, "depthwise", "max", (8, 3, 3, 1), groups=8, stride=(2, 2), padding=(1, 1, 0, 2)),
        conv(rng, "grouped", "depthwise", (12, 1, 1, 4), groups=2),
        conv(rng, "joined", "grouped", (12, 3, 3, 12), padding=(1, 1, 1, 1), residual="shortcut"),
        Pool("mean", "joined", "average", (2, 2), (2, 2), requantize=mean),
        conv(rng, "linear", "mean", (10, 2, 3, 12)),
    )
    normalize = Requantize(rng.integers(-99, 9, 3), rng.integers(90, 200, 3), np.array([7, 7, 8]), 99)
    return Network(Input("image", (9, 11, 3), normalize), nodes, 4)


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_every_tensor_equals_torch(seed):
    network = small_network(seed)
    images = np.random.default_rng(seed).integers(0, 256, (3, 9, 11, 3), np.uint8)
    got = run(network, images, keep=True)
    want = torch_layers.run(network, images)
    assert got.tensors.keys() == want.keys()
    for name, tensor in want.items():
        assert np.array_equal(got.tensors[name], tensor), name
        assert got.tensors[name].shape[1:] == shapes(network)[name]
    assert np.array_equal(got.outputs, want["linear"].reshape(3, 10))


def test_tensors_are_not_all_clamped():
    """The comparison above would be empty if every output sat at a clamp."""
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 11, 3), np.uint8)
    for name, tensor in run(small_network(), images, keep=True).tensors.items():
        inside = ((tensor > 0) & (tensor < 255)).mean()
        assert inside > 0.3, (name, inside)


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_batches_make_no_difference(batch):
    network = small_network()
    images = np.random.default_rng(0).integers(0, 256, (5, 9, 11, 3), np.uint8)
    seen: list[int] = []
    result = run(network, images, batch=batch, progress=seen.append)
    assert np.array_equal(result.outputs, run(network, images).outputs)
    assert result.tensors == {}
    assert sum(seen) == 5
    assert max(seen) <= batch


def test_images_of_another_shape_are_refused():
    network = small_network()
    with pytest.raises(
        ShiftbookError, match=r"images must be uint8 \(N, 9, 11, 3\), not uint8 \(1, 8, 8, 3\)"
    ):
        run(network, np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(ShiftbookError, match=r"images must be uint8 .* not float64"):
        run(network, np.zeros((1, 9, 11, 3)))
    with pytest.raises(ShiftbookError, match="there are no images to run"):
        run(network, np.zeros((0, 9, 11, 3), np.uint8))


def test_an_inconsistent_network_is_refused():
    network = small_network()
    with pytest.raises(ShiftbookError, match="layer max: its source 'stem' is no earlier layer"):
        run(replace(network, nodes=network.nodes[1:]), np.zeros((1, 9, 11, 3), np.uint8))
