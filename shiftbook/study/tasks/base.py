"""What every kind of task is: a function without memory, and what its results depend on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from shiftbook.study.store import Store

Json = Any


@dataclass(frozen=True)
class Request:
    """What a task is given: see `study.task.Task`."""

    options: Mapping[str, Json]
    needs: Mapping[str, str]
    places: Mapping[str, str]
    store: Store


@dataclass(frozen=True)
class Made:
    """What a task makes: values of JSON, and files by their suffixes."""

    result: Mapping[str, Json]
    files: Mapping[str, bytes] = field(default_factory=dict)


class Work(ABC):
    """A kind of task. The same request gives the same bytes, on any machine with the same code and tools."""

    name: ClassVar[str]
    """In keys, records and messages."""
    rooms: ClassVar[tuple[str, ...]]
    """Folders, or files, whose code decides the results."""
    tools: ClassVar[tuple[str, ...]]
    """Packages whose versions do."""

    @abstractmethod
    def run(self, request: Request) -> Made:
        """Do the work.

        Raises
        ------
        ShiftbookError
            The options make no sense for this network or engine; the study keeps the message.
        """
