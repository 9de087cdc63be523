"""Concatenations: channels of several tensors one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Concatenate
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


def concatenate(builder: LayerBuilder, node: Node, operation: Concatenate, values: Sequence[Value]) -> Value:
    """Features too: those of one tensor follow those of the other, as their channels do."""
    for value in values:
        builder.no_padding(node, value)
    shapes = [builder.shapes[value.layer] for value in values]
    sizes = dict.fromkeys(f"{height}x{width}" for _, height, width in shapes)
    if len(sizes) > 1:
        raise builder.unsupported(
            node, f"features that are joined must be of maps of one size, not {' and '.join(sizes)}"
        )
    layer = ConcatLayer(name=node.name, sources=tuple(value.layer for value in values))
    builder.append(layer, (sum(channels for channels, _, _ in shapes), *shapes[0][1:]))
    # A ReLU or a function of what is joined is one of each part.
    able = all(value.carriers for value in values)
    carriers = [carrier for value in values for carrier in value.carriers] if able else []
    return Value(layer.name, carriers=tuple(carriers), pooled=any(value.pooled for value in values))


HANDLERS: dict[type[nn.Module], Handler] = {Concatenate: concatenate}

SUPPORTED = ("cat",)
