"""Scales of tensors that a file has quantized already."""

from __future__ import annotations

from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.graph.operations import FakeQuantize


def take_scales(graph: GraphModel) -> None:
    """Take the rounding of tensors out of a graph, and remember their scales.

    The accelerator rounds where it stores a tensor. What it adds up before, as a convolution and a shortcut,
    is then not rounded in between, as the file would have it.
    """
    for node in graph.walk():
        operation = graph.of(node)
        if not isinstance(operation, FakeQuantize):
            continue
        graph.bypass(node)
        graph.scales[node.inputs[0]] = (operation.scale, operation.zero_point - operation.low)
