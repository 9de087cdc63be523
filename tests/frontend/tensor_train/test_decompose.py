"""Modes, TT-SVD and chains against dense weights, and against tensorly."""

from math import prod

import pytest
import tensorly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorly.decomposition import tensor_train
from torch import nn

from shiftbook.frontend.tensor_train.chain import Chain, cores_of
from shiftbook.frontend.tensor_train.decompose import (
    balanced,
    compose,
    decompose,
    product,
    project,
    spectra,
    tt_svd,
)
from shiftbook.frontend.tensor_train.modes import Modes, modes_for
from shiftbook.golden.errors import ShiftbookError

FACTORS = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
MODES = st.builds(Modes, FACTORS, st.sampled_from([(1, 1), (3, 3), (3, 2)]), FACTORS)


def weight_for(modes, seed=0):
    shape = (prod(modes.outputs), prod(modes.inputs), *modes.kernel)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@st.composite
def trains(draw):
    modes = draw(MODES)
    return modes, modes.reachable([draw(st.integers(1, limit)) for limit in modes.limits()])


@given(MODES)
@settings(max_examples=50, deadline=None)
def test_a_tensor_of_modes_holds_the_same_weights(modes):
    weight = weight_for(modes)
    tensor = modes.tensor(weight)
    assert tensor.shape == modes.sizes
    assert torch.equal(modes.kernels(tensor), weight)


@given(MODES)
@settings(max_examples=50, deadline=None)
def test_full_ranks_lose_nothing(modes):
    weight = weight_for(modes)
    assert modes.check(modes.limits()) == modes.limits()
    assert (compose(decompose(weight, modes, modes.limits()), modes) - weight).abs().max() < 1e-5


@given(trains())
@settings(max_examples=50, deadline=None)
def test_the_error_is_within_the_bound_of_the_lost_singular_values(train):
    modes, ranks = train
    weight = weight_for(modes)
    error = float((project(weight, modes, ranks) - weight).double().square().sum())
    lost = [
        float(bond[rank:].square().sum()) for bond, rank in zip(spectra(weight, modes), ranks, strict=True)
    ]
    slack = 1e-6 * float(weight.square().sum())
    assert max(lost) - slack <= error <= sum(lost) + slack


@pytest.mark.parametrize(("shape", "ranks"), [((8, 9, 6), (5, 4)), ((4, 4, 9, 2, 3), (3, 7, 5, 2))])
def test_the_cores_are_those_of_tensorly(shape, ranks):
    tensorly.set_backend("pytorch")
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = tensor_train(tensor, [1, *ranks, 1])
    for ours, other in zip(tt_svd(tensor, ranks), theirs, strict=True):
        # Singular vectors have no sign of their own; a turned one turns slices of two neighbours.
        assert torch.allclose(ours.abs(), other.abs(), atol=1e-9)
    assert torch.allclose(product(tt_svd(tensor, ranks)), tensorly.tt_to_tensor(theirs), atol=1e-9)


@given(trains(), st.sampled_from([(1, 0), (2, 1)]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_chain_computes_what_the_dense_layer_of_its_cores_does(train, step, bias):
    modes, ranks = train
    stride, padding = step
    generator = torch.Generator().manual_seed(1)
    shape = weight_for(modes).shape
    layer = nn.Conv2d(shape[1], shape[0], modes.kernel, stride, padding, bias=bias)
    cores = decompose(weight_for(modes), modes, ranks)
    chain = Chain(modes, ranks, layer).load(cores, layer.bias)
    images = torch.randn(2, shape[1], 7, 6, generator=generator)
    with torch.no_grad():
        layer.weight.copy_(compose(cores, modes))
        wanted = layer(images)
        scale = wanted.abs().max().clamp(min=1.0)
        assert (chain(images) - wanted).abs().max() <= 1e-5 * scale
    assert sum(p.numel() for p in chain.parameters() if p.dim() > 1) == modes.weights(ranks)
    for core, found in zip(cores, cores_of(chain), strict=True):
        assert torch.equal(core, found)


@given(trains())
@settings(max_examples=30, deadline=None)
def test_balanced_cores_stand_for_the_same_tensor(train):
    modes, ranks = train
    tensor = modes.tensor(weight_for(modes))
    cores = tt_svd(tensor, ranks)
    assert torch.allclose(product(balanced(cores)), product(cores), atol=1e-4)


def test_the_products_of_a_chain_are_counted_at_the_pixels_where_they_are():
    modes = Modes((2, 4), (3, 3), (3, 4))
    ranks = (4, 6, 5, 2)
    # Input cores at 16 pixels, the taps and the output cores at 4.
    wanted = 16 * (3 * (4 * 2) + 3 * 2 * 5) + 4 * (9 * 5 * 6 + 6 * 2 * 4 + 2 * (4 * 4))
    assert modes.macs(ranks, (16, 4)) == wanted
    links = list(modes.links(ranks))
    assert [(link.inputs, link.outputs, link.copies) for link in links] == [
        (4, 2, 3),
        (6, 5, 1),
        (5, 6, 1),
        (6, 8, 1),
        (4, 4, 2),
    ]


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ((17, 8), "ranks must be from 1 up to 16x12 for modes 16x9x12, not 17x8"),
        ((4, 0), "ranks must be from 1 up to 16x12 for modes 16x9x12, not 4x0"),
        ((4,), "ranks must be 2 numbers for modes 16x9x12, not 4"),
    ],
)
def test_ranks_beyond_the_modes_are_refused(ranks, message):
    with pytest.raises(ShiftbookError) as error:
        modes_for(torch.zeros(16, 12, 3, 3)).check(ranks)
    assert str(error.value) == message


def test_factors_must_multiply_to_the_channels():
    with pytest.raises(ShiftbookError) as error:
        modes_for(torch.zeros(16, 12, 3, 3), (4, 5))
    assert str(error.value) == "the factors of 16 output channels must multiply to 16, not 4x5"
