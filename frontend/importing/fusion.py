"""From the nodes of an fx graph to layers, fused as they are met.

What becomes of an operation is not known here: the table of handlers that the builder gets says it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import fx, nn

from shiftbook.frontend.importing.graph import INPUT, Graph
from shiftbook.frontend.importing.layer import ClampedLayer, Layer
from shiftbook.golden.errors import ShiftbookError

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]

BATCH = 2
"""Images in the example that runs through the model; reshapes are recognised by what they do to it."""


@dataclass(frozen=True)
class Shape:
    """Stands for a tensor among the values that the example gave."""

    dims: tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What an fx node stands for: a layer's output, perhaps with something still to be taken up.

    ``carriers`` are the layers whose requantizers can still take an activation for this value, because
    nothing else reads what lies between; all of a concatenation, or none.
    """

    layer: str
    flat: bool = False
    padding: Padding = (0, 0, 0, 0)
    carriers: tuple[ClampedLayer, ...] = ()

    @property
    def own(self) -> ClampedLayer | None:
        """The layer that makes this value, where its requantizer can still take something up."""
        return next((layer for layer in self.carriers if layer.name == self.layer), None)


Handler = Callable[["GraphBuilder", fx.Node, Value, Any], Value]


class GraphBuilder:
    """Walks the nodes in order and fuses as it goes.

    Parameters
    ----------
    model
        The model itself, for its modules; the traced copy has only what its nodes name.
    nodes
        The traced model, in order.
    found
        What each node gave when the example ran: a Shape for a tensor, other values as they are.
    input_shape
        (C, H, W) of the image.
    handlers
        What to do with an operation, by module type, function, or method name. Subclasses of a module go by
        the nearest ancestor.
    supported
        The operations that have a handler, for people.

    Attributes
    ----------
    values
        What the tensors met so far stand for, by node.
    layers
        The layers made so far, in an order in which they can run.
    shapes
        (C, H, W) of the image and of every layer's output, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        nodes: fx.Graph,
        found: Mapping[fx.Node, Any],
        input_shape: tuple[int, int, int],
        handlers: Mapping[Any, Handler],
        supported: Sequence[str],
    ) -> None:
        self.model = model
        self.nodes = nodes
        self.found = found
        self.handlers = handlers
        self.supported = supported
        self.values: dict[fx.Node, Value] = {}
        self.layers: list[Layer] = []
        self.shapes: dict[str, tuple[int, int, int]] = {INPUT: input_shape}

    def build(self) -> Graph:
        """The whole graph, with the layers that the output needs."""
        result: Value | None = None
        for node in self.nodes.nodes:
            if node.op == "placeholder":
                if self.values:
                    raise ShiftbookError("the model must take one image tensor, not several inputs")
                self.values[node] = Value(INPUT)
            elif node.op == "output":
                if not isinstance(node.args[0], fx.Node) or node.args[0] not in self.values:
                    raise ShiftbookError("the model must return one tensor of class scores")
                result = self.value(node.args[0])
            elif node.op != "get_attr" and isinstance(self.found[node], Shape):
                self.values[node] = self.visit(node)
        if result is None or result.layer == INPUT or any(result.padding):
            raise ShiftbookError("the model must end in a layer that gives class scores")
        channels, height, width = self.shapes[result.layer]
        if (height, width) != (1, 1):
            raise ShiftbookError(
                f"the model must return one score a class, not {channels} maps of {height}x{width} pixels"
            )
        return Graph(self.shapes[INPUT], self.needed(result.layer), channels)

    def needed(self, name: str) -> list[Layer]:
        """The layers that lead to ``name``, in order."""
        wanted = {name}
        for layer in reversed(self.layers):
            if layer.name in wanted:
                wanted.update(layer.inputs)
        return [layer for layer in self.layers if layer.name in wanted]

    def visit(self, node: fx.Node) -> Value:
        """Dispatch on the module's type, the function or the method's name."""
        operation: Any = None
        handler: Handler | None = None
        if node.op == "call_module":
            operation = self.model.get_submodule(str(node.target))
            handler = next((self.handlers[t] for t in type(operation).__mro__ if t in self.handlers), None)
        elif node.op in ("call_function", "call_method"):
            handler = self.handlers.get(node.target)
        first = node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("tensors"))
        several = first if isinstance(first, (list, tuple)) else [first]
        known = [tensor for tensor in several if isinstance(tensor, fx.Node) and tensor in self.values]
        if handler is None or not known:
            raise self.unsupported(node)
        return handler(self, node, self.value(known[0]), operation)

    def value(self, node: fx.Node) -> Value:
        """What a node stands for, to one of its readers."""
        value = self.values[node]
        # Questions about the shape (x.size(0)) do not read the tensor.
        readers = [user for user in node.users if user.op == "output" or isinstance(self.found[user], Shape)]
        return value if len(readers) == 1 else replace(value, carriers=())

    def unsupported(self, node: fx.Node, why: str = "") -> ShiftbookError:
        """The error for an operation, named together with its module path."""
        return ShiftbookError(
            f"unsupported operation {described(self.model, node)}: "
            f"{why or 'shiftbook runs ' + ', '.join(self.supported)}"
        )

    def argument(self, node: fx.Node, position: int, name: str, default: Any = None) -> Any:
        """An argument of a function call, as a plain value."""
        given = node.args[position] if len(node.args) > position else node.kwargs.get(name, default)
        return fx.node.map_arg(given, lambda n: self.found[n])

    def dims(self, node: fx.Node) -> tuple[int, ...]:
        """Shape of a node's tensor, batch first."""
        found = self.found[node]
        return found.dims if isinstance(found, Shape) else ()

    def layer_name(self, node: fx.Node, path: str = "") -> str:
        """``path``, else a function's name below its module's; with @2, @3, ... where that is taken."""
        names = [_path(node)] if node.op == "call_module" else [_path(node), node.name]
        name = path or ".".join(part for part in names if part)
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

    def no_padding(self, node: fx.Node, value: Value) -> None:
        """Padding of zeros rides only on a convolution."""
        if any(value.padding):
            raise self.unsupported(node, "zero padding must be followed by a convolution")


def _path(node: fx.Node) -> str | None:
    """Path of the module whose forward made the node."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return next(reversed(stack.values()))[0] if stack else None


def place(path: str | None) -> str:
    """A module path for people."""
    return f"'{path}'" if path else "the model's own forward"


def described(model: nn.Module, node: fx.Node) -> str:
    """An operation and its module's path, for people."""
    return f"{_operation(model, node)} at {place(_path(node))}"


def _operation(model: nn.Module, node: fx.Node) -> str:
    """Name of an operation for people."""
    if node.op == "call_module":
        return type(model.get_submodule(str(node.target))).__name__
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def add_padding(a: tuple[int, ...], b: tuple[int, ...]) -> Padding:
    """Padding around padding."""
    top, bottom, left, right = (x + y for x, y in zip(a, b, strict=True))
    return top, bottom, left, right


def pair(value: Any) -> Pair:
    """An int or a sequence of one or two as (vertical, horizontal)."""
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value]
    return items[0], items[-1]
