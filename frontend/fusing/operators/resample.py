"""Resampling: one axis after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Resample
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.frontend.quantization.lines import in_lines
from shiftbook.golden.model import nodes
from shiftbook.golden.model.nodes.resample import Axis
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class ResampleLayer(PlainLayer):
    """``matrix`` [lines of the output, lines of the input] along an axis."""

    source: str
    axis: Axis
    matrix: Tensor

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        if self.axis == "rows":
            return torch.einsum("yh,nchw->ncyw", self.matrix, x)
        return torch.einsum("xw,nchw->nchx", self.matrix, x)

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> nodes.Resample:
        first, weights, shift = in_lines(self.matrix.numpy(), spec)
        return nodes.Resample(self.name, self.source, self.axis, first, weights, shift)


def resample(builder: LayerBuilder, node: Node, operation: Resample, values: Sequence[Value]) -> Value:
    """Rows and then columns, of which there are fewer to gather then where maps become smaller."""
    (value,) = values
    if value.lowest:
        raise builder.unsupported(node, "its padding must be with zeros")
    _, height, width = builder.shapes[value.layer]
    rows = _of_unpadded(operation.rows, *value.padding[:2], height)
    columns = _of_unpadded(operation.columns, *value.padding[2:], width)
    given: list[tuple[Axis, Tensor | None]] = [("rows", rows), ("columns", columns)]
    axes = [(axis, matrix) for axis, matrix in given if matrix is not None]
    source = value.layer
    for axis, matrix in axes:
        channels, height, width = builder.shapes[source]
        shape = (channels, len(matrix), width) if axis == "rows" else (channels, height, len(matrix))
        name = node.name if axis == axes[-1][0] else f"{node.name}.{axis}"
        builder.append(ResampleLayer(name=name, source=source, axis=axis, matrix=matrix), shape)
        source = name
    return Value(source)


def _of_unpadded(matrix: Tensor | None, before: int, after: int, length: int) -> Tensor | None:
    """The matrix for lines without the zeros around them, or with those that a crop has taken away."""
    if not before and not after:
        return matrix
    whole = torch.eye(before + length + after) if matrix is None else matrix
    kept = whole[:, max(0, before) : whole.shape[1] - max(0, after)]
    return functional.pad(kept, (max(0, -before), max(0, -after)))


HANDLERS: dict[type[nn.Module], Handler] = {Resample: resample}

SUPPORTED = ("interpolate", "ReflectionPad2d", "ReplicationPad2d")
