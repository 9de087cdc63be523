"""Pooling, and means over the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Pair, Value, pair
from shiftbook.frontend.importing.layer import ClampedLayer, PlainLayer, activate
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


def pool(kind: PoolKind) -> Handler:
    """The handler of a window that moves over the image."""

    def handle(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
        def option(position: int, name: str, default: Any = None) -> Any:
            if module is not None:
                return getattr(module, name, default)
            return builder.argument(node, position, name, default)

        builder.no_padding(node, value)
        kernel = pair(option(1, "kernel_size"))
        stride = pair(option(2, "stride") or kernel)
        padding = pair(option(3, "padding", 0))
        if kind == "max":
            if pair(option(4, "dilation", 1)) != (1, 1) or option(6, "return_indices", False):
                raise builder.unsupported(node, "dilation and return_indices are not supported")
        elif any(padding) and not option(5, "count_include_pad", True):
            raise builder.unsupported(node, "count_include_pad must be True")
        elif option(6, "divisor_override") is not None:
            raise builder.unsupported(node, "divisor_override is not supported")
        return _append_pool(builder, node, value, kind, kernel, stride, padding)

    return handle


def _append_pool(
    builder: GraphBuilder,
    node: fx.Node,
    value: Value,
    kind: PoolKind,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
) -> Value:
    """Both kinds; ceil_mode shows in the recorded output shape and becomes padding at the far edges."""
    _, height, width = builder.shapes[value.layer]
    far = [
        max(pad, (out - 1) * step + size - length - pad)
        for out, step, size, length, pad in zip(
            builder.dims(node)[2:], stride, kernel, (height, width), padding, strict=True
        )
    ]
    if kind == "average" and tuple(far) != padding:
        raise builder.unsupported(node, "ceil_mode is supported for max pooling only")
    layer = PoolLayer(
        name=builder.layer_name(node),
        source=value.layer,
        kind=kind,
        kernel=kernel,
        stride=stride,
        padding=(padding[0], far[0], padding[1], far[1]),
    )
    builder.append(layer, node)
    # A ReLU commutes with max pooling, so the convolution below can still take it.
    return Value(layer.name, carriers=value.carriers if kind == "max" else (layer,))


def adaptive(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """Averages over parts of the image that are all of one size."""
    builder.no_padding(node, value)
    _, height, width = builder.shapes[value.layer]
    rows, cols = builder.dims(node)[-2:]
    if height % rows or width % cols:
        raise builder.unsupported(node, f"{height}x{width} pixels do not divide into {rows}x{cols}")
    kernel = (height // rows, width // cols)
    return (
        value if kernel == (1, 1) else _append_pool(builder, node, value, "average", kernel, kernel, (0, 0))
    )


def mean(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """A mean over the whole image."""
    builder.no_padding(node, value)
    given = builder.argument(node, 1, "dim")
    axes = given if isinstance(given, (tuple, list)) else (given,)
    rank = len(builder.dims(node.args[0])) if isinstance(node.args[0], fx.Node) else 0
    if rank != 4 or None in axes or {axis % 4 for axis in axes} != {2, 3}:
        raise builder.unsupported(node, f"mean must be over the two image dimensions, not {given}")
    kernel = (builder.shapes[value.layer][1], builder.shapes[value.layer][2])
    layer = PoolLayer(
        name=builder.layer_name(node), source=value.layer, kind="average", kernel=kernel, stride=kernel
    )
    builder.append(layer, node)
    return Value(layer.name, flat=len(builder.dims(node)) == 2, carriers=(layer,))


HANDLERS: dict[Any, Handler] = {
    nn.MaxPool2d: pool("max"),
    nn.AvgPool2d: pool("average"),
    nn.AdaptiveAvgPool2d: adaptive,
    functional.max_pool2d: pool("max"),
    torch.max_pool2d: pool("max"),
    functional.avg_pool2d: pool("average"),
    functional.adaptive_avg_pool2d: adaptive,
    torch.mean: mean,
    "mean": mean,
}

SUPPORTED = ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d")
