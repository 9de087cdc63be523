"""Batch norm: the convolution before it takes it up (elsewhere it has become a layer by then)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.conv_layer import ConvLayer, Norm
from shiftbook.frontend.graph.model import Node


def batch_norm(builder: LayerBuilder, node: Node, operation: Norm, values: Sequence[Value]) -> Value:
    """Right behind a convolution whose output nothing else reads."""
    (value,) = values
    layer = value.own
    if not isinstance(layer, ConvLayer):
        raise builder.unsupported(node, "it must follow a convolution whose output nothing else reads")
    if layer.norm is not None or layer.residual is not None or layer.clamped:
        raise builder.unsupported(node, "it must follow the convolution directly")
    layer.norm, layer.norm_path = operation, node.module
    return value


HANDLERS: dict[type[nn.Module], Handler] = {nn.BatchNorm2d: batch_norm, nn.BatchNorm1d: batch_norm}

SUPPORTED = ("BatchNorm1d", "BatchNorm2d")
