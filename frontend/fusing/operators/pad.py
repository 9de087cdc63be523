"""Padding: what follows takes it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value, add_padding
from shiftbook.frontend.graph.model import Node


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
    padding = add_padding(value.padding, (top, bottom, left, right))
    return replace(value, padding=padding, lowest=lowest, carriers=())


HANDLERS: dict[type[nn.Module], Handler] = {nn.ConstantPad2d: pad}

SUPPORTED = ("ZeroPad2d",)
