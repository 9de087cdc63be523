"""From an nn.Module to a frontend.graph.Graph.

torch.fx and not torch.export, because everything after this works on *modules*: weights are quantized and
fine-tuned in place, errors and reports name module paths, and batch norm must be found as a module so that
it is folded into the requantizer and not into the weights. fx keeps ``Conv2d`` and ``BatchNorm2d`` as calls
of named modules. torch.export gives ATen calls on lifted parameters, with the module path as metadata; it
decomposes what we want to recognise (``Linear``, option A shortcuts), is tied to one batch size unless told
otherwise, and takes seconds where fx takes milliseconds. What export can do and fx cannot is control flow
that depends on values, and hardware cannot do that either.

A trace is checked: the fused graph must compute what the module computes on a random image.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from frontend.graph import INPUT, Activation, ConvLayer, Graph, Layer, PoolLayer, SubsampleLayer, sources
from frontend.subsample import Subsample
from golden.errors import ShiftbookError

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]

SUPPORTED = (
    "Conv2d, BatchNorm2d, ReLU, ReLU6, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Linear, Flatten, add, "
    "ZeroPad2d, Dropout and Identity"
)
BATCH = 2
"""Images in the example that runs through the model; reshapes are recognised by what they do to it."""


def trace(model: nn.Module, input_shape: tuple[int, int, int]) -> Graph:
    """Trace a sequential or residual network and fuse its layers.

    Parameters
    ----------
    model
        Put into eval mode, otherwise unchanged.
    input_shape
        (C, H, W) of the normalized image.

    Raises
    ------
    ShiftbookError
        The model does something that the hardware does not, named together with its module path.
    """
    model.eval()
    tracer = _Tracer()
    try:
        fx_graph = tracer.trace(model)
    except ShiftbookError:
        raise
    except Exception as error:  # the model's own code ran, so anything can come out of it
        raise ShiftbookError(
            f"the model cannot be traced at {_place(tracer.failed)}: {_first_line(error)}; "
            "its forward must not depend on values of tensors"
        ) from error
    module = fx.GraphModule(model, fx_graph)
    module.graph.eliminate_dead_code()
    example = torch.randn(BATCH, *input_shape, generator=torch.Generator().manual_seed(0))
    recorder = _Recorder(module)
    channels, height, width = input_shape
    try:
        with torch.no_grad():
            recorder.run(example.clone())
            expected = model(example.clone())
    except ShiftbookError:
        raise
    except Exception as error:
        raise ShiftbookError(
            f"the model does not run on {height}x{width} images of {channels} channels: {_first_line(error)}"
        ) from error
    graph = _Builder(module, recorder.found, input_shape).build()
    _check(graph.run(example), expected)
    return graph


def any_layout(model: nn.Module, input_shape: tuple[int, int, int]) -> nn.Module:
    """A model that also runs on channels-last tensors: this one, or the same modules with ``reshape``.

    ``view`` insists on one memory layout, and code that runs on many images wants the faster other one.

    Parameters
    ----------
    model
        One that :func:`trace` accepts.
    input_shape
        (C, H, W).
    """
    example = torch.zeros(BATCH, *input_shape).contiguous(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            model(example)
    except RuntimeError:
        graph = _Tracer().trace(model)
        for node in graph.nodes:
            if node.op == "call_method" and node.target == "view":
                node.target = "reshape"
        return fx.GraphModule(model, graph)
    return model


def _check(got: Tensor, expected: Tensor) -> None:
    """The fused graph against the module itself; float rounding is all that may differ."""
    got, expected = got.flatten(), expected.flatten()
    scale = expected.abs().max().clamp(min=1e-6)
    if got.shape != expected.shape or not bool((got - expected).abs().max() <= 1e-3 * scale):
        raise ShiftbookError(
            "the traced graph does not compute what the model computes; does its forward change tensors in "
            "place, draw random numbers or give NaN? It should be a pure function of the image"
        )


class _Tracer(fx.Tracer):
    """The default tracer, which also stops at our own modules and remembers where it failed."""

    failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Subsample) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or self.path_of_module(m)
            raise


@dataclass(frozen=True)
class _Shape:
    """A tensor met while running the example."""

    dims: tuple[int, ...]


class _Recorder(fx.Interpreter):
    """Runs the example and keeps what every node gave: shapes of tensors, and other values as they are."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.found[n] = _Shape(tuple(result.shape)) if isinstance(result, Tensor) else result
        return result


