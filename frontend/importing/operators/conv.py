"""Handlers of the operations with weights: modules, and functions of a module's own weight and bias.

Code that pads by itself subclasses ``Conv2d`` and calls the function; the module still says where the weights
are, so such a layer is quantized and reported like any other.
"""

from __future__ import annotations

from typing import Any, TypeVar

from torch import fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.conv_layer import ConvLayer
from shiftbook.frontend.importing.fusion import GraphBuilder, Handler, Padding, Value, add_padding, pair

Weighted = TypeVar("Weighted", nn.Conv2d, nn.Linear)


def conv(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.Conv2d) -> Value:
    """The module ``Conv2d``."""
    if module.padding_mode != "zeros":
        raise builder.unsupported(node, f"padding_mode must be 'zeros', not {module.padding_mode!r}")
    return _append_conv(
        builder, node, value, str(node.target), module, module.stride, module.padding, module.dilation
    )


def functional_conv(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """The function ``conv2d`` with the parameters of a ``Conv2d``; stride and padding are the call's."""
    path, owner = _owner(builder, node, nn.Conv2d)
    stride, padding, dilation, groups = (
        builder.argument(node, position, name, default)
        for position, name, default in (
            (3, "stride", 1),
            (4, "padding", 0),
            (5, "dilation", 1),
            (6, "groups", 1),
        )
    )
    if groups != owner.groups:
        raise builder.unsupported(node, f"groups must be {owner.groups} as of {path!r}, not {groups}")
    return _append_conv(builder, node, value, path, owner, stride, padding, dilation)


def linear(builder: GraphBuilder, node: fx.Node, value: Value, module: nn.Linear) -> Value:
    """The module ``Linear``."""
    return _append_linear(builder, node, value, str(node.target), module)


def functional_linear(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """The function ``linear`` with the parameters of a ``Linear``."""
    return _append_linear(builder, node, value, *_owner(builder, node, nn.Linear))


def _owner(builder: GraphBuilder, node: fx.Node, kind: type[Weighted]) -> tuple[str, Weighted]:
    """The module, and its path, whose weight and bias a function gets: both or neither of another."""
    weight, bias = (_parameter(node, position, name) for position, name in ((1, "weight"), (2, "bias")))
    path, _, name = (weight or "").rpartition(".")
    owner = builder.model.get_submodule(path) if name == "weight" else None
    if not isinstance(owner, kind):
        raise builder.unsupported(node, f"its weight must be the weight of a {kind.__name__}")
    if bias != (None if owner.bias is None else f"{path}.bias".lstrip(".")):
        raise builder.unsupported(node, f"its bias must be that of {path!r}, as its weight is")
    return path, owner


def _parameter(node: fx.Node, position: int, name: str) -> str | None:
    """Path of the parameter that an argument is; "" where it is something computed, None where it is None."""
    given = node.args[position] if len(node.args) > position else node.kwargs.get(name)
    if given is None:
        return None
    return str(given.target) if isinstance(given, fx.Node) and given.op == "get_attr" else ""


def _append_conv(
    builder: GraphBuilder,
    node: fx.Node,
    value: Value,
    path: str,
    module: nn.Conv2d,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> Value:
    if pair(dilation) != (1, 1):
        raise builder.unsupported(node, f"dilation must be 1, not {dilation}")
    layer = ConvLayer(
        name=builder.layer_name(node, path),
        path=path,
        source=value.layer,
        module=module,
        input_shape=builder.shapes[value.layer],
        stride=pair(stride),
        padding=add_padding(value.padding, _sides(padding, pair(module.kernel_size))),
    )
    builder.append(layer, node)
    return Value(layer.name, carriers=(layer,))


def _sides(padding: Any, kernel: tuple[int, int]) -> Padding:
    """A convolution's own padding; where "same" cannot be even, torch puts the odd zero behind."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        (rows, cols) = kernel
        return (rows - 1) // 2, rows // 2, (cols - 1) // 2, cols // 2
    vertical, horizontal = pair(padding)
    return vertical, vertical, horizontal, horizontal


def _append_linear(builder: GraphBuilder, node: fx.Node, value: Value, path: str, module: nn.Linear) -> Value:
    builder.no_padding(node, value)
    if len(builder.dims(node)) != 2:
        raise builder.unsupported(
            node, f"Linear needs [batch, features], not {len(builder.dims(node))} dimensions"
        )
    layer = ConvLayer(
        name=builder.layer_name(node, path),
        path=path,
        source=value.layer,
        module=module,
        input_shape=builder.shapes[value.layer],
    )
    builder.append(layer, node)
    return Value(layer.name, flat=True, carriers=(layer,))


HANDLERS: dict[Any, Handler] = {
    nn.Conv2d: conv,
    nn.Linear: linear,
    functional.conv2d: functional_conv,
    functional.linear: functional_linear,
}

SUPPORTED = ("Conv2d", "Linear")
