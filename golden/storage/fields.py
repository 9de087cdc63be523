"""JSON objects from files that nobody vouches for: every field is taken with its type and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from shiftbook.golden.errors import ShiftbookError

JSON = dict[str, Any]

MAX_INTEGER = 1 << 20
"""Bound of an integer of a graph, far above anything real, so that nothing absurd is computed with it.
What a graph may ask for in all, `golden.limits` says."""


@dataclass
class Fields:
    """A JSON object whose fields are taken one by one, each with the type that it must have."""

    values: JSON
    what: str

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise ShiftbookError(f"{self.what} must be an object, not {self.values!r:.40}")
        self._left = set(self.values)

    def take(self, name: str, kind: type) -> Any:
        """A field of exactly this type."""
        self._left.discard(name)
        value = self.values.get(name)
        if type(value) is not kind:
            raise ShiftbookError(
                f"{self.what}: field {name!r} must be of type {kind.__name__}, not {value!r:.40}"
            )
        return value

    def integer(self, name: str, low: int = 0, high: int = MAX_INTEGER) -> int:
        """An integer field in low..high."""
        value = self.take(name, int)
        if not low <= value <= high:
            raise ShiftbookError(f"{self.what}: field {name!r} must be in {low}..{high}, not {value}")
        return cast(int, value)

    def integers(self, name: str, count: int) -> tuple[int, ...]:
        """A field with ``count`` integers >= 0."""
        values = self.take(name, list)
        if len(values) != count or not all(type(v) is int and 0 <= v <= MAX_INTEGER for v in values):
            raise ShiftbookError(
                f"{self.what}: field {name!r} must hold {count} integers, not {values!r:.40}"
            )
        return tuple(values)

    def signed_integers(self, name: str, count: int) -> tuple[int, ...]:
        """A field with ``count`` integers of any sign."""
        values = self.take(name, list)
        if len(values) != count or not all(type(v) is int and abs(v) <= MAX_INTEGER for v in values):
            raise ShiftbookError(
                f"{self.what}: field {name!r} must hold {count} integers, not {values!r:.40}"
            )
        return tuple(values)

    def text(self, name: str) -> str:
        """A text field that is not empty."""
        value = self.take(name, str)
        if not value:
            raise ShiftbookError(f"{self.what}: field {name!r} must not be empty")
        return cast(str, value)

    def text_or_none(self, name: str) -> str | None:
        """A text field, or null."""
        return None if name in self.values and self._none(name) else self.text(name)

    def integer_or_none(self, name: str) -> int | None:
        """An integer field >= 0, or null."""
        return None if name in self.values and self._none(name) else self.integer(name)

    def object_or_none(self, name: str) -> JSON | None:
        """An object field, or null."""
        return None if name in self.values and self._none(name) else cast(JSON, self.take(name, dict))

    def list_or_none(self, name: str) -> list[Any] | None:
        """A list field, or null."""
        return None if name in self.values and self._none(name) else cast(list[Any], self.take(name, list))

    def texts(self, name: str) -> tuple[str, ...]:
        """A field with any number of texts."""
        values = self.take(name, list)
        if not all(type(value) is str for value in values):
            raise ShiftbookError(f"{self.what}: field {name!r} must hold texts, not {values!r:.40}")
        return tuple(values)

    def numbers(self, name: str) -> dict[str, float]:
        """A field with numbers by name."""
        values = self.take(name, dict)
        if not all(type(value) in (int, float) for value in values.values()):
            raise ShiftbookError(f"{self.what}: field {name!r} must hold numbers, not {values!r:.40}")
        return {key: float(value) for key, value in values.items()}

    def finish(self) -> None:
        """Check that every field was taken."""
        if self._left:
            raise ShiftbookError(f"{self.what}: unknown fields {', '.join(sorted(self._left))}")

    def _none(self, name: str) -> bool:
        self._left.discard(name)
        return self.values[name] is None
