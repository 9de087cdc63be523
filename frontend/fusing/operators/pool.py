"""Pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value, pair, strides
from shiftbook.frontend.fusing.layer import ClampedLayer, PlainLayer
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

    def sums(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        top, bottom, left, right = self.padding
        empty = -torch.inf if self.kind == "max" else 0.0
        x = functional.pad(x, (left, right, top, bottom), value=empty)
        if self.kind == "max":
            return functional.max_pool2d(x, self.kernel, self.stride)
        return self.clamp(functional.avg_pool2d(x, self.kernel, self.stride))

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Pool:
        requantize = self._requantize(calibration, spec) if self.kind == "average" else None
        return Pool(self.name, self.source, self.kind, self.kernel, self.stride, self.padding, requantize)

    def _requantize(self, calibration: Mapping[str, Affine], spec: Spec) -> Requantize:
        source, (target, function) = calibration[self.source], self.steps(calibration)
        count = self.kernel[0] * self.kernel[1]
        gain = np.array([source.scale / (count * target.scale)])
        multiplier, shift = named_fixed_point(self.name, gain, spec)
        low, high = self.clamps(target)
        bias = np.array([-count * source.zero_point])
        return Requantize(bias, multiplier, shift, target.zero_point, low, high, function=function)


def max_pool(builder: LayerBuilder, node: Node, operation: nn.MaxPool2d, values: Sequence[Value]) -> Value:
    """A ReLU commutes with it, so the convolution below can still take one, and any function that rises."""
    (value,) = values
    if pair(operation.dilation) != (1, 1):
        raise builder.unsupported(node, f"dilation must be 1, not {operation.dilation}")
    if any(value.padding) and not value.lowest and not _never_negative(builder, value):
        raise builder.unsupported(node, "zeros around its input must come after a ReLU")
    layer = _append(builder, node, value, "max", operation)
    return Value(layer.name, carriers=value.carriers, pooled=True)


def _never_negative(builder: LayerBuilder, value: Value) -> bool:
    """Whether a ReLU or the like made the tensor, so that zeros win no maximum either."""
    makers = [layer for layer in builder.layers if layer.name == value.layer]
    clamped = (isinstance(layer, ClampedLayer) and layer.never_negative for layer in makers)
    return bool(makers) and all(clamped)


def average_pool(
    builder: LayerBuilder, node: Node, operation: nn.AvgPool2d, values: Sequence[Value]
) -> Value:
    """Windows are of one size by now, zeros around the image included."""
    (value,) = values
    if value.lowest:
        raise builder.unsupported(node, "its padding must be with zeros")
    if operation.divisor_override is not None:
        raise builder.unsupported(node, "divisor_override does not run")
    layer = _append(builder, node, value, "average", operation)
    return Value(layer.name, carriers=(layer,))


def _append(
    builder: LayerBuilder, node: Node, value: Value, kind: PoolKind, operation: nn.MaxPool2d | nn.AvgPool2d
) -> PoolLayer:
    """ceil_mode shows in the output's shape and becomes padding at the far edges."""
    kernel, padding = pair(operation.kernel_size), pair(operation.padding)
    stride = strides(operation.stride, node.shape)
    before = (padding[0] + value.padding[0], padding[1] + value.padding[2])
    behind = (padding[0] + value.padding[1], padding[1] + value.padding[3])
    far = [
        max(pad, (out - 1) * step + size - length - near)
        for out, step, size, length, near, pad in zip(
            node.shape[1:], stride, kernel, builder.shapes[value.layer][1:], before, behind, strict=True
        )
    ]
    layer = PoolLayer(
        name=node.name,
        source=value.layer,
        kind=kind,
        kernel=kernel,
        stride=stride,
        padding=(before[0], far[0], before[1], far[1]),
    )
    builder.append(layer, node.shape)
    return layer


HANDLERS: dict[type[nn.Module], Handler] = {nn.MaxPool2d: max_pool, nn.AvgPool2d: average_pool}

SUPPORTED = ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "mean")