@dataclass(frozen=True)
class _Value:
    """What an fx node stands for: a layer's output, perhaps with something still to be taken up.

    ``carrier`` is the layer whose requantizer can still take an activation for this value, because
    nothing else reads what lies between.
    """

    layer: str
    flat: bool = False
    padding: Padding = (0, 0, 0, 0)
    carrier: ConvLayer | PoolLayer | None = None


Handler = Callable[["_Builder", fx.Node, _Value, Any], _Value]


class _Builder:
    """Walks the nodes in order and fuses as it goes."""

    def __init__(
        self, module: fx.GraphModule, found: dict[fx.Node, Any], input_shape: tuple[int, int, int]
    ) -> None:
        self.module = module
        self.found = found
        self.values: dict[fx.Node, _Value] = {}
        self.layers: list[Layer] = []
        self.shapes: dict[str, tuple[int, int, int]] = {INPUT: input_shape}

    def build(self) -> Graph:
        """The whole graph, with the layers that the output needs."""
        result: _Value | None = None
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                if self.values:
                    raise ShiftbookError("the model must take one image tensor, not several inputs")
                self.values[node] = _Value(INPUT)
            elif node.op == "output":
                if not isinstance(node.args[0], fx.Node) or node.args[0] not in self.values:
                    raise ShiftbookError("the model must return one tensor of class scores")
                result = self.value(node.args[0])
            elif isinstance(self.found[node], _Shape):
                self.values[node] = self.visit(node)
        if result is None or result.layer == INPUT or any(result.padding):
            raise ShiftbookError("the model must end in a layer that gives class scores")
        channels, height, width = self.shapes[result.layer]
        if (height, width) != (1, 1):
            raise ShiftbookError(
                f"the model must return one score a class, not {channels} maps of {height}x{width} pixels"
            )
        return Graph(self.shapes[INPUT], self.needed(result.layer))

    def needed(self, name: str) -> list[Layer]:
        """The layers that lead to ``name``, in order."""
        wanted = {name}
        for layer in reversed(self.layers):
            if layer.name in wanted:
                wanted.update(sources(layer))
        return [layer for layer in self.layers if layer.name in wanted]

    def visit(self, node: fx.Node) -> _Value:
        """Dispatch on the module's type, the function or the method's name."""
        operation: Any = None
        handler: Handler | None = None
        if node.op == "call_module":
            operation = self.module.get_submodule(str(node.target))
            handler = next((HANDLERS[t] for t in type(operation).__mro__ if t in HANDLERS), None)
        elif node.op in ("call_function", "call_method"):
            handler = HANDLERS.get(node.target)
        first = node.args[0] if node.args else node.kwargs.get("input")
        if handler is None or not isinstance(first, fx.Node) or first not in self.values:
            raise self.unsupported(node)
        return handler(self, node, self.value(first), operation)

    def value(self, node: fx.Node) -> _Value:
        """What a node stands for, to one of its readers."""
        value = self.values[node]
        # Questions about the shape (x.size(0)) do not read the tensor.
        readers = [user for user in node.users if user.op == "output" or isinstance(self.found[user], _Shape)]
        return value if len(readers) == 1 else replace(value, carrier=None)

    def unsupported(self, node: fx.Node, why: str = "") -> ShiftbookError:
        """The error for an operation, named together with its module path."""
        name = _operation(self.module, node)
        return ShiftbookError(
            f"unsupported operation {name} at {_place(_path(node))}: {why or 'shiftbook runs ' + SUPPORTED}"
        )

    def argument(self, node: fx.Node, position: int, name: str, default: Any = None) -> Any:
        """An argument of a function call, as a plain value."""
        given = node.args[position] if len(node.args) > position else node.kwargs.get(name, default)
        return fx.node.map_arg(given, lambda n: self.found[n])

    def dims(self, node: fx.Node) -> tuple[int, ...]:
        """Shape of a node's tensor, batch first."""
        found = self.found[node]
        return found.dims if isinstance(found, _Shape) else ()

    def unique(self, name: str) -> str:
        """``name``, or with @2, @3, ... where a layer has it already."""
        count, candidate = 1, name
        while candidate in self.shapes:
            count += 1
            candidate = f"{name}@{count}"
        return candidate

    def append(self, layer: Layer, node: fx.Node) -> None:
        """Add a layer whose output is ``node``."""
        self.layers.append(layer)
        dims = self.dims(node)[1:]
        self.shapes[layer.name] = (dims[0], dims[1] if dims[1:] else 1, dims[2] if dims[2:] else 1)

    def no_padding(self, node: fx.Node, value: _Value) -> None:
        """Padding of zeros rides only on a convolution."""
        if any(value.padding):
            raise self.unsupported(node, "zero padding must be followed by a convolution")


