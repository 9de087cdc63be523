"""What `shiftbook energy` writes."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, Record, Text


class MemoryEnergy(Record):
    """All memories of a kind, for one image."""

    name: Text
    """What they are."""
    count: Count
    """How many."""
    words: Count
    """Of each."""
    bits: Count
    """Of a word."""
    held_by: Text
    """Macros, or flip-flops."""
    reads: Count
    """Reads of words, by the RTL's own count."""
    writes: Count
    """Writes of words."""
    read_pj: Amount | None
    """Picojoules of reading a word; null for flip-flops, which count as logic."""
    write_pj: Amount | None
    """Picojoules of writing a word."""
    pj: Amount | None
    """Picojoules of all accesses."""


class LayerEnergy(Record):
    """A layer, for one image."""

    name: Text
    """Its node; of the raw pixels' normalization the input."""
    cycles: Count
    """From the end of the layer before, by the accelerator's counter."""
    macs: Count | None
    """Products, zeros included; null where it is no convolution."""
    pj: Amount
    """Picojoules of all memories in macros, in these cycles."""


class Energy(Record):
    """Energy of the accesses of a network's memories on an engine, for one image. Logic is not in it."""

    checkpoint: Text
    """Its file."""
    preset: Text
    """Name of the engine."""
    technology: Text
    """Whose macros hold the memories."""
    lanes: Text
    """The grid, such as 8x8."""
    cycles: Count
    """Of all layers."""
    macs: Count
    """Products of all convolutions, zeros included."""
    pj: Amount
    """Picojoules of all memories in macros."""
    memories: list[MemoryEnergy]
    """Those that take most first."""
    layers: list[LayerEnergy]
    """In the order in which they run."""
