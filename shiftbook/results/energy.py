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
    logic_pj: Amount | None = None
    """Of the logic, glitches included; null where it is not counted, or few windows lie in the layer."""


class ModuleLogic(Record):
    """All instances of a module without the modules in them, for one image."""

    name: Text
    """Without that of the accelerator."""
    instances: Count
    """How many there are."""
    sampled: Count
    """How many of them were sampled."""
    cells: Count
    """Of one instance."""
    settled_pj: Amount
    """Picojoules if each net changed once in a cycle or not at all."""
    pj: Amount
    """Picojoules, glitches included."""
    clock_pj: Amount
    """Of both the part of the clock."""


class LogicEnergy(Record):
    """Energy of the accelerator's logic, for one image, from windows of the RTL's run."""

    settled_pj: Amount
    """Picojoules if each net changed once in a cycle or not at all: the lower bound."""
    pj: Amount
    """Picojoules, glitches included."""
    clock_pj: Amount
    """Of both the part of the clock."""
    windows: Count
    """How many were sampled."""
    length: Count
    """Cycles of each."""
    compared: Count
    """Bits of outputs and states that were equal in the RTL and in the mapped netlist."""
    error: Amount
    """Standard error of ``pj``, relative to it, by the spread of the windows."""
    modules: list[ModuleLogic]
    """Those that take most first."""


class Energy(Record):
    """Energy of the accesses of a network's memories on an engine, and of its logic, for one image."""

    checkpoint: Text
    """Its file."""
    data: Text | None = None
    """Where the image comes from; null for noise."""
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
    total_pj: Amount | None = None
    """Picojoules of these memories and of the logic; null where logic is not counted."""
    logic: LogicEnergy | None = None
    """Null where it is not counted."""
    memories: list[MemoryEnergy]
    """Those that take most first."""
    layers: list[LayerEnergy]
    """In the order in which they run."""