def _conv(self: _Builder, node: fx.Node, value: _Value, module: nn.Conv2d) -> _Value:
    if module.padding_mode != "zeros":
        raise self.unsupported(node, f"padding_mode must be 'zeros', not {module.padding_mode!r}")
    if module.dilation != (1, 1):
        raise self.unsupported(node, f"dilation must be 1, not {module.dilation}")
    if module.padding == "same":
        own = tuple(n for k in module.kernel_size for n in ((k - 1) // 2, k - 1 - (k - 1) // 2))
    elif module.padding == "valid":
        own = (0, 0, 0, 0)
    else:
        own = tuple(int(n) for n in module.padding for _ in range(2))
    path = str(node.target)
    layer = ConvLayer(
        name=self.unique(path),
        path=path,
        source=value.layer,
        module=module,
        input_shape=self.shapes[value.layer],
        stride=(module.stride[0], module.stride[1]),
        padding=_sum(value.padding, own),
    )
    self.append(layer, node)
    return _Value(layer.name, carrier=layer)


def _linear(self: _Builder, node: fx.Node, value: _Value, module: nn.Linear) -> _Value:
    self.no_padding(node, value)
    if len(self.dims(node)) != 2:
        raise self.unsupported(node, f"Linear needs [batch, features], not {len(self.dims(node))} dimensions")
    path = str(node.target)
    shape = self.shapes[value.layer]
    layer = ConvLayer(name=self.unique(path), path=path, source=value.layer, module=module, input_shape=shape)
    self.append(layer, node)
    return _Value(layer.name, flat=True, carrier=layer)


def _norm(self: _Builder, node: fx.Node, value: _Value, module: nn.BatchNorm2d) -> _Value:
    layer = value.carrier
    if not isinstance(layer, ConvLayer) or layer.name != value.layer:
        raise self.unsupported(node, "it must follow a convolution whose output nothing else reads")
    if layer.norm is not None or layer.residual is not None or layer.activation is not None:
        raise self.unsupported(node, "it must follow the convolution directly")
    if module.running_mean is None or module.running_var is None:
        raise self.unsupported(node, "it must track running statistics")
    layer.norm, layer.norm_path = module, str(node.target)
    return value


def _activation(kind: Activation) -> Handler:
    def handle(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
        layer = value.carrier
        if layer is None:
            raise self.unsupported(
                node, "it must follow a convolution, an add or an average whose output nothing else reads"
            )
        # The second of two clamps wins only where it is the tighter one.
        layer.activation = "relu6" if "relu6" in (kind, layer.activation) else "relu"
        return value

    return handle


def _hardtanh(self: _Builder, node: fx.Node, value: _Value, module: nn.Hardtanh) -> _Value:
    if (module.min_val, module.max_val) != (0, 6):
        raise self.unsupported(node, f"limits must be 0 and 6, not {module.min_val} and {module.max_val}")
    return _activation("relu6")(self, node, value, module)


def _pool(kind: str) -> Handler:
    def handle(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
        def option(position: int, name: str, default: Any = None) -> Any:
            if module is not None:
                return getattr(module, name, default)
            return self.argument(node, position, name, default)

        self.no_padding(node, value)
        kernel = _pair(option(1, "kernel_size"))
        stride = _pair(option(2, "stride") or kernel)
        padding = _pair(option(3, "padding", 0))
        if kind == "max":
            if _pair(option(4, "dilation", 1)) != (1, 1) or option(6, "return_indices", False):
                raise self.unsupported(node, "dilation and return_indices are not supported")
        elif any(padding) and not option(5, "count_include_pad", True):
            raise self.unsupported(node, "count_include_pad must be True")
        elif option(6, "divisor_override") is not None:
            raise self.unsupported(node, "divisor_override is not supported")
        return _append_pool(self, node, value, kind, kernel, stride, padding)

    return handle


def _append_pool(
    self: _Builder, node: fx.Node, value: _Value, kind: str, kernel: Pair, stride: Pair, padding: Pair
) -> _Value:
    """Both kinds; ceil_mode shows in the recorded output shape and becomes padding at the far edges."""
    _, height, width = self.shapes[value.layer]
    far = [
        max(pad, (out - 1) * step + size - length - pad)
        for out, step, size, length, pad in zip(
            self.dims(node)[2:], stride, kernel, (height, width), padding, strict=True
        )
    ]
    if kind == "average" and tuple(far) != padding:
        raise self.unsupported(node, "ceil_mode is supported for max pooling only")
    name = str(node.target) if node.op == "call_module" else _join(_path(node), str(node.name))
    layer = PoolLayer(
        name=self.unique(name),
        source=value.layer,
        kind="max" if kind == "max" else "average",
        kernel=kernel,
        stride=stride,
        padding=(padding[0], far[0], padding[1], far[1]),
    )
    self.append(layer, node)
    # A ReLU commutes with max pooling, so the convolution below can still take it.
    return _Value(layer.name, carrier=value.carrier if kind == "max" else layer)


def _adaptive(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    self.no_padding(node, value)
    _, height, width = self.shapes[value.layer]
    rows, cols = self.dims(node)[-2:]
    if height % rows or width % cols:
        raise self.unsupported(node, f"{height}x{width} pixels do not divide into {rows}x{cols}")
    kernel = (height // rows, width // cols)
    return value if kernel == (1, 1) else _append_pool(self, node, value, "average", kernel, kernel, (0, 0))


def _mean(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    self.no_padding(node, value)
    given = self.argument(node, 1, "dim")
    axes = given if isinstance(given, (tuple, list)) else (given,)
    rank = len(self.dims(node.args[0])) if isinstance(node.args[0], fx.Node) else 0
    if rank != 4 or None in axes or {axis % 4 for axis in axes} != {2, 3}:
        raise self.unsupported(node, f"mean must be over the two image dimensions, not {given}")
    kernel = (self.shapes[value.layer][1], self.shapes[value.layer][2])
    name = _join(_path(node), str(node.name))
    layer = PoolLayer(
        name=self.unique(name), source=value.layer, kind="average", kernel=kernel, stride=kernel
    )
    self.append(layer, node)
    return _Value(layer.name, flat=len(self.dims(node)) == 2, carrier=layer)


def _reshape(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    self.no_padding(node, value)
    shape = self.shapes[value.layer]
    after = self.dims(node)
    if after == (BATCH, shape[0] * shape[1] * shape[2]):
        return replace(value, flat=True)
    if after == (BATCH, *shape):
        return replace(value, flat=False)
    raise self.unsupported(node, f"it must keep the batch and flatten the rest, not give {list(after)}")


def _identity(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    return value


def _dropout(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    if self.argument(node, 2, "training", True):
        raise self.unsupported(node, "it stays on in eval mode; pass training=self.training")
    return value


def _zero_pad(self: _Builder, node: fx.Node, value: _Value, module: nn.ZeroPad2d) -> _Value:
    left, right, top, bottom = (int(n) for n in module.padding)
    return _padded(self, node, value, (top, bottom, left, right), (0, 0), getattr(module, "value", 0))


def _functional_pad(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    pads = [int(n) for n in self.argument(node, 1, "pad")]
    pads += [0] * (8 - len(pads))
    left, right, top, bottom, before, after, *batch = pads
    if self.argument(node, 2, "mode", "constant") != "constant" or any(batch):
        raise self.unsupported(node, "only constant padding of images and channels is supported")
    fill = self.argument(node, 3, "value") or 0
    return _padded(self, node, value, (top, bottom, left, right), (before, after), fill)


def _padded(
    self: _Builder, node: fx.Node, value: _Value, padding: Padding, channels: Pair, fill: float
) -> _Value:
    if fill != 0 or min(*padding, *channels) < 0:
        raise self.unsupported(node, f"padding must be with zeros and outwards, not {fill} and {padding}")
    if not any(channels):
        return replace(value, padding=_sum(value.padding, padding), carrier=None)
    if any(padding) or any(value.padding):
        raise self.unsupported(node, "channels and pixels cannot be padded at once")
    return _append_subsample(self, node, value, 1, *channels)


def _subsample(self: _Builder, node: fx.Node, value: _Value, module: Subsample) -> _Value:
    self.no_padding(node, value)
    return _append_subsample(self, node, value, module.stride, module.before, module.after)


def _slice(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    """``x[:, :, ::s, ::s]``, the other half of a shortcut written out by hand."""
    self.no_padding(node, value)
    index = self.argument(node, 1, "index")
    steps = [i.step or 1 for i in index if isinstance(i, slice) and i.start in (None, 0) and i.stop is None]
    if not isinstance(index, tuple) or len(steps) != len(index) or steps[:2] != [1, 1] or len(steps) != 4:
        raise self.unsupported(node, "indexing must be x[:, :, ::s, ::s]")
    if steps[2] != steps[3]:
        raise self.unsupported(node, f"both steps must be the same, not {steps[2]} and {steps[3]}")
    return _append_subsample(self, node, value, steps[2], 0, 0)


def _append_subsample(
    self: _Builder, node: fx.Node, value: _Value, stride: int, before: int, after: int
) -> _Value:
    name = str(node.target) if node.op == "call_module" else _join(_path(node), str(node.name))
    layer = SubsampleLayer(
        name=self.unique(name), source=value.layer, stride=stride, before=before, after=after
    )
    self.append(layer, node)
    return _Value(layer.name)


def _add(self: _Builder, node: fx.Node, value: _Value, module: Any) -> _Value:
    second = node.args[1] if len(node.args) > 1 else node.kwargs.get("other")
    if not isinstance(second, fx.Node) or second not in self.values:
        raise self.unsupported(node, f"both operands must be tensors of the network, not {second!r}")
    if node.kwargs.get("alpha", 1) != 1:
        raise self.unsupported(node, f"alpha must be 1, not {node.kwargs['alpha']}")
    if second is node.args[0] or self.dims(second) != self.dims(node.args[0]):  # type: ignore[arg-type]
        raise self.unsupported(node, "the operands must be two different tensors of one shape")
    operands = (value, self.value(second))
    for operand in operands:
        self.no_padding(node, operand)
    able = [layer for v in operands if (layer := _can_add(v)) is not None]
    if not able:
        raise self.unsupported(
            node, "one operand must be a convolution's output, before any activation, that nothing else reads"
        )
    # The bigger convolution takes the other in: the smaller one (a 1x1 shortcut) is then stored as 8 bits.
    layer = max(able, key=lambda conv: conv.weight().numel())
    other = operands[1] if operands[0].layer == layer.name else operands[0]
    layer.residual = other.layer
    self.layers.remove(layer)  # it can only run once the other operand is there
    self.layers.append(layer)
    return _Value(layer.name, flat=value.flat, carrier=layer)


def _can_add(value: _Value) -> ConvLayer | None:
    """The convolution behind a value if its requantizer is free to add another tensor."""
    layer = value.carrier
    if not isinstance(layer, ConvLayer) or layer.name != value.layer:
        return None
    return layer if layer.activation is None and layer.residual is None else None


HANDLERS: dict[Any, Handler] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.ReLU: _activation("relu"),
    nn.ReLU6: _activation("relu6"),
    nn.Hardtanh: _hardtanh,
    nn.MaxPool2d: _pool("max"),
    nn.AvgPool2d: _pool("average"),
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: _reshape,
    nn.Dropout: _identity,
    nn.Dropout2d: _identity,
    nn.Identity: _identity,
    nn.ZeroPad2d: _zero_pad,
    nn.ConstantPad2d: _zero_pad,
    Subsample: _subsample,
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
    torch.flatten: _reshape,
    torch.reshape: _reshape,
    torch.squeeze: _reshape,
    "flatten": _reshape,
    "reshape": _reshape,
    "view": _reshape,
    "squeeze": _reshape,
    "contiguous": _identity,
    functional.dropout: _dropout,
    functional.pad: _functional_pad,
    operator.getitem: _slice,
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    "add": _add,
    "add_": _add,
}
"""By module type, function, or method name. Subclasses go by the nearest ancestor named here."""


def _path(node: fx.Node) -> str | None:
    """Path of the module whose forward made the node."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return next(reversed(stack.values()))[0] if stack else None


def _place(path: str | None) -> str:
    """A module path for people."""
    return f"'{path}'" if path else "the model's own forward"


def _operation(module: fx.GraphModule, node: fx.Node) -> str:
    """Name of an operation for people."""
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__
    if node.op == "get_attr":
        return f"parameter {node.target}"
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def _join(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name


def _sum(a: tuple[int, ...], b: tuple[int, ...]) -> Padding:
    top, bottom, left, right = (x + y for x, y in zip(a, b, strict=True))
    return top, bottom, left, right


def _pair(value: Any) -> Pair:
    """An int or a sequence of one or two as (vertical, horizontal)."""
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value]
    return items[0], items[-1]


def _first_line(error: Exception) -> str:
    """What an exception says, on one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
