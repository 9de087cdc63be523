"""What `shiftbook gates` writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shiftbook.golden.spec import DEFAULT
from shiftbook.results.base import Amount, Count, OpenRecord, Record, Text

Gates = Annotated[float, Field(gt=0, le=1e24)]
Size = Annotated[int, Field(ge=1, le=10**9)]


class Grid(OpenRecord):
    """An engine's spec. Other parameters have the defaults of `golden.spec.Spec`."""

    rows: Size
    """Of lanes."""
    cols: Size
    """Of lanes."""
    bus_bytes: Size | None = None
    """Of a beat on the memory bus."""
    tile_words: Size = DEFAULT.tile_words
    """Of an activation bank."""


class Priced(Record):
    """What compare takes of an engine: its spec and its gates."""

    spec: Grid
    """Of what was synthesized."""
    total_ge: Gates
    """Gates of the engine, memories apart."""
    memory_ge: Amount | None = None
    """Area of its memories in gates."""
    whole_ge: Gates | None = None
    """Gates and memories of the engine."""
    accelerator_ge: Gates | None = None
    """With --system the gates of the whole accelerator, memories apart."""
    accelerator_whole_ge: Gates | None = None
    """With --system gates and memories of the whole accelerator."""
    memory_bits: Count | None = None
    """Of the engine's memories."""
    whole_area: Gates | None = None
    """With --liberty or --tech the area of the engine's cells and memories."""
    delay: Amount | None = None
    """With --liberty or --tech the longest path within a module, in picoseconds."""

    @property
    def lanes(self) -> str:
        """The grid as the option says it."""
        return f"{self.spec.rows}x{self.spec.cols}"


class PriceList(Record):
    """What compare takes of the file."""

    engines: Annotated[dict[str, Priced], Field(min_length=1)]
    """By name."""


class HeldMemory(Record):
    """A memory that a module declares, and what holds it."""

    words: Size
    """Of the memory."""
    bits: Size
    """Of a word."""
    reads: Count
    """Read ports."""
    writes: Count
    """Write ports."""
    count: Count
    """Of all instances of the module."""
    held_by: Text
    """Macros, or flip-flops."""
    ge: Amount
    """Area of one in gates."""
    read_pj: Amount | None
    """Picojoules of reading a word; null where nothing is known."""
    write_pj: Amount | None
    """Picojoules of writing a word."""


class Module(Record):
    """A module of an engine: all its instances, without their submodules."""

    instances: Count
    """How often it occurs."""
    ge: Amount | None = None
    """Gates of one instance."""
    total_ge: Amount
    """Gates of all instances."""
    memory_bits: Count
    """Of all instances."""
    memory_ge: Amount | None = None
    """Area of the memories of all instances in gates."""
    memories: list[HeldMemory] | None = None
    """Of all instances."""
    cells: dict[Text, Count] | None = None
    """Of one instance, by kind."""
    area: Amount | None = None
    """With --liberty the area of one instance, in the library's unit."""
    total_area: Amount | None = None
    """With --liberty the area of all instances."""
    delay: Amount | None = None
    """With --liberty the longest path, in picoseconds."""


class Engine(Priced):
    """An engine, in NAND2 equivalents (GE)."""

    lane_ge: Amount
    """One lane with all that is in it."""
    ge_per_lane: Amount
    """The engine over its lanes."""
    ge_per_term: Amount
    """The engine over the terms that it can add in a cycle."""
    decoder_ge: Amount | None = None
    """All between the weight streams and the lanes."""
    flat_ge: Amount | None = None
    """The engine counted without hierarchy; null where it was not."""
    memory_bits: Count
    """Of the engine's memories, which are no gates."""
    modules: dict[Text, Module]
    """Of the engine, by name, most expensive first; their gates add up to the engine's."""
    verilog_sha256: Text | None = None
    """Of the Verilog that was synthesized."""
    lane_area: Amount | None = None
    """With --liberty the area of a lane, in the library's unit."""
    total_area: Amount | None = None
    """With --liberty the area of the engine."""
    memory_area: Amount | None = None
    """With --liberty the area of the engine's memories."""
    lane_delay: Amount | None = None
    """With --liberty the longest path within a module of a lane, in picoseconds."""
    delay_module: Text | None = None
    """Where that path is."""
    flat_area: Amount | None = None
    """The engine's area without hierarchy; null where it was not mapped so."""
    flat_delay: Amount | None = None
    """The longest path without hierarchy, which may cross modules."""
    accelerator_flat_ge: Amount | None = None
    """With --system the accelerator counted without hierarchy."""
    accelerator_memory_ge: Amount | None = None
    """With --system the area of the accelerator's memories in gates."""
    accelerator_memory_bits: Count | None = None
    """With --system the memories of the accelerator."""
    system_modules: dict[Text, Module] | None = None
    """With --system the modules around the engine."""


class Ratio(Record):
    """An engine over the dense int8 engine."""

    lane: Amount
    """Gates of a lane."""
    total: Amount
    """Gates of the engine, memories apart."""
    whole: Amount | None = None
    """Gates and memories of the engine."""
    lane_area: Amount | None = None
    """Area of a lane."""
    area: Amount | None = None
    """Area of the engine, memories apart."""
    whole_area: Amount | None = None
    """Area of the engine with its memories."""
    delay: Amount | None = None
    """Longest path."""


class OneSlotLanes(Record):
    """A shift and an int8 lane that take one weight a cycle."""

    shift_ge: Amount
    """Gates of the shift lane."""
    int8_ge: Amount
    """Gates of the int8 lane."""
    ratio: Amount
    """The shift lane over the int8 lane."""


class GateReport(Record):
    """Engines of one generator under one ruler."""

    engines: Annotated[dict[Text, Engine], Field(min_length=1)]
    """By name."""
    ratios: dict[Text, Ratio]
    """By engine; empty without the dense int8 engine."""
    one_slot_lanes: OneSlotLanes | None = None
    """What a shift saves over a multiplication, the organisation apart."""
    versions: dict[Text, Text]
    """Of the tools that the figures depend on."""
    weights: Text
    """File with the gates of each kind of cell."""
    liberty: Text | None
    """Files of the cell library, or null."""
    memories: Text | None = None
    """Technology of the memories."""
