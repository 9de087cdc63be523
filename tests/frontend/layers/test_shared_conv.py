"""Copies: one set of weights on several runs of channels, from the module to the integers."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.layers.shared_conv import SharedConv2d
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Conv
from tests.frontend.lowering.checking import check_layers, lowered
from tests.frontend.models import layers_of


def network(norm=True):
    """Copies in the middle with batch norm, and at the end of a chain with a bias; takes [N, 2, 6, 6]."""
    layers = [
        nn.Conv2d(2, 12, 3, padding=1),
        nn.ReLU(),
        SharedConv2d(4, 2, 3),
        SharedConv2d(3, 4, 2, bias=not norm),
        *([nn.BatchNorm2d(8)] if norm else []),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 36, 5),
    ]
    return nn.Sequential(*layers)


def test_each_run_of_channels_meets_the_same_weights():
    module = SharedConv2d(3, 2, 4, bias=True)
    nn.init.normal_(module.bias)
    images = torch.randn(2, 12, 5, 6)
    runs = [nn.functional.conv2d(part, module.weight) for part in images.split(3, dim=1)]
    assert torch.allclose(module(images), torch.cat(runs, 1) + module.bias[:, None, None], atol=1e-6)
    assert module.weight.shape == (2, 3, 1, 1)
    assert "copies=4" in repr(module)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 1, 0)])
def test_sizes_must_be_positive(sizes):
    with pytest.raises(ShiftbookError) as error:
        SharedConv2d(*sizes)
    assert str(error.value) == f"inputs, outputs and copies must be at least 1, not {sizes}"


def test_a_trace_knows_copies():
    graph = layers_of(network(), (2, 6, 6))
    assert [(layer.copies, layer.outputs) for layer in graph.convs()] == [(1, 12), (3, 6), (2, 8), (1, 5)]


@pytest.mark.parametrize("scheme", ["int8", "shift", "focused"])
def test_integers_are_those_of_each_copy(scheme):
    """Without batch norm, every copy has the same weights, stored once, and biases of its own."""
    graph, integers, scales, tensors = lowered(network(norm=False), (2, 6, 6), scheme)
    convs = [node for node in integers.nodes if isinstance(node, Conv)]
    assert [(conv.copies, conv.groups) for conv in convs] == [(1, 1), (3, 1), (2, 1), (1, 1)]
    assert convs[2].weights.integers.shape == (4, 1, 1, 3)
    assert len(np.unique(convs[2].requantize.bias)) > 4
    check_layers(graph, integers, scales, tensors)


def test_copies_that_batch_norm_turns_differently_become_groups():
    graph, integers, scales, tensors = lowered(network(), (2, 6, 6))
    norm = graph.layers[2].norm.weight.detach().reshape(2, 4) < 0
    assert (norm[0] != norm[1]).any()
    convs = [node for node in integers.nodes if isinstance(node, Conv)]
    assert [(conv.copies, conv.groups) for conv in convs] == [(1, 1), (3, 1), (1, 2), (1, 1)]
    assert convs[2].weights.integers.shape == (8, 1, 1, 3)
    check_layers(graph, integers, scales, tensors)


@pytest.mark.parametrize(("norm", "copies"), [(False, 2), (True, 1)])
def test_copies_share_codes_of_vectors(norm, copies):
    """The codes are stored once; where batch norm turns copies differently, each gets the nearest codes."""
    layers = [nn.BatchNorm2d(32)] if norm else []
    model = nn.Sequential(
        nn.Conv2d(2, 64, 3, padding=1),
        nn.ReLU(),
        SharedConv2d(32, 16, 2, bias=not norm),
        *layers,
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 80),
    )
    graph, integers, scales, tensors = lowered(model, (2, 3, 3), "additive")
    conv = integers.nodes[1]
    assert (conv.copies, conv.groups, conv.weights.scheme) == (copies, 2 // copies, "additive")
    assert len(conv.weights.vectors.codes) == 32 // copies
    if not norm:
        check_layers(graph, integers, scales, tensors)
