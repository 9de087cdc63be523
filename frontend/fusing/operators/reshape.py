"""Operations that compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Reshape


def flatten(builder: LayerBuilder, node: Node, operation: nn.Flatten, values: Sequence[Value]) -> Value:
    """A fully connected layer reads maps as they are."""
    builder.no_padding(node, values[0])
    return values[0]


def reshape(builder: LayerBuilder, node: Node, operation: Reshape, values: Sequence[Value]) -> Value:
    """What undoes flattening."""
    (value,) = values
    builder.no_padding(node, value)
    if builder.shapes[value.layer] != node.shape:
        raise builder.unsupported(
            node, f"maps of {list(builder.shapes[value.layer])} cannot become {list(node.shape)}"
        )
    return value


HANDLERS: dict[type[nn.Module], Handler] = {nn.Flatten: flatten, Reshape: reshape}

SUPPORTED = ("Flatten", "Dropout", "Identity")
