"""Layers that change nothing, where an addition or an activation finds none to ride on.

A requantizer adds a tensor, clamps and looks up a function, but only behind a convolution or an average.
Where a model adds two tensors that other operations read too, or clamps one, a depthwise 1 x 1 convolution
by 1 stands in between.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from shiftbook.frontend.graph.functions import CLAMPS, FUNCTIONS, rises
from shiftbook.frontend.graph.model import INPUT, GraphModel, Node, beside
from shiftbook.frontend.graph.operations import (
    Add,
    Concatenate,
    Crop,
    Interleave,
    Reshape,
)
from shiftbook.frontend.layers.fixed import ScaleConv2d
from shiftbook.frontend.rewriting.affine import CARRIERS, Norm

MOVES = (Concatenate, Interleave, nn.Upsample, nn.Flatten, Reshape)
"""What becomes of them is a clamp before them."""


def give_carriers(graph: GraphModel) -> None:
    """Put layers that change nothing in front of additions, clamps and functions that need them.

    And behind crops: a crop is negative padding of a convolution, and rides on one that has none itself. So
    do zeros around a tensor of any sign, of which max pooling takes some for the largest.
    """
    for node in graph.walk():
        if isinstance(graph.of(node), Crop) and not all(
            map(partial(_takes_crop, graph), _readers(graph, node))
        ):
            _becomes_layer(graph, node)
    for node in graph.walk():
        if isinstance(graph.of(node), nn.MaxPool2d) and _is_behind_zeros(graph, node):
            _insert(graph, node)
    for node in graph.walk():
        if _lacks_carrier(graph, node):
            _insert(graph, node)


def _readers(graph: GraphModel, node: Node) -> list[Node | None]:
    """What takes a value; None stands for an output."""
    return [*graph.readers(node.name), *(None for name in graph.outputs if name == node.name)]


def _takes_crop(graph: GraphModel, reader: Node | None) -> bool:
    """Whether it is a convolution without padding of its own."""
    operation = None if reader is None else graph.of(reader)
    return isinstance(operation, nn.Conv2d) and operation.padding in ((0, 0), "valid")


def _becomes_layer(graph: GraphModel, node: Node) -> None:
    """A layer of the same name, which reads the operation."""
    before = graph.insert(node, graph.of(node), node.inputs, f"{node.name}.part", node.shape)
    path = beside(f"{node.name}.layer")
    graph.place(path, ScaleConv2d.identity(node.shape[0]))
    graph.nodes[graph.nodes.index(node)] = replace(node, module=path, inputs=(before.name,))


def _is_behind_zeros(graph: GraphModel, node: Node) -> bool:
    """Whether its input is a tensor that may be negative, with zeros around it."""
    padded = graph.node(node.inputs[0])
    if padded is None or not isinstance(pad := graph.of(padded), nn.ConstantPad2d) or pad.value != 0:
        return False
    clamped = graph.node(padded.inputs[0])
    return clamped is None or not isinstance(graph.of(clamped), (nn.ReLU, nn.ReLU6))


def _lacks_carrier(graph: GraphModel, node: Node) -> bool:
    operation = graph.of(node)
    if isinstance(operation, (*CLAMPS, *FUNCTIONS)):
        rising = isinstance(operation, CLAMPS) or rises(operation)
        return not _takes_activation(graph, node.inputs[0], rising)
    if not isinstance(operation, Add) or len({graph.shape(name) for name in node.inputs}) > 1:
        return False
    return node.inputs[0] == node.inputs[1] or not any(_takes_tensor(graph, name) for name in node.inputs)


def _insert(graph: GraphModel, node: Node) -> None:
    """In front of a node's first input alone."""
    source, *others = node.inputs
    layer = graph.insert(node, ScaleConv2d.identity(graph.shape(source)[0]), [source], f"{node.name}.carrier")
    at = graph.nodes.index(node)
    graph.nodes[at] = Node(node.name, node.module, (layer.name, *others), node.shape, node.place)


def _takes_tensor(graph: GraphModel, name: str) -> bool:
    """Whether a convolution makes a value, perhaps with batch norm, and nothing is added or clamped yet."""
    node = graph.node(name)
    if node is None or graph.sole_reader(name) is None:
        return False
    if isinstance(graph.of(node), (nn.Flatten, Reshape)):
        return _takes_tensor(graph, node.inputs[0])
    if isinstance(graph.of(node), Norm):
        return _takes_tensor(graph, node.inputs[0])
    return isinstance(graph.of(node), (nn.Conv2d, nn.Linear))


def _takes_activation(graph: GraphModel, name: str, rising: bool) -> bool:
    """Whether a requantizer that clamps makes a value, and nothing reads what lies between.

    What is not ``rising`` is no longer the same in front of a maximum.
    """
    node = graph.node(name)
    if name == INPUT or node is None or graph.sole_reader(name) is None:
        return False
    operation = graph.of(node)
    if isinstance(operation, CARRIERS):
        return True
    if isinstance(operation, nn.MaxPool2d) and not rising:
        return False
    if isinstance(operation, (*CLAMPS, *FUNCTIONS, *MOVES, nn.MaxPool2d)):
        return all(_takes_activation(graph, source, rising) for source in node.inputs)
    return False
