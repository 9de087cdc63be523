"""How a kind of node becomes passes of the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.model.nodes import Node

N = TypeVar("N", bound=Node)


class Planner(ABC, Generic[N]):
    """Plans one kind of node."""

    node: ClassVar[type[Node]]
    """The class."""

    def check(self, node: N, memory: Memory) -> None:
        """Raise a ShiftbookError for what can be seen before memory is taken for any pass."""
        return

    @abstractmethod
    def passes(self, node: N, memory: Memory) -> list[Pass]:
        """Passes of the engine that make the node's tensor, in the order in which they run.

        Raises
        ------
        ShiftbookError
            The engine cannot run it: the message names the layer and says why.
        """
