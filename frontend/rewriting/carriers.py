"""Layers that change nothing, where an addition or an activation finds none to ride on.

A requantizer adds a tensor, clamps and looks up a function, but only behind a convolution or an average.
Where a model adds two tensors that other operations read too, or clamps one, a depthwise 1 x 1 convolution
by 1 stands in between.
"""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.graph.functions import FUNCTIONS, rises
from shiftbook.frontend.graph.model import INPUT, GraphModel, Node
from shiftbook.frontend.graph.operations import Add, Clamp, Concatenate, Interleave, Multiply, Reshape
from shiftbook.frontend.layers.fixed import ScaleConv2d
from shiftbook.frontend.rewriting.affine import Norm

CLAMPS = (nn.ReLU, nn.ReLU6, Clamp)

MOVES = (Concatenate, Interleave, nn.Upsample, nn.Flatten, Reshape)
"""What becomes of them is a clamp before them."""


def give_carriers(graph: GraphModel) -> None:
    """Put layers that change nothing in front of additions, clamps and functions that need them."""
    for node in graph.walk():
        if _lacks_carrier(graph, node):
            _insert(graph, node)


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
    if isinstance(operation, (nn.Conv2d, nn.Linear, Norm, Add, Multiply, nn.AvgPool2d)):
        return True
    if isinstance(operation, nn.MaxPool2d) and not rising:
        return False
    if isinstance(operation, (*CLAMPS, *FUNCTIONS, *MOVES, nn.MaxPool2d)):
        return all(_takes_activation(graph, source, rising) for source in node.inputs)
    return False
