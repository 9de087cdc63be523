"""Products of two tensors, one of which becomes the gate: it has the other's shape and is never negative.

Gates multiply as unsigned integers. Where neither factor is known to be without values below 0, a product is
``x * relu(g) - x * relu(-g)``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from shiftbook.frontend.graph.functions import keeps_sign, never_negative
from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import (
    Add,
    ChannelAffine,
    Concatenate,
    Crop,
    Interleave,
    Line,
    Multiply,
    Resample,
    Reshape,
    SelectChannels,
)

MOVES = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.Upsample,
    nn.ZeroPad2d,
    nn.Flatten,
    Add,
    Multiply,
    Concatenate,
    Crop,
    Interleave,
    Reshape,
    SelectChannels,
)
"""What makes nothing negative of what is not."""


def make_gates(graph: GraphModel) -> None:
    """Bring all products into the form that runs."""
    for node in graph.walk():
        if isinstance(graph.of(node), Multiply):
            node = _broadcast(graph, node)
            node = _with_gate_behind(graph, node)
            _unsigned(graph, node)


def _broadcast(graph: GraphModel, node: Node) -> Node:
    """A factor of one channel, row or column, repeated as the other has them; one pixel may stay one."""
    inputs = tuple(_repeated(graph, node, name) if len(node.shape) == 3 else name for name in node.inputs)
    return _reading(graph, node, inputs)


def _repeated(graph: GraphModel, node: Node, name: str) -> str:
    shape = graph.shape(name)
    channels, rows, cols = node.shape
    if len(shape) == 3 and shape[0] < channels:
        select = SelectChannels((0,) * channels)
        name = graph.insert(node, select, [name], f"{node.name}.repeated", (channels, *shape[1:])).name
    if shape[1:] not in ((1, 1), (rows, cols), ()):
        lines = (
            torch.ones(n, 1) if old < n else None for n, old in zip((rows, cols), shape[1:], strict=True)
        )
        name = graph.insert(node, Resample(*lines), [name], f"{node.name}.repeated", node.shape).name
    return name


def _with_gate_behind(graph: GraphModel, node: Node) -> Node:
    """The factors with the gate as the second: the one of a pixel, or that is never negative."""
    first, second = node.inputs
    shapes = [graph.shape(name) for name in node.inputs]
    if shapes[0] != shapes[1]:
        turned = shapes[0] == (shapes[1][0], 1, 1)
    else:
        turned = is_never_negative(graph, first) and not is_never_negative(graph, second)
    return _reading(graph, node, (second, first)) if turned else node


def _unsigned(graph: GraphModel, node: Node) -> None:
    """A clamp behind a gate that needs it, or two products where it may be negative."""
    source, gate = node.inputs
    if graph.shape(gate) not in (graph.shape(source), (graph.shape(source)[0], 1, 1)):
        return
    if is_never_negative(graph, gate):
        made = graph.node(gate)
        if made is None or not (never_negative(graph.of(made)) or isinstance(graph.of(made), Line)):
            _reading(graph, node, (source, _clamped(graph, node, gate, "gate")))
        return
    channels = graph.shape(gate)[0]
    above = graph.insert(
        node, Multiply(), [source, _clamped(graph, node, gate, "above")], f"{node.name}.above"
    )
    minus = ChannelAffine(-torch.ones(channels), torch.zeros(channels))
    turned = graph.insert(node, minus, [gate], f"{node.name}.turned").name
    below = graph.insert(
        node, Multiply(), [source, _clamped(graph, node, turned, "below")], f"{node.name}.below"
    )
    subtracted = graph.insert(node, minus, [below.name], f"{node.name}.subtracted")
    graph.place(node.module, Add())
    _reading(graph, node, (above.name, subtracted.name))


def _clamped(graph: GraphModel, node: Node, name: str, end: str) -> str:
    """A factor without its values below 0."""
    return graph.insert(node, nn.ReLU(), [name], f"{node.name}.{end}.relu").name


def _reading(graph: GraphModel, node: Node, inputs: tuple[str, ...]) -> Node:
    """The node with other inputs."""
    found = replace(node, inputs=inputs)
    graph.nodes[graph.nodes.index(node)] = found
    return found


def is_never_negative(graph: GraphModel, name: str) -> bool:
    """Whether no element of a value can be below 0, whatever the image is."""
    node = graph.node(name)
    if node is None:
        return False
    operation = graph.of(node)
    if never_negative(operation):
        return True
    if isinstance(operation, ChannelAffine):
        rises = bool((operation.scale >= 0).all() and (operation.offset >= 0).all())
    elif isinstance(operation, Resample):
        rises = not any(bool((matrix < 0).any()) for matrix in operation.buffers())
    else:
        rises = isinstance(operation, MOVES) or keeps_sign(operation)
    return rises and all(is_never_negative(graph, source) for source in node.inputs)
