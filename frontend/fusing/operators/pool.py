"""Pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value, pair
from shiftbook.frontend.fusing.layer import ClampedLayer, PlainLayer, activate
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.quantization.affine import Affine, named_fixed_point
from shiftbook.golden.model.nodes import Pool
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import Spec

PoolKind = Literal["max", "average"]


@dataclass(kw_only=True)
class PoolLayer(ClampedLayer, PlainLayer):
    """Max or average pooling; the average divides by the whole window, padding (zeros) included.

    Only an average has an activation: a maximum leaves it to what makes its input.
    """

    source: str
    kind: PoolKind
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    @property
    def requantizes(self) -> bool:
        return self.kind == "average"

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        top, bottom, left, right = self.padding
        empty = -torch.inf if self.kind == "max" else 0.0
        x = functional.pad(x, (left, right, top, bottom), value=empty)
        if self.kind == "max":
            return functional.max_pool2d(x, self.kernel, self.stride)
        return activate(functional.avg_pool2d(x, self.kernel, self.stride), self.activation)

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Pool:
        requantize = self._requantize(calibration, spec) if self.kind == "average" else None
        return Pool(self.name, self.source, self.kind, self.kernel, self.stride, self.padding, requantize)

    def _requantize(self, calibration: Mapping[str, Affine], spec: Spec) -> Requantize:
        source, target = calibration[self.source], calibration[self.name]
        count = self.kernel[0] * self.kernel[1]
        gain = np.array([source.scale / (count * target.scale)])
        multiplier, shift = named_fixed_point(self.name, gain, spec)
        low, high = self.clamps(target)
        bias = np.array([-count * source.zero_point])
        return Requantize(bias, multiplier, shift, target.zero_point, low, high)


def max_pool(builder: LayerBuilder, node: Node, operation: nn.MaxPool2d, values: Sequence[Value]) -> Value:
    """A ReLU commutes with it, so the convolution below can still take one."""
    if pair(operation.dilation) != (1, 1):
        raise builder.unsupported(node, f"dilation must be 1, not {operation.dilation}")
    layer = _append(builder, node, values[0], "max", operation)
    return Value(layer.name, carriers=values[0].carriers)


def average_pool(
    builder: LayerBuilder, node: Node, operation: nn.AvgPool2d, values: Sequence[Value]
) -> Value:
    """All windows must be of one size, zeros around the image included."""
    if operation.divisor_override is not None:
        raise builder.unsupported(node, "divisor_override does not run")
    layer = _append(builder, node, values[0], "average", operation)
    padding = pair(operation.padding)
    if any(padding) and not operation.count_include_pad:
        raise builder.unsupported(node, "count_include_pad must be True")
    if layer.padding != (padding[0], padding[0], padding[1], padding[1]):
        raise builder.unsupported(node, "ceil_mode runs for max pooling only")
    return Value(layer.name, carriers=(layer,))


def _append(
    builder: LayerBuilder, node: Node, value: Value, kind: PoolKind, operation: nn.MaxPool2d | nn.AvgPool2d
) -> PoolLayer:
    """ceil_mode shows in the output's shape and becomes padding at the far edges."""
    builder.no_padding(node, value)
    kernel, stride, padding = (pair(v) for v in (operation.kernel_size, operation.stride, operation.padding))
    far = [
        max(pad, (out - 1) * step + size - length - pad)
        for out, step, size, length, pad in zip(
            node.shape[1:], stride, kernel, builder.shapes[value.layer][1:], padding, strict=True
        )
    ]
    layer = PoolLayer(
        name=node.name,
        source=value.layer,
        kind=kind,
        kernel=kernel,
        stride=stride,
        padding=(padding[0], far[0], padding[1], far[1]),
    )
    builder.append(layer, node.shape)
    return layer


def adaptive(
    builder: LayerBuilder, node: Node, operation: nn.AdaptiveAvgPool2d, values: Sequence[Value]
) -> Value:
    """Parts of one size have become plain pooling by now."""
    _, height, width = builder.shapes[values[0].layer]
    rows, cols = node.shape[1:]
    raise builder.unsupported(node, f"{height}x{width} pixels do not divide into {rows}x{cols}")


HANDLERS: dict[type[nn.Module], Handler] = {
    nn.MaxPool2d: max_pool,
    nn.AvgPool2d: average_pool,
    nn.AdaptiveAvgPool2d: adaptive,
}

SUPPORTED = ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "mean")
