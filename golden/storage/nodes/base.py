"""How a kind of node is written to a checkpoint and read again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.nodes import Node
from shiftbook.golden.model.weights import Codebooks
from shiftbook.golden.spec import Spec
from shiftbook.golden.storage.fields import JSON, Fields

N = TypeVar("N", bound=Node)


@dataclass(frozen=True)
class Coding:
    """What all nodes of a checkpoint share.

    Attributes
    ----------
    slots
        Weight slots that streams are coded for.
    codebooks, functions
        The sets of codebooks, and the function tables, that nodes name by number.
    spec
        The coding's widths.
    """

    slots: int
    codebooks: tuple[Codebooks, ...]
    functions: tuple[FunctionTable, ...]
    spec: Spec


@dataclass(frozen=True)
class Reading:
    """A checkpoint that is being read: its coding, its tensors by name, and what it may still ask for."""

    coding: Coding
    take: Callable[[str], Bytes]
    budget: Budget


class Entry(ABC, Generic[N]):
    """The entry of one kind of node in a checkpoint. Fields ``type`` and ``name`` are written for all."""

    kind: ClassVar[str]
    """The field ``type``."""

    node: type[N]
    """The class."""

    @abstractmethod
    def fields(self, node: N, coding: Coding) -> JSON:
        """Its fields in the graph."""

    @abstractmethod
    def read(self, name: str, fields: Fields, reading: Reading) -> N:
        """The node from its fields and tensors.

        Raises
        ------
        ShiftbookError
            A field is missing or of the wrong type; a tensor is missing or does not decode.
        """

    def tensors(self, node: N, coding: Coding) -> dict[str, Bytes]:
        """Its tensors by name."""
        return {}
