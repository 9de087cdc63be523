"""A point of a study: a network under a compression, on an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shiftbook.golden.spec import Spec
from shiftbook.options.engine import make_spec


@dataclass(frozen=True)
class Choice:
    """What was chosen: the options of one table of compressions, and of one of engines.

    Attributes
    ----------
    network
        Its name in the study.
    """

    network: str
    compression: Mapping[str, Any]
    engine: Mapping[str, Any]

    @property
    def spec(self) -> Spec:
        """The engine.

        Raises
        ------
        ShiftbookError
            There is none like it.
        """
        options = self.engine
        return make_spec(
            options.get("preset", "shift"),
            options.get("lanes", "8x8"),
            options.get("slots"),
            options.get("bus"),
            requantizers=options.get("requantizers"),
        )


@dataclass(frozen=True)
class Point:
    """A choice and the tasks that measure it.

    Attributes
    ----------
    number
        From 0, in the order of the study.
    tasks
        Keys by kind; of the accuracy one a shard.
    error
        Why it is impossible, where that is known before any work.
    """

    number: int
    choice: Choice
    tasks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: str | None = None
