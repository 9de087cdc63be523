"""Additions of two tensors: the convolution that makes one of them takes the other in."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Add


def add(builder: LayerBuilder, node: Node, operation: Add, values: Sequence[Value]) -> Value:
    """Two tensors of one shape."""
    first, second = values
    shapes = [builder.shapes[value.layer] for value in values]
    if shapes[0] != shapes[1]:
        raise builder.unsupported(node, f"its tensors must be of one shape, not {shapes[0]} and {shapes[1]}")
    for value in values:
        builder.no_padding(node, value)
    able = [layer for value in values if (layer := _can_add(value)) is not None]
    if not able:
        raise builder.unsupported(
            node, "one operand must be a convolution's output, before any activation, that nothing else reads"
        )
    # The bigger convolution takes the other in: the smaller one (a 1x1 shortcut) is then stored as 8 bits.
    layer = max(able, key=lambda conv: conv.weight().numel())
    layer.residual = (second if first.layer == layer.name else first).layer
    builder.layers.remove(layer)  # it can only run once the other operand is there
    builder.layers.append(layer)
    return Value(layer.name, carriers=(layer,))


def _can_add(value: Value) -> ConvLayer | None:
    """The convolution behind a value if its requantizer is free to add another tensor."""
    layer = value.own
    if not isinstance(layer, ConvLayer) or layer.clamped or layer.residual is not None:
        return None
    return layer


HANDLERS: dict[type[nn.Module], Handler] = {Add: add}

SUPPORTED = ("add",)
