"""Activations behind the class scores."""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.graph.model import GraphModel

MONOTONE = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.LogSigmoid)
"""None of these changes which class has the highest score."""


def drop_final_activation(graph: GraphModel) -> str:
    """Take out a final softmax, log-softmax or sigmoid, and return its name; "" where there is none."""
    left_out = ""
    if len(graph.outputs) == 1:
        node = graph.node(graph.outputs[0])
        while node is not None and isinstance(graph.of(node), MONOTONE) and not graph.readers(node.name):
            left_out = type(graph.of(node)).__name__
            graph.scales.pop(node.name, None)
            graph.bypass(node)
            node = graph.node(graph.outputs[0])
    return left_out
