"""A graph in the making: nodes get unique names, and weights their modules' paths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shiftbook.frontend.graph.model import INPUT, GraphModel, Node, beside
from shiftbook.frontend.importing.recording import movement
from shiftbook.frontend.importing.recording.values import BATCH, Value


class Draft:
    """Adds operations to a graph.

    Parameters
    ----------
    graph
        It grows.

    Attributes
    ----------
    place
        Path of the module of the user's model that runs now.
    """

    def __init__(self, graph: GraphModel) -> None:
        self.graph = graph
        self.place = ""
        self.names = {INPUT}
        self.paths: set[str] = set()
        self.shared: dict[tuple[object, ...], str] = {}

    def add(
        self,
        operation: nn.Module,
        inputs: Sequence[str],
        shape: Sequence[int],
        name: str,
        path: str = "",
        at: str = "",
    ) -> Value:
        """Append an operation.

        Parameters
        ----------
        operation
            With its weights.
        inputs
            Names of the values that it takes.
        shape
            Of its output for one image.
        name
            What to call it; a number is added where that is taken.
        path
            Where the operation is already, for one that is used again.
        at
            Where to put it, if not at ``name``.
        """
        unique = self._unique(name)
        if not path:
            wanted = at or name
            path = unique if wanted in self.paths else wanted
            self.paths.add(path)
            self.graph.place(path, operation)
        self.graph.nodes.append(Node(unique, path, tuple(inputs), tuple(shape), self.place))
        return Value(unique, tuple(shape))

    def named(self, what: str) -> str:
        """A name below the module that runs now."""
        return f"{self.place}.{what}" if self.place else what

    def _unique(self, name: str) -> str:
        """``name``, or with @2, @3, ... where that is taken."""
        count, candidate = 1, name
        while candidate in self.names:
            count += 1
            candidate = f"{name}@{count}"
        self.names.add(candidate)
        return candidate

    def materialized(self, value: Value) -> Value | None:
        """The same elements as a value of their own; None where the graph has no operations for it."""
        if value.index is None:
            return value
        index = value.of_one()
        if index is None:
            return None
        if index.dim() == 2:  # [C, L], a signal: maps of height 1
            index = index[:, None]
        if index.dim() not in (1, 3):
            return None
        steps = movement.operations(value.shape, index)
        if steps is None:
            return None
        name = value.mover
        for i, (operation, shape) in enumerate(steps, 1):
            last = name and i == len(steps)
            own = name if last else f"{value.node}.{name_of(operation)}"
            value = self.add(operation, [value.node], shape, own, at=own if last else beside(own))
        return value


def name_of(operation: nn.Module) -> str:
    """What to call an operation that has no name of its own."""
    return type(operation).__name__.lower()


def seen_as(value: Value, dims: Sequence[int]) -> Value:
    """A value whose elements a tensor of another shape has in the same order."""
    return Value(value.node, value.shape).moved(torch.arange(BATCH * value.elements).reshape(tuple(dims)))


def one_image(constant: Tensor, rank: int) -> Tensor | None:
    """A constant without its batch, of ``rank`` - 1 dimensions; None where images differ in it."""
    shaped = constant.reshape((1,) * (rank - constant.dim()) + tuple(constant.shape))
    if shaped.dim() != rank or shaped.shape[0] not in (1, BATCH):
        return None
    return shaped[0] if bool((shaped == shaped[:1]).all()) else None
