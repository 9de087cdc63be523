"""Concatenations: channels of several tensors one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Value
from shiftbook.frontend.importing.layer import PlainLayer
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.model.nodes import Concat
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class ConcatLayer(PlainLayer):
    """The channels of several tensors one after another."""

    sources: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.sources

    def __call__(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=1)

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Concat:
        return Concat(self.name, self.sources)


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


HANDLERS: dict[Any, Handler] = {
    torch.cat: concatenate,
    torch.concat: concatenate,
    torch.concatenate: concatenate,
}

SUPPORTED = ("cat",)
