"""What a point is measured by: which tasks that takes, and which way is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["max", "min"]
Number = int | float | None

Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""Results of a point's tasks by their kind."""


@dataclass(frozen=True)
class Measure:
    """A figure of a point.

    Attributes
    ----------
    better
        Which way.
    kinds
        Of the tasks that it is computed from.
    value
        The figure; None where the engine or the library does not say.
    unit
        For people.
    liberty
        Whether it takes a cell library.
    """

    better: Better
    kinds: tuple[str, ...]
    value: Callable[[Found], Number]
    unit: str
    liberty: bool = False


def _accuracy(found: Found) -> float:
    shards = found["accuracy"]
    right: int = sum(each["right"] for each in shards)
    images: int = sum(each["images"] for each in shards)
    return right / images


def _float_accuracy(found: Found) -> float:
    (only,) = found["float"]
    accuracy: float = only["accuracy"]
    return accuracy


def _lost(found: Found) -> float:
    return round(_float_accuracy(found) - _accuracy(found), 9)


def _of(kind: str, name: str) -> Callable[[Found], Number]:
    def value(found: Found) -> Number:
        (only,) = found[kind]
        number: Number = only[name]
        return number

    return value


def _times_cycles(name: str) -> Callable[[Found], Number]:
    def value(found: Found) -> Number:
        (gates,), (load,) = found["gates"], found["load"]
        number: Number = None if load["cycles"] is None else gates[name] * load["cycles"]
        return number

    return value


MEASURES = {
    "accuracy": Measure("max", ("accuracy",), _accuracy, "share of right answers"),
    "float_accuracy": Measure("max", ("float",), _float_accuracy, "the same before compression"),
    "lost": Measure("min", ("accuracy", "float"), _lost, "share of right answers that compression costs"),
    "stored_bytes": Measure("min", ("load",), _of("load", "stored_bytes"), "bytes"),
    "ratio": Measure("max", ("load",), _of("load", "ratio"), "32-bit floats over stored bits"),
    "density": Measure("min", ("load",), _of("load", "density"), "share of weights that are not 0"),
    "cycles": Measure("min", ("load",), _of("load", "cycles"), "per image"),
    "moved_bytes": Measure("min", ("load",), _of("load", "moved_bytes"), "on the memory bus per image"),
    "whole_ge": Measure("min", ("gates",), _of("gates", "whole_ge"), "NAND2 equivalents, memories too"),
    "ge": Measure("min", ("gates",), _of("gates", "ge"), "NAND2 equivalents, memories apart"),
    "memory_bits": Measure("min", ("gates",), _of("gates", "memory_bits"), "bits"),
    "whole_gate_cycles": Measure(
        "min", ("gates", "load"), _times_cycles("whole_ge"), "GE x cycles per image, memories too"
    ),
    "gate_cycles": Measure("min", ("gates", "load"), _times_cycles("ge"), "GE x cycles per image"),
    "whole_area": Measure(
        "min", ("gates",), _of("gates", "whole_area"), "in the library's unit, memories too", liberty=True
    ),
    "area": Measure("min", ("gates",), _of("gates", "area"), "in the library's unit", liberty=True),
    "delay": Measure("min", ("gates",), _of("gates", "delay"), "picoseconds", liberty=True),
}
"""By name; those that a study names are measured, and no others."""
