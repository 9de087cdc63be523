"""Rewrites: each leaves the scores as they were, and leaves operations that layers can be made of."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.frontend.layers.fixed import ScaleConv2d, SelectConv2d
from shiftbook.frontend.rewriting.rewrite import rewrite
from tests.frontend.fusing.test_fuse import Wrapped, conv
from tests.frontend.models import lively

SHAPE = (3, 8, 8)


def images(count=3):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(7))


def rewritten(function, **modules):
    """The graph after all rewrites, and what they took out; scores and layers are compared on the way."""
    graph = read_model(lively(Wrapped(function, **modules)), SHAPE)
    x = images()
    with torch.no_grad():
        before = graph(x)
        found = rewrite(graph)
        given = x if found.scale is None else x * shaped(found.scale) + shaped(found.offset)
        after = graph(given)
        layers = fuse(graph).run(given)
    if not found.left_out:
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert torch.equal(after.argmax(1), before.argmax(1))
    torch.testing.assert_close(layers.flatten(1), after.flatten(1), rtol=1e-4, atol=1e-5)
    return graph, found


def shaped(channels):
    return channels.reshape(-1, 1, 1)


def kinds(graph):
    return [type(graph.of(node)).__name__ for node in graph.nodes]


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (lambda y: y.softmax(1), "Softmax"),
        (lambda y: functional.log_softmax(y, dim=1), "LogSoftmax"),
        (lambda y: y.sigmoid(), "Sigmoid"),
        (lambda y: y, ""),
    ],
)
def test_what_keeps_the_order_of_the_scores_is_left_out(end, name):
    graph, found = rewritten(lambda m, x: end(m.c(x).mean((2, 3))), c=conv())
    assert found.left_out == name
    assert kinds(graph)[-1] == "Flatten"


@pytest.mark.parametrize(("end", "name"), [(torch.sigmoid, ""), (lambda y: y.softmax(1), "Softmax")])
def test_a_map_keeps_what_the_accelerator_has(end, name):
    _, found = rewritten(lambda m, x: end(m.c(x)), c=conv())
    assert found.left_out == name


def test_a_normalization_of_the_image_becomes_that_of_the_input():
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 2.0])
    model = Wrapped(lambda m, x: m.c((x / 255 - shaped(mean)) / shaped(std)).mean((2, 3)), c=conv())
    network = FloatNetwork.of(lively(model), SHAPE)
    assert kinds(network.graph)[0] == "Conv2d"
    raw = Normalization((0.0,) * 3, (1 / 255,) * 3)
    composed = network.normalization(raw)
    assert composed.mean == pytest.approx(mean.tolist())
    assert composed.std == pytest.approx(std.tolist())


def test_an_image_that_is_turned_round_or_read_twice_is_scaled_by_a_layer():
    for function in (lambda m, x: m.c(x * -2).mean((2, 3)), lambda m, x: (m.c(x) + m.c(x * 2)).mean((2, 3))):
        graph, found = rewritten(function, c=conv())
        assert found.scale is None
        assert "ScaleConv2d" in kinds(graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: (m.c(x) * torch.arange(1.0, 5).reshape(4, 1, 1) + 3).mean((2, 3)),
        lambda m, x: (2 - m.n(m.c(x)) / 3).mean((2, 3)),
        lambda m, x: -m.l(m.c(x).flatten(1)) * 0.5 + torch.arange(5),
    ],
)
def test_constants_are_folded_into_what_is_before_them(function):
    graph, _ = rewritten(function, c=conv(), n=nn.BatchNorm2d(4), l=nn.Linear(144, 5))
    assert not {"ChannelAffine", "ScaleConv2d"} & set(kinds(graph))


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: (functional.hardswish(m.c(x)) * 0.5 - 0.1).mean((2, 3)),
        lambda m, x: (2 - m.c(x).relu() / 3).mean((2, 3)),
        lambda m, x: functional.max_pool2d(1 - torch.sigmoid(m.c(x)), 2).relu().mean((2, 3)),
    ],
)
def test_constants_of_all_channels_behind_a_function_are_in_its_table(function):
    graph, _ = rewritten(function, c=conv())
    assert "Line" in kinds(graph)
    assert not {"ChannelAffine", "ScaleConv2d"} & set(kinds(graph))
    assert sum(isinstance(layer, ConvLayer) for layer in fuse(graph).layers) == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: (m.c(x).relu() * torch.arange(1.0, 5).reshape(4, 1, 1)).mean((2, 3)),
        lambda m, x: m.n(m.c(x).relu()).mean((2, 3)),
        lambda m, x: m.i(x).mean((2, 3)),
        lambda m, x: (lambda y: (m.n(y) + y).mean((2, 3)))(m.c(x)),
        lambda m, x: m.n(functional.max_pool2d(m.c(x), 2)).relu().mean((2, 3)),
        lambda m, x: m.d(m.n(m.c(x).relu()).relu()).mean((2, 3)),
        lambda m, x: m.w(torch.cat([m.c(x), m.c(x).relu()], 1)).relu().mean((2, 3)),
        lambda m, x: m.f(m.c(x).mean((2, 3)).relu()),
    ],
)
def test_batch_norm_anywhere_is_a_layer(function):
    graph, _ = rewritten(
        function,
        c=conv(),
        d=conv(4),
        n=nn.BatchNorm2d(4),
        i=nn.BatchNorm2d(3),
        w=nn.BatchNorm2d(8),
        f=nn.BatchNorm1d(4),
    )
    assert "ScaleConv2d" in kinds(graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: (m.c(x).relu() + m.d(x).relu()).relu().mean((2, 3)),
        lambda m, x: (lambda y: (y.relu() + y).mean((2, 3)))(m.c(x)),
        lambda m, x: (lambda y: (y + y).mean((2, 3)))(m.c(x)),
        lambda m, x: (lambda y: functional.relu(m.e(y) + m.e(y * 2) + y).mean((2, 3)))(m.c(x).relu()),
        lambda m, x: (lambda y: (y.relu() + functional.relu6(y)).mean((2, 3)))(m.c(x)),
        lambda m, x: x.relu().mean((2, 3)),
    ],
)
def test_additions_and_clamps_of_any_tensors_get_a_carrier(function):
    graph, _ = rewritten(function, c=conv(), d=conv(), e=conv(4, 4, 1))
    carriers = [graph.of(node) for node in graph.nodes if isinstance(graph.of(node), ScaleConv2d)]
    assert carriers
    assert all(
        bool((carrier.weight == 1).all()) and not bool(carrier.bias.any()) for carrier in carriers[-1:]
    )


def test_an_addition_that_a_convolution_can_take_gets_none():
    graph, _ = rewritten(lambda m, x: (m.c(x) + m.d(x).relu()).relu().mean((2, 3)), c=conv(), d=conv())
    assert "ScaleConv2d" not in kinds(graph)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x * torch.sigmoid(x), "SiLU"),
        (lambda x: torch.sigmoid(x) * x, "SiLU"),
        (lambda x: x * functional.hardsigmoid(x), "Hardswish"),
        (lambda x: x * functional.relu6(x + 3) / 6, "Hardswish"),
        (lambda x: x * (functional.relu6(x + 3) / 6), "Hardswish"),
        (lambda x: functional.relu6(x + 3) / 6, "Hardsigmoid"),
        (lambda x: x * functional.softplus(x).tanh(), "Mish"),
        (lambda x: x * (torch.erf(x / 2**0.5) + 1) * 0.5, "GELU"),
        (lambda x: (x * 0.5) * (1 + torch.erf(x * 0.5**0.5)), "GELU"),
        (lambda x: (0.5 * (1 + torch.erf(x * 0.5**0.5))) * x, "GELU"),
        (lambda x: x * functional.softplus(x, 2).tanh(), "Multiply"),
        (lambda x: x * (torch.erf(x / 2) + 1) * 0.5, "Multiply"),
        (lambda x: x * (torch.erf(x / 2**0.5) + 1), "Multiply"),
        (lambda x: (x * 0.5) * (0.5 * (1 + torch.erf(x * 0.5**0.5))), "Multiply"),
        (lambda x: x * functional.relu6(x + 2) / 6, "Multiply"),
        (lambda x: x * functional.relu6(x + 3) / 5, "Multiply"),
    ],
)
def test_activations_that_are_written_out_are_recognized(function, name):
    graph = read_model(Wrapped(lambda m, x: m.d(function(m.c(x))).mean((2, 3)), c=conv(), d=conv(4)), SHAPE)
    with torch.no_grad():
        before = graph(images())
        rewrite(graph)
        torch.testing.assert_close(graph(images()), before, rtol=1e-4, atol=1e-5)
    assert name in kinds(graph)
    assert (name == "Multiply") == ("Multiply" in kinds(graph))


def test_a_shuffle_before_a_convolution_costs_nothing():
    graph, _ = rewritten(
        lambda m, x: m.d(functional.channel_shuffle(m.c(x), 2)).mean((2, 3)), c=conv(3, 6), d=conv(6)
    )
    assert kinds(graph) == ["Conv2d", "Conv2d", "AvgPool2d", "Flatten"]


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.c(x)[:, 1:3].mean((2, 3)),
        lambda m, x: torch.cat(m.c(x).chunk(2, 1)[::-1], 1).relu().mean((2, 3)),
        lambda m, x: (lambda y: m.d(functional.channel_shuffle(y, 2)) + m.d(y))(m.c(x)).mean((2, 3)),
        lambda m, x: (lambda a, b: torch.cat([a, m.e(b)], 1))(*m.c(x).chunk(2, 1)).mean((2, 3)),
    ],
)
def test_other_slices_and_shuffles_are_convolutions_of_their_own(function):
    graph, _ = rewritten(function, c=conv(3, 6), d=conv(6), e=conv(3, 3, 1))
    picks = [graph.of(node) for node in graph.nodes if isinstance(graph.of(node), SelectConv2d)]
    assert picks
    assert all(bool((pick.weight.sum((1, 2, 3)) == 1).all()) for pick in picks)


def test_fixed_layers_are_named_as_such():
    layers = FloatNetwork.of(
        lively(Wrapped(lambda m, x: m.n(m.c(x).relu())[:, 1:3].mean((2, 3)), c=conv(), n=nn.BatchNorm2d(4))),
        SHAPE,
    ).layers
    assert layers.fixed == layers.paths[1:]


def test_a_wrong_rewrite_would_be_noticed(monkeypatch):
    from shiftbook.frontend.rewriting import affine

    monkeypatch.setattr(affine, "_fold", lambda graph, node: graph.bypass(node))
    with pytest.raises(AssertionError, match="not close"):
        rewritten(lambda m, x: (m.c(x) * 2 + 3).mean((2, 3)), c=conv())
