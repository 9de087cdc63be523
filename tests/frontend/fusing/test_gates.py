"""Products with gates: which products become layers, and scales that fit a multiplier of 8 bits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.frontend.fusing.gate_layer import GateLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.post_training.gate_scales import fit_gates
from shiftbook.frontend.post_training.shared_scales import SharedScale
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import LEAST_SHIFT
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.models import Excited

SHAPE = (3, 8, 8)


def gate_layers(graph: LayerGraph) -> list[GateLayer]:
    return [layer for layer in graph.layers if isinstance(layer, GateLayer)]


def fused(function, **modules) -> LayerGraph:
    return agree(Wrapped(lambda m, x: function(m, x).mean((2, 3)), **modules), SHAPE)


def mean(x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3), keepdim=True)


def test_squeeze_and_excite_by_convolutions_and_by_linear_layers():
    first, second = gate_layers(agree(Excited(), (3, 12, 12)))
    assert (first.source, first.gate) == ("stem", "excite")
    assert (second.source, second.gate) == ("deep", "up")


@pytest.mark.parametrize("turned", [False, True])
def test_a_gate_is_the_operand_of_one_pixel_that_is_never_negative(turned):
    def product(m, x):
        gate, other = mean(m.c(x)).sigmoid(), mean(m.d(x))
        return gate * other if turned else other * gate

    (layer,) = gate_layers(fused(product, c=conv(), d=conv()))
    assert layer.gate == "part.mean"


@pytest.mark.parametrize("end", [torch.sigmoid, torch.relu, lambda y: y.tanh().clamp(0, 1)])
def test_what_makes_gates(end):
    assert len(gate_layers(fused(lambda m, x: m.c(x) * end(mean(m.d(x))), c=conv(), d=conv()))) == 1


def test_a_product_takes_an_activation():
    graph = fused(lambda m, x: nn.functional.silu(m.c(x) * mean(m.d(x)).sigmoid()).relu(), c=conv(), d=conv())
    (layer,) = gate_layers(graph)
    assert [type(function).__name__ for function in layer.functions] == ["SiLU", "ReLU"]
    assert layer.target == layer.before


@pytest.mark.parametrize(
    ("function", "gates"),
    [
        (lambda m, x: m.c(x) * m.d(x).sigmoid(), ["d"]),
        (lambda m, x: m.d(x).relu() * m.c(x), ["d"]),
        (lambda m, x: m.c(x) * (1 + m.d(x).sigmoid()), ["d"]),
        (lambda m, x: m.c(x) * (m.d(x).relu() / 2), ["d"]),
        (lambda m, x: m.c(x) * (m.d(x).relu().tanh() * 2), ["d"]),
        (
            lambda m, x: functional.max_pool2d(m.c(x), 2) * (functional.max_pool2d(m.d(x), 2).sigmoid() * 2),
            ["mul"],
        ),
        (lambda m, x: m.c(x) * (1 - m.d(x).sigmoid()), ["mul.above.relu.carrier", "mul.turned"]),
        (lambda m, x: m.c(x) * m.e(x).sigmoid(), ["mul.repeated"]),
        (lambda m, x: m.c(x) * m.e(x).sigmoid().mean(3, keepdim=True), ["mul.gate.relu.carrier"]),
        (
            lambda m, x: m.c(x) * functional.interpolate(mean(m.d(x).relu()), (6, 6)),
            ["mul.gate.relu.carrier"],
        ),
        (lambda m, x: m.c(x) * m.d(x), ["mul.above.relu.carrier", "mul.turned"]),
        (lambda m, x: m.c(x) * mean(m.d(x)), ["mul.above.relu.carrier", "mul.turned"]),
        (lambda m, x: mean(m.c(x)) * m.e(x).tanh(), ["mul.above.relu.carrier", "mul.turned"]),
        (lambda m, x: (lambda y: y * y)(m.c(x)), ["mul.above.relu.carrier", "mul.turned"]),
    ],
)
def test_factors_of_any_sign_and_shape(function, gates):
    graph = fused(function, c=conv(), d=conv(), e=conv(3, 1))
    assert [layer.gate.removeprefix("part.") for layer in gate_layers(graph)] == gates


def test_convolutions_and_means_over_channels():
    """Efficient channel attention, and attention by the mean of all channels."""

    def attended(m, x):
        y = m.c(x)
        y = y * m.k(y.mean((2, 3))[:, None]).sigmoid().reshape(-1, 4, 1, 1)
        return y * y.mean(1, keepdim=True).sigmoid()

    assert len(gate_layers(fused(attended, c=conv(), k=nn.Conv1d(1, 1, 3, padding=1)))) == 2


def test_products_of_some_features():
    gated = lambda y: y[:, 1:3].sigmoid() * y[:, 2:].tanh()  # noqa: E731
    model = Wrapped(lambda m, x: gated(m.c(x).mean((2, 3))), c=conv())
    assert len(gate_layers(agree(model, SHAPE))) == 1


scales = st.floats(1e-5, 10)


def fit(scale_of: dict[str, float], *shared: tuple[str, ...]) -> tuple[GateLayer, dict[str, Affine]]:
    """A layer ``y = x * g`` after its scales were made to fit."""
    layer = GateLayer(name="y", source="x", gate="g")
    chosen = {name: Affine(scale, 7 if name == "y" else 0) for name, scale in scale_of.items()}
    fit_gates(LayerGraph(SHAPE, [layer], 1), chosen, [SharedScale(names, names) for names in shared])
    return layer, chosen


@given(scales, scales, scales)
def test_scales_around_a_gate_are_a_power_of_two(x, g, y):
    """Neither range shrinks; both together give at most half a bit, or what the least shift asks for."""
    layer, chosen = fit({"x": x, "g": g, "y": y}, ("x",), ("g",), ("y",))
    shift = layer.exponent(chosen)
    assert abs(shift - round(shift)) < 1e-9
    assert shift > LEAST_SHIFT - 1e-9
    grown = chosen["g"].scale / g * chosen["y"].scale / y
    assert grown >= 1 - 1e-9
    assert grown <= max(2**0.5, 4 * x * g / y) * (1 + 1e-9)
    assert (chosen["x"], chosen["y"].zero_point) == (Affine(x, 0), 7)


@given(scales, scales)
def test_scales_of_a_square_are_a_power_of_two(x, y):
    """The gate is the source, so that only the output's steps can grow."""
    layer = GateLayer(name="y", source="x", gate="x")
    chosen = {"x": Affine(x, 0), "y": Affine(y, 0)}
    fit_gates(LayerGraph(SHAPE, [layer], 1), chosen, [SharedScale((name,), (name,)) for name in "xy"])
    shift = layer.exponent(chosen)
    assert abs(shift - round(shift)) < 1e-9
    assert chosen["x"].scale == x
    assert chosen["y"].scale >= y * (1 - 1e-9)


@pytest.mark.parametrize(("shared", "still"), [(("g", "other"), "g"), (("y", "other"), "y")])
def test_a_scale_that_others_share_stays(shared, still):
    before = {"x": 0.01, "g": 0.004, "y": 0.009, "other": 1.0}
    alone = [(name,) for name in ("x", "g", "y") if name != still]
    layer, chosen = fit(before, *alone, shared)
    assert chosen[still].scale == before[still]
    assert abs(layer.exponent(chosen) - round(layer.exponent(chosen))) < 1e-9
    message = "layer y: its output and its gate g share their scales with other tensors"
    with pytest.raises(ShiftbookError, match=message):
        fit(before, ("x",), ("g", "y"))
