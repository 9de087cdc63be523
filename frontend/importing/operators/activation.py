"""Clamps: the requantizer before them takes them up."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Value
from shiftbook.frontend.importing.layer import Activation


def activation(kind: Activation) -> Handler:
    """The handler of a clamp."""

    def handle(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
        if not value.carriers:
            raise builder.unsupported(
                node, "it must follow a convolution, an add or an average whose output nothing else reads"
            )
        # The second of two clamps wins only where it is the tighter one.
        for layer in value.carriers:
            layer.activation = "relu6" if "relu6" in (kind, layer.activation) else "relu"
        return value

    return handle


def hardtanh(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.Hardtanh) -> Value:
    """A ReLU6 by another name."""
    if (module.min_val, module.max_val) != (0, 6):
        raise builder.unsupported(node, f"limits must be 0 and 6, not {module.min_val} and {module.max_val}")
    return activation("relu6")(builder, node, value, module)


HANDLERS: dict[Any, Handler] = {
    nn.ReLU: activation("relu"),
    nn.ReLU6: activation("relu6"),
    nn.Hardtanh: hardtanh,
    functional.relu: activation("relu"),
    functional.relu_: activation("relu"),
    functional.relu6: activation("relu6"),
    torch.relu: activation("relu"),
    torch.relu_: activation("relu"),
    "relu": activation("relu"),
    "relu_": activation("relu"),
}

SUPPORTED = ("ReLU", "ReLU6")
