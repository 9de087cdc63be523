"""What an option of a study may be: one value, a list of values, or a range."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shiftbook.golden.errors import ShiftbookError

COMPRESSION: dict[str, type] = {
    "scheme": str,
    "cores": str,
    "bits": int,
    "uniform": str,
    "end_bits": int,
    "density": float,
    "densities": dict,
    "budget": float,
    "balance": bool,
    "importance": bool,
    "dim": int,
    "codebooks": int,
    "codewords": int,
    "terms": int,
    "per_layer": bool,
    "epochs": int,
    "rate": float,
    "batch": int,
    "noise": float,
    "ratio": float,
    "admm_epochs": int,
    "core_epochs": int,
    "seed": int,
}
"""Options of a compression, as `shiftbook compress` has them."""

ENGINE: dict[str, type] = {"preset": str, "lanes": str, "slots": int, "requantizers": int, "bus": int}
"""Options of an engine, likewise."""

RIGHT = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table of shares by layer",
}

RANGE = {"from", "to", "log"}
"""Names in the table of a range."""


@dataclass(frozen=True)
class Values:
    """Some values; a grid takes each of them."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """All numbers between two, both included; a grid cannot take them."""

    low: float
    high: float
    log: bool
    whole: bool


Choice = Values | Range
Space = Mapping[str, Choice]
"""The choices of a table, by option."""


class Chooser(Protocol):
    """Takes one of several values, or a number of a range."""

    def pick(self, name: str, values: tuple[Any, ...]) -> Any:
        """One of the values."""

    def number(self, name: str, span: Range) -> int | float:
        """A number of the range."""


def parse(options: Mapping[str, Any], known: Mapping[str, type]) -> dict[str, Choice]:
    """The choices of a table of a study.

    Raises
    ------
    ShiftbookError
        There is no such option, or a value is none that it takes.
    """
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ShiftbookError(f"there is no option {unknown[0]!r:.60}: choose of {', '.join(known)}")
    return {name: _choice(name, value, known[name]) for name, value in options.items()}


def _choice(name: str, value: Any, kind: type) -> Choice:
    if isinstance(value, dict) and value.keys() & RANGE and kind in (int, float):
        return _range(name, value, kind)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ShiftbookError(f"{name} is an empty list: give at least one value")
    for each in values:
        if not _fits(each, kind):
            raise ShiftbookError(f"{name} must be {RIGHT[kind]}, not {each!r:.60}")
    if any(values.count(each) > 1 for each in values):
        raise ShiftbookError(f"{name} names a value twice: {values!r:.80}")
    return Values(tuple(float(each) if kind is float else each for each in values))


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _range(name: str, value: Mapping[str, Any], kind: type) -> Range:
    right = f"{name} must be a value, a list, or a range {{ from = LOW, to = HIGH }}"
    if value.keys() - RANGE or not {"from", "to"} <= value.keys():
        raise ShiftbookError(f"{right}, not one of {', '.join(map(str, value))}")
    low, high, log = value["from"], value["to"], value.get("log", False)
    if not _fits(low, kind) or not _fits(high, kind) or not isinstance(log, bool):
        raise ShiftbookError(f"{right} of {RIGHT[kind]} each, not from {low!r:.40} to {high!r:.40}")
    if low >= high or (log and low <= 0):
        least = ", with log above 0" if log else ""
        raise ShiftbookError(f"{name} must rise from a lower to a higher number{least}, not {low} to {high}")
    return Range(low, high, log, kind is int)


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination, the last option changing fastest.

    Raises
    ------
    ShiftbookError
        An option is a range.
    """
    for name, choice in space.items():
        if isinstance(choice, Range):
            raise ShiftbookError(
                f"{name} is a range, which a grid cannot take: list its values, or search with random, tpe "
                "or nsga2"
            )
    values = [choice.values for choice in space.values() if isinstance(choice, Values)]
    for chosen in itertools.product(*values):
        yield dict(zip(space, chosen, strict=True))


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Every combination of values and of the ends of ranges: where one of these is refused, others are."""
    ends = [c.values if isinstance(c, Values) else (_end(c, c.low), _end(c, c.high)) for c in space.values()]
    for chosen in itertools.product(*ends):
        yield dict(zip(space, chosen, strict=True))


def _end(span: Range, value: float) -> int | float:
    return int(value) if span.whole else float(value)


def size(space: Space) -> int | None:
    """Combinations; None where a range has no end of them."""
    if any(isinstance(choice, Range) for choice in space.values()):
        return None
    return math.prod(len(choice.values) for choice in space.values() if isinstance(choice, Values))


def choose(prefix: str, space: Space, chooser: Chooser) -> dict[str, Any]:
    """One combination; ``prefix`` begins the names that the chooser sees."""
    chosen = {}
    for name, choice in space.items():
        named = f"{prefix}.{name}"
        chosen[name] = (
            chooser.number(named, choice) if isinstance(choice, Range) else chooser.pick(named, choice.values)
        )
    return chosen
