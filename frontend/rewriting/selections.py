"""Slices and shuffles of channels."""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import SelectChannels
from shiftbook.frontend.layers.fixed import SelectConv2d


def place_selections(graph: GraphModel) -> None:
    """A shuffle becomes another order of the next convolution's weights, which costs nothing.

    Where something else reads it, and for slices, it becomes a 1 x 1 convolution of its own.
    """
    for node in graph.walk():
        if isinstance(graph.of(node), SelectChannels) and len(node.shape) == 3:
            _place(graph, node)


def _place(graph: GraphModel, node: Node) -> None:
    operation = graph.of(node)
    assert isinstance(operation, SelectChannels)
    channels = graph.shape(node.inputs[0])[0]
    reader = graph.sole_reader(node.name)
    if reader is not None and sorted(operation.order) == list(range(channels)) and _dense(graph, reader):
        conv = graph.of(reader)
        assert isinstance(conv, nn.Conv2d)
        weight = conv.weight.clone()
        conv.weight[:, list(operation.order)] = weight
        graph.bypass(node)
    else:
        graph.place(node.module, SelectConv2d(operation.order, channels))


def _dense(graph: GraphModel, node: Node) -> bool:
    """Whether a convolution that nothing else uses reads all channels for each output."""
    conv = graph.of(node)
    once = sum(other.module == node.module for other in graph.nodes) == 1
    return once and isinstance(conv, nn.Conv2d) and conv.groups == 1
