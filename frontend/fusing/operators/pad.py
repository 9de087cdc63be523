"""Padding: what follows takes it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value, add_padding
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Crop


def pad(builder: LayerBuilder, node: Node, operation: nn.ConstantPad2d, values: Sequence[Value]) -> Value:
    """Zeros, for convolutions and averages; or what never wins, for max pooling."""
    (value,) = values
    left, right, top, bottom = (int(n) for n in operation.padding)
    if min(left, right, top, bottom) < 0:
        raise builder.unsupported(node, f"padding must be outwards, not {list(operation.padding)}")
    if operation.value not in (0, -math.inf):
        raise builder.unsupported(node, f"padding must be with zeros, not {operation.value}")
    lowest = operation.value == -math.inf
    if any(value.padding) and value.lowest != lowest:
        raise builder.unsupported(node, "zeros and other padding cannot follow each other")
    if any(inner < 0 < outer for inner, outer in zip(value.padding, (top, bottom, left, right), strict=True)):
        raise builder.unsupported(node, "a crop must be followed by a convolution")
    padding = add_padding(value.padding, (top, bottom, left, right))
    return replace(value, padding=padding, lowest=lowest, carriers=())


def crop(builder: LayerBuilder, node: Node, operation: Crop, values: Sequence[Value]) -> Value:
    """Padding inwards, for convolutions."""
    (value,) = values
    top, bottom, left, right = value.padding
    height, width = builder.shapes[value.layer][1:]
    below = height + top + bottom - operation.top - operation.size[0]
    beside = width + left + right - operation.left - operation.size[1]
    padding = add_padding(value.padding, (-operation.top, -below, -operation.left, -beside))
    return replace(value, padding=padding, carriers=())


HANDLERS: dict[type[nn.Module], Handler] = {nn.ConstantPad2d: pad, Crop: crop}

SUPPORTED = ("crop", "ZeroPad2d")
