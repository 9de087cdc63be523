"""Tables of real functions, next to functions of Python's math, and the range that serves them best."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.post_training.calibrate import BINS, Histogram, choose
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.frontend.quantization.tabulated import tabulated

SELU = 1.6732632423543772, 1.0507009873554805


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def elu(x: float, alpha: float = 1.0) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def softplus(x: float) -> float:
    return x if x > 20 else math.log1p(math.exp(x))


REFERENCES = {
    nn.LeakyReLU(0.2): lambda x: x if x > 0 else 0.2 * x,
    nn.PReLU(1, 0.25): lambda x: x if x > 0 else 0.25 * x,
    nn.SiLU(): lambda x: x * sigmoid(x),
    nn.Hardswish(): lambda x: x * min(max(x + 3, 0), 6) / 6,
    nn.Sigmoid(): sigmoid,
    nn.Hardsigmoid(): lambda x: min(max(x + 3, 0), 6) / 6,
    nn.Tanh(): math.tanh,
    nn.GELU(): lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    nn.ELU(0.7): lambda x: elu(x, 0.7),
    nn.CELU(1.0): elu,
    nn.SELU(): lambda x: SELU[1] * elu(x, SELU[0]),
    nn.Mish(): lambda x: x * math.tanh(softplus(x)),
    nn.Softplus(): softplus,
    nn.LogSigmoid(): lambda x: -softplus(-x),
}
IDS = [type(function).__name__ for function in REFERENCES]

affines = st.builds(Affine, st.floats(1e-4, 0.3), st.integers(0, 255))


def layer_of(*functions: nn.Module) -> ConvLayer:
    module = nn.Conv2d(1, 1, 1)
    return ConvLayer(
        name="c", path="c", source="input", module=module, input_shape=(1, 1, 1), functions=functions
    )


@pytest.mark.parametrize(("function", "reference"), REFERENCES.items(), ids=IDS)
@given(source=affines, target=affines)
def test_every_entry_is_the_nearest_integer(function, reference, source, target):
    table = tabulated(layer_of(function).exactly, source, target)
    assert table.zero_point == target.zero_point
    for x, y in enumerate(table.values):
        wanted = reference(source.scale * (x - source.zero_point)) / target.scale + target.zero_point
        assert abs(min(max(wanted, 0), 255) - y) <= 0.5 + 1e-9, (x, y, wanted)


def test_halves_round_up_as_the_requantizer_has_them():
    table = tabulated(lambda real: real / 2, Affine(1.0, 128), Affine(1.0, 128))
    assert [table.values[x] for x in (125, 126, 127, 128, 129, 131)] == [127, 127, 128, 128, 129, 130]


def test_functions_follow_one_another():
    both = layer_of(nn.Tanh(), nn.LeakyReLU(0.5))
    x = np.linspace(-2, 2, 9)
    assert np.allclose(both.exactly(x), np.where(x > 0, np.tanh(x), np.tanh(x) / 2))
    assert np.allclose(both.function(torch.from_numpy(x)), both.exactly(x))


def test_the_flat_ends_of_a_function_take_no_integers():
    edges = np.linspace(-20, 20, BINS + 1)
    counts = np.histogram(np.random.default_rng(0).normal(0, 5, 100_000), edges)[0].astype(float)
    histogram = Histogram(-20, 20, counts)
    low, high = choose(histogram, "mse", 99.9)
    assert low < -10
    assert choose(histogram, "mse", 99.9, layer_of(nn.Hardsigmoid()).exactly) == pytest.approx(
        (-3, 3), abs=0.3
    )
    low, high = choose(histogram, "mse", 99.9, layer_of(nn.Hardswish()).exactly)
    assert low == pytest.approx(-3, abs=0.3)
    assert high > 10
