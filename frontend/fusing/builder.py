"""From the nodes of a graph to layers, fused as they are met.

What becomes of an operation is not known here: the table of handlers that the builder gets says it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from shiftbook.frontend.fusing.layer import ClampedLayer, Layer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT, GraphModel, Node
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.errors import ShiftbookError

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
Maps = tuple[int, int, int]


@dataclass(frozen=True)
class Value:
    """What a node stands for: a layer's output, perhaps with something still to be taken up.

    ``carriers`` are the layers whose requantizers can still take an activation for this value, because
    nothing else reads what lies between; all of a concatenation, or none. ``lowest`` tells that the padding
    is not of zeros but of what never wins a maximum, ``pooled`` that a maximum lies between them and this.
    """

    layer: str
    padding: Padding = (0, 0, 0, 0)
    lowest: bool = False
    carriers: tuple[ClampedLayer, ...] = ()
    pooled: bool = False

    @property
    def own(self) -> ClampedLayer | None:
        """The layer that makes this value, where its requantizer can still take something up."""
        return next((layer for layer in self.carriers if layer.name == self.layer), None)


Handler = Callable[["LayerBuilder", Node, Any, Sequence[Value]], Value]


class LayerBuilder:
    """Walks the nodes in order and fuses as it goes.

    Parameters
    ----------
    graph
        The layers refer to its operations.
    handlers
        What to do with an operation, by its type. Subclasses go by the nearest ancestor.
    supported
        The operations that have a handler, for people.

    Attributes
    ----------
    values
        What the nodes met so far stand for, by name.
    layers
        The layers made so far, in an order in which they can run.
    shapes
        (C, H, W) of the image and of every layer's output, by name.
    before
        Nodes whose values a layer's functions take: the name of that tensor, or "" where there is none.
    """

    def __init__(
        self, graph: GraphModel, handlers: Mapping[type[nn.Module], Handler], supported: Sequence[str]
    ) -> None:
        self.graph = graph
        self.handlers = handlers
        self.supported = supported
        self.values: dict[str, Value] = {INPUT: Value(INPUT)}
        self.layers: list[Layer] = []
        self.shapes: dict[str, Maps] = {INPUT: graph.input_shape}
        self.before: dict[str, str] = {}
        self.reads = [name for node in graph.nodes for name in node.inputs] + list(graph.outputs)

    def build(self) -> LayerGraph:
        """The whole graph, with the layers that the outputs need."""
        for node in self.graph.nodes:
            self.values[node.name] = self.visit(node)
        results = [self.value(name) for name in self.graph.outputs]
        if any(result.layer == INPUT or any(result.padding) for result in results):
            raise ShiftbookError("the model must end in a layer that gives class scores, or maps")
        names = tuple(result.layer for result in results)
        channels, *size = self.shapes[names[0]]
        classes = channels if len(names) == 1 and size == [1, 1] else None
        return LayerGraph(self.shapes[INPUT], self.needed(names), classes, self.scales(), names)

    def scales(self) -> dict[str, Affine]:
        """Of tensors that the user's file has quantized; the last word on a tensor counts."""
        names = [INPUT, *(node.name for node in self.graph.nodes)]
        known = [(name, self.graph.scales[name]) for name in names if name in self.graph.scales]
        tensors = [(self.before.get(name, self.values[name].layer), scale) for name, scale in known]
        return {tensor: Affine(*scale) for tensor, scale in tensors if tensor}

    def add_function(self, layer: ClampedLayer, function: nn.Module) -> None:
        """Let a layer apply one more function; what stands for its sums so far is then no layer's output."""
        if not layer.functions:
            for name, value in self.values.items():
                if any(carrier.name == layer.name for carrier in value.carriers):
                    self.before.setdefault(name, layer.before if value.layer == layer.name else "")
        layer.functions += (function,)

    def needed(self, names: Sequence[str]) -> list[Layer]:
        """The layers that lead to ``names``, in order."""
        wanted = set(names)
        for layer in reversed(self.layers):
            if layer.name in wanted:
                wanted.update(layer.inputs)
        return [layer for layer in self.layers if layer.name in wanted]

    def visit(self, node: Node) -> Value:
        """Dispatch on the operation's type."""
        operation = self.graph.of(node)
        handler = next((self.handlers[t] for t in type(operation).__mro__ if t in self.handlers), None)
        if handler is None:
            raise self.unsupported(node)
        return handler(self, node, operation, [self.value(name) for name in node.inputs])

    def value(self, name: str) -> Value:
        """What a value stands for, to one of its readers."""
        value = self.values[name]
        return value if self.reads.count(name) == 1 else replace(value, carriers=())

    def unsupported(self, node: Node, why: str = "") -> ShiftbookError:
        """The error for an operation, with its name in the user's model."""
        return ShiftbookError(
            f"unsupported operation {type(self.graph.of(node)).__name__} at '{node.name}': "
            f"{why or 'shiftbook runs ' + ', '.join(self.supported)}"
        )

    def append(self, layer: Layer, shape: Sequence[int]) -> None:
        """Add a layer, with its output's shape for one image."""
        self.layers.append(layer)
        self.shapes[layer.name] = (shape[0], *shape[1:]) if len(shape) == 3 else (shape[0], 1, 1)  # type: ignore[assignment]

    def no_padding(self, node: Node, value: Value) -> None:
        """Padding of zeros rides only on a convolution."""
        if any(value.padding):
            raise self.unsupported(node, "padding must be followed by a convolution or by pooling")


def add_padding(a: tuple[int, ...], b: tuple[int, ...]) -> Padding:
    """Padding around padding."""
    top, bottom, left, right = (x + y for x, y in zip(a, b, strict=True))
    return top, bottom, left, right


def strides(given: Any, output: Sequence[int]) -> Pair:
    """(vertical, horizontal); where there is one row or one column, its stride is the other's."""
    vertical, horizontal = pair(given)
    rows, cols = output[1:] or (1, 1)
    if rows == 1:
        return horizontal, horizontal
    return (vertical, vertical) if cols == 1 else (vertical, horizontal)


def pair(value: Any) -> Pair:
    """An int or a sequence of one or two as (vertical, horizontal)."""
    if isinstance(value, int):
        return value, value
    items = [int(v) for v in value]
    return items[0], items[-1]
