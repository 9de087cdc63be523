"""Slices and shuffles of channels."""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import SelectChannels
from shiftbook.frontend.layers.fixed import SelectConv2d, SelectLinear


def place_selections(graph: GraphModel) -> None:
    """A shuffle becomes another order of the next layer's weights, which costs nothing.

    Where something else reads it, and for slices, it becomes a 1 x 1 convolution of its own, or for
    features a fully connected layer.
    """
    for node in graph.walk():
        if isinstance(graph.of(node), SelectChannels):
            _place(graph, node)


def _place(graph: GraphModel, node: Node) -> None:
    operation = graph.of(node)
    assert isinstance(operation, SelectChannels)
    channels = graph.shape(node.inputs[0])[0]
    reader = graph.sole_reader(node.name)
    if reader is not None and sorted(operation.order) == list(range(channels)) and _dense(graph, reader):
        layer = graph.of(reader)
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        weight = layer.weight.clone()
        layer.weight[:, list(operation.order)] = weight
        graph.bypass(node)
    else:
        kind = SelectConv2d if len(node.shape) == 3 else SelectLinear
        graph.place(node.module, kind(operation.order, channels))


def _dense(graph: GraphModel, node: Node) -> bool:
    """Whether a layer that nothing else uses reads all channels for each output."""
    layer = graph.of(node)
    once = sum(other.module == node.module for other in graph.nodes) == 1
    return once and (isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1))
