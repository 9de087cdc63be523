"""Constants that channels are multiplied with or that are added to them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from shiftbook.frontend.graph.functions import CLAMPS, FUNCTIONS
from shiftbook.frontend.graph.model import INPUT, GraphModel, Node
from shiftbook.frontend.graph.operations import Add, ChannelAffine, Line, Multiply

Affine = tuple[Tensor, Tensor]
"""[C] scale and offset."""

Norm = nn.BatchNorm1d | nn.BatchNorm2d

CARRIERS = (nn.Conv2d, nn.Linear, Norm, Add, Multiply, nn.AvgPool2d)
"""Operations with a requantizer, which clamps and looks up."""


def fold_input(graph: GraphModel) -> Affine | None:
    """Take out a normalization that the model does with its image, and return it.

    Where other operations read the image too, or a channel is turned round, nothing is done.
    """
    scale, offset = None, None
    while (node := graph.sole_reader(INPUT)) is not None:
        operation = graph.of(node)
        if not isinstance(operation, ChannelAffine) or bool((operation.scale <= 0).any()):
            break
        before = (torch.ones(1), torch.zeros(1)) if scale is None or offset is None else (scale, offset)
        scale, offset = operation.scale * before[0], operation.scale * before[1] + operation.offset
        graph.bypass(node)
    return None if scale is None or offset is None else (scale, offset)


def fold_affine(graph: GraphModel) -> None:
    """Fold constants into the operation before them, where nothing else reads it."""
    for node in graph.walk():
        if isinstance(graph.of(node), ChannelAffine):
            _fold(graph, node)


def _fold(graph: GraphModel, node: Node) -> None:
    """Into constants, a batch norm, the weights of a layer that has no batch norm, or a function's table."""
    affine = graph.of(node)
    before = graph.node(node.inputs[0])
    assert isinstance(affine, ChannelAffine)
    if before is None or graph.sole_reader(before.name) is None or _shared(graph, before):
        return
    operation = graph.of(before)
    if isinstance(operation, ChannelAffine):
        scale, offset = affine.scale * operation.scale, affine.scale * operation.offset + affine.offset
        graph.place(before.module, ChannelAffine(scale, offset))
    elif isinstance(operation, Norm) and operation.affine:
        operation.weight.mul_(affine.scale)
        operation.bias.mul_(affine.scale).add_(affine.offset)
    elif type(operation) in (nn.Conv2d, nn.Linear):
        graph.place(before.module, _scaled(operation, affine))
    elif _is_looked_up(graph, before) and (line := _line(affine)) is not None:
        graph.place(node.module, line)
        return
    else:
        return
    graph.bypass(node)


def _is_looked_up(graph: GraphModel, node: Node | None) -> bool:
    """Whether it is a clamp or a function that rides on a layer, with nothing but others of them in between.

    What lies behind a maximum or a concatenation rides on layers before that, and is no gate's own.
    """
    if node is None or graph.sole_reader(node.name) is None:
        return False
    operation = graph.of(node)
    if not isinstance(operation, (*CLAMPS, *FUNCTIONS)):
        return False
    before = graph.node(node.inputs[0])
    if before is None or graph.sole_reader(before.name) is None:
        return False
    return isinstance(graph.of(before), CARRIERS) or _is_looked_up(graph, before)


def _line(affine: ChannelAffine) -> Line | None:
    """The same for all channels, where all have the same constants."""
    scale, offset = affine.scale, affine.offset
    if bool((scale != scale[0]).any()) or bool((offset != offset[0]).any()):
        return None
    return Line(float(scale[0]), float(offset[0]))


def _shared(graph: GraphModel, node: Node) -> bool:
    """Whether other nodes use the same operation."""
    return sum(other.module == node.module for other in graph.nodes) > 1


def _scaled(operation: nn.Module, affine: ChannelAffine) -> nn.Module:
    """A layer with weights whose outputs are scaled."""
    assert isinstance(operation, (nn.Conv2d, nn.Linear))
    result = copy.deepcopy(operation)
    result.weight.mul_(affine.scale.reshape(-1, *(1,) * (result.weight.dim() - 1)))
    bias = affine.offset if result.bias is None else result.bias * affine.scale + affine.offset
    if isinstance(grid := getattr(result, "grid", None), Tensor):
        result.grid = grid * affine.scale
    result.bias = nn.Parameter(bias.clone())
    return result
