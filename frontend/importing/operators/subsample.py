"""Shortcuts without parameters, and zeros around images and channels."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Padding, Pair, Value, add_padding
from shiftbook.frontend.importing.layer import PlainLayer
from shiftbook.frontend.layers.subsample import Subsample as SubsampleModule
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.model.nodes import Subsample
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class SubsampleLayer(PlainLayer):
    """See `frontend.layers.subsample`."""

    source: str
    stride: int
    before: int
    after: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Subsample:
        return Subsample(self.name, self.source, self.stride, self.before, self.after)


def zero_pad(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.ZeroPad2d) -> Value:
    """The module that pads images."""
    left, right, top, bottom = (int(n) for n in module.padding)
    return _padded(builder, node, value, (top, bottom, left, right), (0, 0), getattr(module, "value", 0))


def functional_pad(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """The function, which can also pad channels."""
    pads = [int(n) for n in builder.argument(node, 1, "pad")]
    pads += [0] * (8 - len(pads))
    left, right, top, bottom, before, after, *batch = pads
    if builder.argument(node, 2, "mode", "constant") != "constant" or any(batch):
        raise builder.unsupported(node, "only constant padding of images and channels is supported")
    fill = builder.argument(node, 3, "value") or 0
    return _padded(builder, node, value, (top, bottom, left, right), (before, after), fill)


def _padded(
    builder: GraphBuilder, node: fx.Node, value: Value, padding: Padding, channels: Pair, fill: float
) -> Value:
    if fill != 0 or min(*padding, *channels) < 0:
        raise builder.unsupported(node, f"padding must be with zeros and outwards, not {fill} and {padding}")
    if not any(channels):
        return replace(value, padding=add_padding(value.padding, padding), carriers=())
    if any(padding) or any(value.padding):
        raise builder.unsupported(node, "channels and pixels cannot be padded at once")
    return _append_subsample(builder, node, value, 1, *channels)


def subsample(builder: GraphBuilder, node: fx.Node, value: Value, module: SubsampleModule) -> Value:
    """Our own module for a shortcut without parameters."""
    builder.no_padding(node, value)
    return _append_subsample(builder, node, value, module.stride, module.before, module.after)


def strided_slice(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """``x[:, :, ::s, ::s]``, the other half of a shortcut written out by hand."""
    builder.no_padding(node, value)
    index = builder.argument(node, 1, "index")
    steps = [i.step or 1 for i in index if isinstance(i, slice) and i.start in (None, 0) and i.stop is None]
    if not isinstance(index, tuple) or len(steps) != len(index) or steps[:2] != [1, 1] or len(steps) != 4:
        raise builder.unsupported(node, "indexing must be x[:, :, ::s, ::s]")
    if steps[2] != steps[3]:
        raise builder.unsupported(node, f"both steps must be the same, not {steps[2]} and {steps[3]}")
    return _append_subsample(builder, node, value, steps[2], 0, 0)


def _append_subsample(
    builder: GraphBuilder, node: fx.Node, value: Value, stride: int, before: int, after: int
) -> Value:
    layer = SubsampleLayer(
        name=builder.layer_name(node), source=value.layer, stride=stride, before=before, after=after
    )
    builder.append(layer, node)
    return Value(layer.name)


HANDLERS: dict[Any, Handler] = {
    nn.ZeroPad2d: zero_pad,
    nn.ConstantPad2d: zero_pad,
    SubsampleModule: subsample,
    functional.pad: functional_pad,
    operator.getitem: strided_slice,
}

SUPPORTED = ("ZeroPad2d",)
