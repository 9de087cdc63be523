"""Activations that a model writes out in arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import ChannelAffine, Erf, Multiply

GATES: dict[type[nn.Module], type[nn.Module]] = {nn.Sigmoid: nn.SiLU, nn.Hardsigmoid: nn.Hardswish}
"""``x * gate(x)`` by its gate."""


def recognize_activations(graph: GraphModel) -> None:
    """Hard sigmoids, SiLU, hard swish, Mish and GELU in the place of what computes the same."""
    for node in graph.walk():
        _hard_sigmoid(graph, node)
    for node in graph.walk():
        _scaled_product(graph, node)
    for node in graph.walk():
        _gated(graph, node)
    for node in graph.walk():
        _mish(graph, node)
    for node in graph.walk():
        _gelu(graph, node)


def _hard_sigmoid(graph: GraphModel, node: Node) -> None:
    """``(x + 3)``, ReLU6, and a sixth of it."""
    if not _is_affine(graph, node, 1 / 6, 0):
        return
    clamp = graph.node(node.inputs[0])
    if clamp is None or not isinstance(graph.of(clamp), nn.ReLU6) or graph.sole_reader(clamp.name) != node:
        return
    shift = graph.node(clamp.inputs[0])
    if shift is None or not _is_affine(graph, shift, 1, 3):
        return
    _becomes(graph, node, nn.Hardsigmoid(), shift.inputs[0])


def _scaled_product(graph: GraphModel, node: Node) -> None:
    """``x * relu6(x + 3)``, and a sixth of it."""
    if not _is_affine(graph, node, 1 / 6, 0):
        return
    product = graph.node(node.inputs[0])
    if (
        product is None
        or not isinstance(graph.of(product), Multiply)
        or graph.sole_reader(product.name) != node
    ):
        return
    for source, other in (product.inputs, product.inputs[::-1]):
        clamp = graph.node(other)
        if clamp is None or not isinstance(graph.of(clamp), nn.ReLU6):
            continue
        shift = graph.node(clamp.inputs[0])
        if shift is not None and _is_affine(graph, shift, 1, 3) and shift.inputs[0] == source:
            _becomes(graph, node, nn.Hardswish(), source)
            return


def _gated(graph: GraphModel, node: Node) -> None:
    """A tensor times a sigmoid of itself."""
    if not isinstance(graph.of(node), Multiply):
        return
    for source, other in (node.inputs, node.inputs[::-1]):
        gate = graph.node(other)
        if gate is None or gate.inputs != (source,):
            continue
        whole = GATES.get(type(graph.of(gate)))
        if whole is not None:
            _becomes(graph, node, whole(), source)
            return


def _mish(graph: GraphModel, node: Node) -> None:
    """``x * tanh(softplus(x))``."""
    if not isinstance(graph.of(node), Multiply):
        return
    for source, other in (node.inputs, node.inputs[::-1]):
        tanh = graph.node(other)
        if tanh is None or not isinstance(graph.of(tanh), nn.Tanh):
            continue
        softplus = graph.node(tanh.inputs[0])
        if softplus is None or softplus.inputs != (source,):
            continue
        operation = graph.of(softplus)
        if isinstance(operation, nn.Softplus) and operation.beta == 1:
            _becomes(graph, node, nn.Mish(), source)
            return


def _gelu(graph: GraphModel, node: Node) -> None:
    """``x * (1 + erf(x / sqrt(2))) / 2``; the half may be of the product or of either factor."""
    whole = _under(graph, node.name, 0.5, 0)
    product = node if whole is None else graph.node(whole)
    if product is None or not isinstance(graph.of(product), Multiply):
        return
    for source, other in (product.inputs, product.inputs[::-1]):
        halves: list[tuple[str | None, str | None]] = [(source, other)]
        if whole is None:
            halves = [(_under(graph, source, 0.5, 0), other), (source, _under(graph, other, 0.5, 0))]
        for x, factor in halves:
            if x is not None and factor is not None and _argument_of_erf(graph, factor) == x:
                _becomes(graph, node, nn.GELU(), x)
                return


def _argument_of_erf(graph: GraphModel, name: str) -> str | None:
    """The x of ``1 + erf(x / sqrt(2))``."""
    inner = _under(graph, name, 1, 1)
    erf = None if inner is None else graph.node(inner)
    if erf is None or not isinstance(graph.of(erf), Erf):
        return None
    return _under(graph, erf.inputs[0], math.sqrt(0.5), 0)


def _under(graph: GraphModel, name: str, scale: float, offset: float) -> str | None:
    """The x of ``scale * x + offset``."""
    node = graph.node(name)
    return node.inputs[0] if node is not None and _is_affine(graph, node, scale, offset) else None


def _is_affine(graph: GraphModel, node: Node, scale: float, offset: float) -> bool:
    operation = graph.of(node)
    if not isinstance(operation, ChannelAffine):
        return False
    return bool(
        ((operation.scale - scale).abs() < 1e-6).all() and ((operation.offset - offset).abs() < 1e-6).all()
    )


def _becomes(graph: GraphModel, node: Node, operation: nn.Module, source: str) -> None:
    """Another operation under the same name; what only led to the old one goes with the unused."""
    graph.place(node.module, operation)
    graph.nodes[graph.nodes.index(node)] = replace(node, inputs=(source,))
    graph.drop_unused()
