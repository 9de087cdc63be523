"""Additions of two tensors: the convolution that makes one of them takes the other in."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from shiftbook.frontend.importing.conv_layer import ConvLayer
from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Value


def add(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """Two different tensors of one shape."""
    second = node.args[1] if len(node.args) > 1 else node.kwargs.get("other")
    if not isinstance(second, fx.Node) or second not in builder.values:
        raise builder.unsupported(node, f"both operands must be tensors of the network, not {second!r}")
    if node.kwargs.get("alpha", 1) != 1:
        raise builder.unsupported(node, f"alpha must be 1, not {node.kwargs['alpha']}")
    if second is node.args[0] or builder.dims(second) != builder.dims(node.args[0]):  # type: ignore[arg-type]
        raise builder.unsupported(node, "the operands must be two different tensors of one shape")
    operands = (value, builder.value(second))
    for operand in operands:
        builder.no_padding(node, operand)
    able = [layer for v in operands if (layer := _can_add(v)) is not None]
    if not able:
        raise builder.unsupported(
            node, "one operand must be a convolution's output, before any activation, that nothing else reads"
        )
    # The bigger convolution takes the other in: the smaller one (a 1x1 shortcut) is then stored as 8 bits.
    layer = max(able, key=lambda conv: conv.weight().numel())
    other = operands[1] if operands[0].layer == layer.name else operands[0]
    layer.residual = other.layer
    builder.layers.remove(layer)  # it can only run once the other operand is there
    builder.layers.append(layer)
    return Value(layer.name, flat=value.flat, carriers=(layer,))


def _can_add(value: Value) -> ConvLayer | None:
    """The convolution behind a value if its requantizer is free to add another tensor."""
    layer = value.own
    if not isinstance(layer, ConvLayer) or layer.activation is not None or layer.residual is not None:
        return None
    return layer


HANDLERS: dict[Any, Handler] = {
    operator.add: add,
    operator.iadd: add,
    torch.add: add,
    "add": add,
    "add_": add,
}

SUPPORTED = ("add",)
