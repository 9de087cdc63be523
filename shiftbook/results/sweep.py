"""What `shiftbook sweep` writes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from shiftbook.results.base import Count, Real, Record, Share, Text


class Bound(Record):
    """Between which numbers a measure must be."""

    at_least: Real | None = None
    """The least."""
    at_most: Real | None = None
    """The most."""


class StudyPoint(Record):
    """A network under a compression, on an engine."""

    number: Count
    """From 0, in the order in which points were asked for."""
    network: Text
    """Its name in the study."""
    compression: dict[Text, JsonValue]
    """Options that the study chose; others have their defaults."""
    engine: dict[Text, JsonValue]
    """Likewise."""
    values: dict[Text, Real | None]
    """By measure; null where the point failed."""
    error: Text | None
    """Why it failed."""
    compared: Count | None = None
    """Integers of the RTL that were equal to the golden model's, where the study checked the point."""
    feasible: bool
    """Whether it did not fail and keeps all constraints."""
    front: bool
    """Whether it is feasible and no other such point is as good in all objectives and better in one."""


class Sweep(Record):
    """The points of a study."""

    study: Text
    """Its name."""
    search: Text
    """How points were chosen: grid, random, tpe or nsga2."""
    seed: Count
    """Of the search."""
    objectives: Annotated[dict[Text, Literal["max", "min"]], Field(min_length=1)]
    """Which way each measure is better."""
    constraints: dict[Text, Bound]
    """By measure."""
    points: list[StudyPoint]
    """In the order in which they were asked for."""
    hypervolume: list[Share]
    """After each point the share of the space between the best and the worst values that is dominated."""
