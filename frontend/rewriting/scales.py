"""Batch norms and constants that no convolution can take up become layers of their own."""

from __future__ import annotations

import torch
from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import ChannelAffine
from shiftbook.frontend.layers.fixed import ScaleConv2d
from shiftbook.frontend.rewriting.affine import Affine, Norm


def make_scale_layers(graph: GraphModel) -> None:
    """Make a depthwise 1 x 1 convolution of each batch norm that does not follow a convolution directly."""
    for node in graph.nodes:
        operation = graph.of(node)
        if isinstance(operation, ChannelAffine):
            graph.place(node.module, ScaleConv2d(operation.scale, operation.offset))
        elif isinstance(operation, Norm) and not _follows(graph, node):
            graph.place(node.module, ScaleConv2d(*as_affine(operation)))


def _follows(graph: GraphModel, node: Node) -> bool:
    """Whether a batch norm can ride on the layer before it."""
    before = graph.node(node.inputs[0])
    if before is None or graph.sole_reader(before.name) is None:
        return False
    return isinstance(graph.of(before), (nn.Conv2d, nn.Linear))


def as_affine(norm: Norm) -> Affine:
    """Scale and offset of a batch norm in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.double()
    offset = -norm.running_mean.double() * scale
    if norm.affine:
        offset = offset + norm.bias.double()
    return scale.float(), offset.float()
