"""Operations with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from shiftbook.frontend.fusing.builder import (
    Handler,
    LayerBuilder,
    Padding,
    Value,
    add_padding,
    pair,
    strides,
)
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.golden.model.integer import span_of


def conv(builder: LayerBuilder, node: Node, operation: nn.Conv2d, values: Sequence[Value]) -> Value:
    """A convolution with all padding in front of it."""
    (value,) = values
    if value.lowest:
        raise builder.unsupported(node, "its padding must be with zeros")
    layer = ConvLayer(
        name=node.name,
        path=node.module,
        source=value.layer,
        module=operation,
        input_shape=builder.shapes[value.layer],
        stride=strides(operation.stride, node.shape),
        padding=add_padding(value.padding, _sides(operation)),
    )
    builder.append(layer, node.shape)
    return Value(layer.name, carriers=(layer,))


def _sides(operation: Any) -> Padding:
    """A convolution's own padding; where "same" cannot be even, torch puts the odd zero behind."""
    if operation.padding == "valid":
        return 0, 0, 0, 0
    if operation.padding == "same":
        rows, cols = span_of(pair(operation.kernel_size), pair(operation.dilation))
        return (rows - 1) // 2, rows // 2, (cols - 1) // 2, cols // 2
    vertical, horizontal = pair(operation.padding)
    return vertical, vertical, horizontal, horizontal


def linear(builder: LayerBuilder, node: Node, operation: nn.Linear, values: Sequence[Value]) -> Value:
    """A fully connected layer reads maps whole."""
    (value,) = values
    builder.no_padding(node, value)
    layer = ConvLayer(
        name=node.name,
        path=node.module,
        source=value.layer,
        module=operation,
        input_shape=builder.shapes[value.layer],
    )
    builder.append(layer, node.shape)
    return Value(layer.name, carriers=(layer,))


def chain(builder: LayerBuilder, node: Node, operation: nn.Sequential, values: Sequence[Value]) -> Value:
    """The cores of a decomposed layer one after another; only the last has the node's name's readers."""
    value = values[0]
    for name, link in operation.named_children():
        inputs = builder.shapes[value.layer]
        path = f"{node.module}.{name}"
        part = replace(node, name=f"{node.name}.{name}", module=path, shape=_output(link, inputs))
        value = conv(builder, part, link, [value])  # type: ignore[arg-type]
    return value


def _output(link: Any, inputs: Sequence[int]) -> tuple[int, int, int]:
    """Shape of a convolution's output."""
    kernel, stride = pair(link.kernel_size), pair(link.stride)
    top, bottom, left, right = _sides(link)
    rows = (inputs[1] + top + bottom - kernel[0]) // stride[0] + 1
    cols = (inputs[2] + left + right - kernel[1]) // stride[1] + 1
    return link.out_channels * getattr(link, "copies", 1), rows, cols


HANDLERS: dict[type[nn.Module], Handler] = {nn.Conv2d: conv, nn.Linear: linear, nn.Sequential: chain}

SUPPORTED = ("Conv2d", "Linear")
