"""What `shiftbook demo` writes besides the results of the commands that it stands for."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, Record, Share, Text
from shiftbook.results.run import Counters


class DemoEngine(Record):
    """An engine with the network on it."""

    engine: Text
    """Its name."""
    lane_ge: Amount
    """Gates of a lane."""
    total_ge: Amount
    """Gates of the engine."""
    memory_bits: Count
    """Of its memories."""
    cycles: Count | None
    """Per image, by the cycle model; null where it cannot run the network."""
    utilization: Share | None
    """Over all layers."""
    gate_cycles: Amount | None
    """Gates times cycles."""


class Demo(Record):
    """The summary."""

    float_accuracy: Share | None
    """Of the network before compression."""
    accuracy: Share | None
    """Of the integer network."""
    ratio: Amount
    """The network in 32-bit floats over all stored bits."""
    images: Count
    """That ran on the RTL."""
    mismatches: Count | None
    """Integers that differ from the golden model's."""
    compared: Count
    """Integers that were compared."""
    cycles: Count | None
    """Per image, counted by the RTL."""
    layers: list[Counters]
    """In the order in which they ran."""
    engines: list[DemoEngine]
    """The network on each of them."""
    versions: dict[Text, Text]
    """Of the tools that the figures depend on."""
    seconds: Amount
    """How long it took."""
