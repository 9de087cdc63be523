"""The handler of concatenations: channels of several tensors one after another."""

from __future__ import annotations

from typing import Any

from torch import fx

from shiftbook.frontend.importing.fusion import GraphBuilder, Value
from shiftbook.frontend.importing.graph import ConcatLayer


def concatenate(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """Flat tensors too: the features of one follow those of the other, as their channels do."""
    operands = _operands(builder, node)
    if len(operands) == 1:
        return operands[0]
    rank = len(builder.dims(node))
    dim = builder.argument(node, 1, "dim", node.kwargs.get("axis", 0))
    if dim % rank != 1:
        raise builder.unsupported(node, f"tensors must be joined along their channels, dim 1, not dim {dim}")
    shapes = [builder.shapes[operand.layer] for operand in operands]
    sizes = dict.fromkeys(f"{height}x{width}" for _, height, width in shapes)
    if len(sizes) > 1:
        raise builder.unsupported(
            node, f"flat tensors that are joined must be of maps of one size, not {' and '.join(sizes)}"
        )
    layer = ConcatLayer(name=builder.layer_name(node), sources=tuple(operand.layer for operand in operands))
    builder.layers.append(layer)
    builder.shapes[layer.name] = (sum(channels for channels, _, _ in shapes), *shapes[0][1:])
    # A ReLU of what is joined is a ReLU of each part.
    able = all(operand.carriers for operand in operands)
    carriers = [carrier for operand in operands for carrier in operand.carriers] if able else []
    return Value(layer.name, flat=rank == 2, carriers=tuple(carriers))


def _operands(builder: GraphBuilder, node: fx.Node) -> list[Value]:
    """What is joined, in order."""
    given = node.args[0] if node.args else node.kwargs["tensors"]
    assert isinstance(given, (list, tuple))
    found = []
    for tensor in given:
        if not isinstance(tensor, fx.Node) or tensor not in builder.values:
            raise builder.unsupported(node, f"all operands must be tensors of the network, not {tensor!r}")
        operand = builder.value(tensor)
        builder.no_padding(node, operand)
        found.append(operand)
    return found
