"""Products: of a tensor and a gate, which has one pixel or the tensor's shape."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.gate_layer import GateLayer
from shiftbook.frontend.fusing.layer import ClampedLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Multiply


def multiply(builder: LayerBuilder, node: Node, operation: Multiply, values: Sequence[Value]) -> Value:
    """One operand is a gate; where both could be, the second is."""
    for value in values:
        builder.no_padding(node, value)
    shapes = [builder.shapes[value.layer] for value in values]
    gates = [
        number for number in (1, 0) if shapes[number] in (shapes[1 - number], (shapes[1 - number][0], 1, 1))
    ]
    if not gates:
        raise builder.unsupported(
            node,
            f"one of its tensors must have the other's shape, or one pixel for each channel of it, not "
            f"{list(shapes[0])} and {list(shapes[1])}",
        )
    positive = [number for number in gates if _never_negative(builder, values[number])]
    if not positive:
        raise builder.unsupported(
            node, "its gate must never be negative: it must come from a sigmoid, a ReLU or the like"
        )
    gate, source = values[positive[0]], values[1 - positive[0]]
    layer = GateLayer(name=node.name, source=source.layer, gate=gate.layer)
    builder.append(layer, builder.shapes[source.layer])
    return Value(layer.name, carriers=(layer,))


def _never_negative(builder: LayerBuilder, value: Value) -> bool:
    """Whether the layer that makes a value says so."""
    makers = [layer for layer in builder.layers if layer.name == value.layer]
    return any(isinstance(layer, ClampedLayer) and layer.never_negative for layer in makers)


HANDLERS: dict[type[nn.Module], Handler] = {Multiply: multiply}

SUPPORTED = ("mul",)
