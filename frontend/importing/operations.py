"""What becomes of each operation: a handler makes a layer of it, or lets one that is there take it up."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.concatenate import concatenate
from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Pair, Value, pair
from shiftbook.frontend.importing.graph import Activation, ConvLayer, PoolLayer
from shiftbook.frontend.importing.shape_operations import (
    dropout,
    functional_pad,
    identity,
    reshape,
    strided_slice,
    subsample,
    zero_pad,
)
from shiftbook.frontend.importing.weight_operations import conv, functional_conv, functional_linear, linear
from shiftbook.frontend.layers.subsample import Subsample


def _norm(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.BatchNorm2d) -> Value:
    layer = value.own
    if not isinstance(layer, ConvLayer):
        raise builder.unsupported(node, "it must follow a convolution whose output nothing else reads")
    if layer.norm is not None or layer.residual is not None or layer.activation is not None:
        raise builder.unsupported(node, "it must follow the convolution directly")
    if module.running_mean is None or module.running_var is None:
        raise builder.unsupported(node, "it must track running statistics")
    layer.norm, layer.norm_path = module, str(node.target)
    return value


def _activation(kind: Activation) -> Handler:
    def handle(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
        if not value.carriers:
            raise builder.unsupported(
                node, "it must follow a convolution, an add or an average whose output nothing else reads"
            )
        # The second of two clamps wins only where it is the tighter one.
        for layer in value.carriers:
            layer.activation = "relu6" if "relu6" in (kind, layer.activation) else "relu"
        return value

    return handle


def _hardtanh(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.Hardtanh) -> Value:
    if (module.min_val, module.max_val) != (0, 6):
        raise builder.unsupported(node, f"limits must be 0 and 6, not {module.min_val} and {module.max_val}")
    return _activation("relu6")(builder, node, value, module)


def _pool(kind: str) -> Handler:
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
    builder: GraphBuilder, node: fx.Node, value: Value, kind: str, kernel: Pair, stride: Pair, padding: Pair
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
        kind="max" if kind == "max" else "average",
        kernel=kernel,
        stride=stride,
        padding=(padding[0], far[0], padding[1], far[1]),
    )
    builder.append(layer, node)
    # A ReLU commutes with max pooling, so the convolution below can still take it.
    return Value(layer.name, carriers=value.carriers if kind == "max" else (layer,))


def _adaptive(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    builder.no_padding(node, value)
    _, height, width = builder.shapes[value.layer]
    rows, cols = builder.dims(node)[-2:]
    if height % rows or width % cols:
        raise builder.unsupported(node, f"{height}x{width} pixels do not divide into {rows}x{cols}")
    kernel = (height // rows, width // cols)
    return (
        value if kernel == (1, 1) else _append_pool(builder, node, value, "average", kernel, kernel, (0, 0))
    )


def _mean(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
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


def _add(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    second = node.args[1] if len(node.args) > 1 else node.kwargs.get("other")
    if not isinstance(second, fx.Node) or second not in builder.values:
        raise builder.unsupported(node, f"both operands must be tensors of the network, not {second!r}")
    if node.kwargs.get("alpha", 1) != 1:
        raise builder.unsupported(node, f"alpha must be 1, not {node.kwargs['alpha']}")
    if second is node.args[0] or builder.dims(second) != builder.dims(node.args[0]):  # type: ignore[arg-type]
        raise builder.unsupported(node, "the operands must be two different tensors of one shape")
    operands = (value, builder.value(second))
    for operand in operands:
        builder.no_padding(node, operand)
    able = [layer for v in operands if (layer := _can_add(v)) is not None]
    if not able:
        raise builder.unsupported(
            node, "one operand must be a convolution's output, before any activation, that nothing else reads"
        )
    # The bigger convolution takes the other in: the smaller one (a 1x1 shortcut) is then stored as 8 bits.
    layer = max(able, key=lambda conv: conv.weight().numel())
    other = operands[1] if operands[0].layer == layer.name else operands[0]
    layer.residual = other.layer
    builder.layers.remove(layer)  # it can only run once the other operand is there
    builder.layers.append(layer)
    return Value(layer.name, flat=value.flat, carriers=(layer,))


def _can_add(value: Value) -> ConvLayer | None:
    """The convolution behind a value if its requantizer is free to add another tensor."""
    layer = value.own
    if not isinstance(layer, ConvLayer) or layer.activation is not None or layer.residual is not None:
        return None
    return layer


SUPPORTED = (
    "Conv2d, BatchNorm2d, ReLU, ReLU6, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Linear, Flatten, add, "
    "cat, ZeroPad2d, Dropout and Identity"
)
"""What has a handler, for people."""

HANDLERS: dict[Any, Handler] = {
    nn.Conv2d: conv,
    nn.Linear: linear,
    functional.conv2d: functional_conv,
    functional.linear: functional_linear,
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.ReLU: _activation("relu"),
    nn.ReLU6: _activation("relu6"),
    nn.Hardtanh: _hardtanh,
    nn.MaxPool2d: _pool("max"),
    nn.AvgPool2d: _pool("average"),
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: reshape,
    nn.Dropout: identity,
    nn.Dropout2d: identity,
    nn.Identity: identity,
    nn.ZeroPad2d: zero_pad,
    nn.ConstantPad2d: zero_pad,
    Subsample: subsample,
    functional.relu: _activation("relu"),
    functional.relu_: _activation("relu"),
    torch.relu: _activation("relu"),
    torch.relu_: _activation("relu"),
    "relu": _activation("relu"),
    "relu_": _activation("relu"),
    functional.relu6: _activation("relu6"),
    functional.max_pool2d: _pool("max"),
    torch.max_pool2d: _pool("max"),
    functional.avg_pool2d: _pool("average"),
    functional.adaptive_avg_pool2d: _adaptive,
    torch.mean: _mean,
    "mean": _mean,
    torch.flatten: reshape,
    torch.reshape: reshape,
    torch.squeeze: reshape,
    "flatten": reshape,
    "reshape": reshape,
    "view": reshape,
    "squeeze": reshape,
    "contiguous": identity,
    functional.dropout: dropout,
    functional.pad: functional_pad,
    operator.getitem: strided_slice,
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    "add": _add,
    "add_": _add,
    torch.cat: concatenate,
    torch.concat: concatenate,
    torch.concatenate: concatenate,
}
"""By module type, function, or method name. Subclasses go by the nearest ancestor named here."""
