"""Activations behind the class scores."""

from __future__ import annotations

from math import prod

from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import Reshape

BY_TABLE = (nn.Sigmoid, nn.LogSigmoid)
"""The accelerator has these: a map keeps them, because its values are asked for and not only their order."""

MONOTONE = (nn.Softmax, nn.LogSoftmax, *BY_TABLE)
"""None of these changes which class has the highest score."""


def drop_final_activation(graph: GraphModel) -> str:
    """Take out a final softmax, log-softmax or sigmoid, and return its name; "" where there is none."""
    left_out = ""
    while (node := _last(graph)) is not None and isinstance(graph.of(node), MONOTONE):
        if prod(node.shape[1:]) > 1 and isinstance(graph.of(node), BY_TABLE):
            break
        left_out = type(graph.of(node)).__name__
        graph.scales.pop(node.name, None)
        graph.bypass(node)
    return left_out


def _last(graph: GraphModel) -> Node | None:
    """The operation that makes the scores, where they are all that the network gives."""
    if len(graph.outputs) != 1 or graph.readers(graph.outputs[0]):
        return None
    node = graph.node(graph.outputs[0])
    while node is not None and isinstance(graph.of(node), (nn.Flatten, Reshape)):
        if graph.sole_reader(node.inputs[0]) is None:
            return None
        node = graph.node(node.inputs[0])
    return node
