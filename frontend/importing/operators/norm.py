"""Batch norm: the convolution before it takes it up."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from shiftbook.frontend.importing.conv_layer import ConvLayer
from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Value


def batch_norm(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.BatchNorm2d) -> Value:
    """Batch norm right behind a convolution."""
    layer = value.own
    if not isinstance(layer, ConvLayer):
        raise builder.unsupported(node, "it must follow a convolution whose output nothing else reads")
    if layer.norm is not None or layer.residual is not None or layer.activation is not None:
        raise builder.unsupported(node, "it must follow the convolution directly")
    if module.running_mean is None or module.running_var is None:
        raise builder.unsupported(node, "it must track running statistics")
    layer.norm, layer.norm_path = module, str(node.target)
    return value


HANDLERS: dict[Any, Handler] = {nn.BatchNorm2d: batch_norm, nn.BatchNorm1d: batch_norm}

SUPPORTED = ("BatchNorm2d",)
