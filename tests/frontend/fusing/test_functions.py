"""Functions of each element: which requantizer takes them up; the layers compute the model's scores."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.functions import NAMED, rises
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv

SHAPE = (3, 8, 8)
KINDS = [kind() if kind is not nn.PReLU else nn.PReLU(1, 0.3) for kind in NAMED]


def fused(function, **modules) -> LayerGraph:
    return agree(Wrapped(lambda m, x: function(m, x).mean((2, 3)), **modules), SHAPE)


def functions(graph: LayerGraph) -> dict[str, list[str]]:
    """Names of the functions of each layer that has some."""
    layers = graph.with_functions().values()
    return {layer.name: [type(function).__name__ for function in layer.functions] for layer in layers}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_a_function_rides_on_its_convolution(kind):
    graph = fused(lambda m, x: m.d(m.s(m.n(m.c(x)))), c=conv(), n=nn.BatchNorm2d(4), s=kind, d=conv(4))
    assert functions(graph) == {"part.c": [type(kind).__name__]}
    assert [layer.name for layer in graph.layers] == ["part.c", "part.d", "part.mean"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_only_what_rises_passes_a_maximum(kind):
    graph = fused(lambda m, x: m.s(m.p(m.c(x))), c=conv(), p=nn.MaxPool2d(2), s=kind)
    carrier = "part.c" if rises(kind) else "part.s.carrier"
    assert functions(graph) == {carrier: [type(kind).__name__]}


@pytest.mark.parametrize(
    ("kind", "does"),
    [
        (nn.LeakyReLU(0.1), True),
        (nn.LeakyReLU(-0.1), False),
        (nn.PReLU(1, -0.2), False),
        (nn.ELU(-1.0), False),
        (nn.Tanh(), True),
        (nn.GELU(), False),
    ],
)
def test_rises(kind, does):
    assert rises(kind) == does
    if does:
        assert bool((kind(torch.linspace(-9, 9, 500)).diff() >= 0).all())


def test_what_follows_a_function_is_in_the_same_table():
    graph = fused(lambda m, x: m.s(m.c(x).clamp(-1, 2)).relu().clamp(0, 0.5), c=conv(), s=nn.Tanh())
    assert functions(graph) == {"part.c": ["Tanh", "ReLU", "Clamp"]}
    (layer,) = graph.with_functions().values()
    assert layer.ends == (-1, 2)
    assert layer.never_negative


def test_a_sum_is_activated_after_it_is_added():
    graph = fused(lambda m, x: m.s(m.c(x) + m.d(x)), c=conv(), d=conv(), s=nn.SiLU())
    (layer,) = graph.with_functions().values()
    assert layer.inputs[1] in {each.name for each in graph.layers}


def test_an_activated_tensor_is_added_by_a_layer_of_its_own():
    graph = fused(lambda m, x: m.s(m.c(x)) + m.t(m.d(x)), c=conv(), d=conv(), s=nn.SiLU(), t=nn.Sigmoid())
    assert functions(graph) == {"part.c": ["SiLU"], "part.d": ["Sigmoid"]}


def test_parts_of_a_concatenation_and_averages_take_functions():
    joined = fused(lambda m, x: m.s(torch.cat([m.c(x), m.d(x)], 1)), c=conv(), d=conv(), s=nn.SiLU())
    assert functions(joined) == {"part.c": ["SiLU"], "part.d": ["SiLU"]}
    pooled = fused(lambda m, x: m.s(m.p(m.c(x))), c=conv(), p=nn.AvgPool2d(2), s=nn.SiLU())
    assert functions(pooled) == {"part.p": ["SiLU"]}


def test_a_function_of_what_others_read_has_a_layer_of_its_own():
    graph = fused(lambda m, x: (lambda y: m.d(y) + m.e(m.s(y)))(m.c(x)), c=conv(), s=nn.GELU(), **ENDS)
    assert functions(graph) == {"part.s.carrier": ["GELU"]}


ENDS = {"d": conv(4, 4, 1), "e": conv(4, 4, 1)}


@pytest.mark.parametrize("pooled", [False, True])
def test_slopes_of_each_channel(pooled):
    slopes = nn.PReLU(4)
    with torch.no_grad():
        slopes.weight.copy_(torch.tensor([0.1, -0.3, 1.4, 0.0]))
    pool = nn.MaxPool2d(2) if pooled else nn.Identity()
    graph = fused(lambda m, x: m.d(m.s(m.p(m.c(x)))), c=conv(), p=pool, s=slopes, d=conv(4))
    assert not graph.with_functions()
    names = [layer.name for layer in graph.layers]
    assert names[-4:] == ["part.s.negative.carrier", "part.s.scaled", "part.d", "part.mean"]
