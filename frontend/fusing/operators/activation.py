"""Clamps: the requantizer before them takes them up."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import Activation
from shiftbook.frontend.graph.model import Node


def activation(kind: Activation) -> Handler:
    """The handler of a clamp."""

    def handle(builder: LayerBuilder, node: Node, operation: nn.Module, values: Sequence[Value]) -> Value:
        (value,) = values
        if not value.carriers:
            raise builder.unsupported(
                node, "it must follow a convolution, an add or an average whose output nothing else reads"
            )
        # The second of two clamps wins only where it is the tighter one.
        for layer in value.carriers:
            layer.activation = "relu6" if "relu6" in (kind, layer.activation) else "relu"
        return value

    return handle


HANDLERS: dict[type[nn.Module], Handler] = {nn.ReLU: activation("relu"), nn.ReLU6: activation("relu6")}

SUPPORTED = ("ReLU", "ReLU6")
