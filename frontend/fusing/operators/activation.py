"""Clamps and functions of each element: the requantizer before them takes them up."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import Activation, ClampedLayer
from shiftbook.frontend.graph.functions import FUNCTIONS, NAMED, rises
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Clamp


def activation(kind: Activation) -> Handler:
    """The handler of a clamp."""

    def handle(builder: LayerBuilder, node: Node, operation: nn.Module, values: Sequence[Value]) -> Value:
        (value,) = values
        _check(builder, node, value)
        for layer in value.carriers:
            if layer.functions:
                builder.add_function(layer, operation)
                continue
            # The second of two clamps wins only where it is the tighter one.
            layer.activation = "relu6" if "relu6" in (kind, layer.activation) else "relu"
            _keep(builder, node, layer)
        return value

    return handle


def limits(builder: LayerBuilder, node: Node, operation: Clamp, values: Sequence[Value]) -> Value:
    """A clamp between any two values."""
    (value,) = values
    _check(builder, node, value)
    for layer in value.carriers:
        if layer.functions:
            builder.add_function(layer, operation)
            continue
        layer.limits = max(layer.limits[0], operation.low), min(layer.limits[1], operation.high)
        _keep(builder, node, layer)
    return value


def function(builder: LayerBuilder, node: Node, operation: nn.Module, values: Sequence[Value]) -> Value:
    """What only a table can say."""
    (value,) = values
    _check(builder, node, value)
    if value.pooled and not rises(operation):
        raise builder.unsupported(node, "it must not follow a maximum directly")
    for layer in value.carriers:
        builder.add_function(layer, operation)
    return value


def _keep(builder: LayerBuilder, node: Node, layer: ClampedLayer) -> None:
    """Refuse what leaves no value, where the order of two clamps would matter."""
    if layer.ends[0] > layer.ends[1]:
        raise builder.unsupported(node, "nothing is left between its limits and those before it")


def _check(builder: LayerBuilder, node: Node, value: Value) -> None:
    if not value.carriers:
        raise builder.unsupported(
            node, "it must follow a convolution, an add or an average whose output nothing else reads"
        )


HANDLERS: dict[type[nn.Module], Handler] = {
    nn.ReLU: activation("relu"),
    nn.ReLU6: activation("relu6"),
    Clamp: limits,
    **dict.fromkeys(FUNCTIONS, function),
}

SUPPORTED = ("ReLU", "ReLU6", "clamp", *(kind.__name__ for kind in NAMED))
