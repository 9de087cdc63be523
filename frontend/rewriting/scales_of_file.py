"""Scales of tensors that a file has quantized already."""

from __future__ import annotations

from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.graph.operations import Clamp, FakeQuantize
from shiftbook.frontend.quantization.affine import LEVELS


def take_scales(graph: GraphModel) -> None:
    """Take the rounding of tensors out of a graph, and remember their scales.

    The accelerator rounds where it stores a tensor. What it adds up before, as a convolution and a shortcut,
    is then not rounded in between, as the file would have it. Of fewer than 256 integers the two at the ends
    stay as a clamp. So does a second scale of one tensor: a layer that changes nothing else stores it.
    """
    for node in graph.walk():
        operation = graph.of(node)
        if not isinstance(operation, FakeQuantize):
            continue
        (source,) = node.inputs
        scale = (operation.scale, operation.zero_point - operation.low)
        if operation.high - operation.low == LEVELS and graph.scales.get(source, scale) == scale:
            graph.bypass(node)
            graph.scales[source] = scale
        else:
            ends = (operation.low - operation.zero_point, operation.high - operation.zero_point)
            graph.place(node.module, Clamp(*(operation.scale * end for end in ends)))
            graph.scales[node.name] = scale
