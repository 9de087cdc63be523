"""PReLU with a slope for each channel, which no table has: a table serves all channels."""

from __future__ import annotations

import math

import torch
from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import Add, Clamp
from shiftbook.frontend.layers.fixed import ScaleConv2d


def split_slopes(graph: GraphModel) -> None:
    """It becomes ``x + (slope - 1) * min(x, 0)``: a clamp, and a depthwise layer that adds x."""
    for node in graph.walk():
        operation = graph.of(node)
        if isinstance(operation, nn.PReLU) and operation.weight.numel() > 1:
            _split(graph, node, operation.weight.detach() - 1)


def _split(graph: GraphModel, node: Node, factor: torch.Tensor) -> None:
    (source,) = node.inputs
    below = graph.insert(node, Clamp(-math.inf, 0.0), [source], f"{node.name}.negative")
    layer = ScaleConv2d(factor, torch.zeros(len(factor)))
    scaled = graph.insert(node, layer, [below.name], f"{node.name}.scaled")
    whole = graph.insert(node, Add(), [source, scaled.name], f"{node.name}.sum")
    if node.name in graph.scales:
        graph.scales[whole.name] = graph.scales.pop(node.name)
    graph.nodes.remove(node)
    graph.redirect(node.name, whole.name)
