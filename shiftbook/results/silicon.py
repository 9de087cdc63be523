"""What `shiftbook energy` writes of several checkpoints."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shiftbook.results.base import Amount, Count, Record, Text
from shiftbook.results.energy import Energy


class SiliconRow(Energy):
    """A checkpoint on an engine: area and longest path of the engine, energy of the accelerator."""

    key: Text
    """Digest of all that the row depends on; a row with the same key is not counted again."""
    tile_words: Count
    """Words of an activation bank."""
    total_area: Amount | None = None
    """Of the engine's logic in the technology's cell library; null where it is not counted."""
    memory_area: Amount | None = None
    """Of the engine's memories."""
    whole_area: Amount | None = None
    """Of both."""
    delay: Amount | None = None
    """The engine's longest path within a module, in picoseconds."""
    delay_module: Text | None = None
    """Where that path is."""
    area_relative: Amount | None = None
    """Area of logic and memories times cycles, relative to the first row."""
    timed_relative: Amount | None = None
    """The same times the longest path."""
    memory_relative: Amount | None = None
    """Energy of the memories, relative to the first row."""
    energy_relative: Amount | None = None
    """Energy of memories and logic, relative to the first row."""


class Silicon(Record):
    """Checkpoints on engines side by side; what is relative is null where a row lacks it."""

    rows: Annotated[list[SiliconRow], Field(min_length=1)]
    """In the order in which they were given; the first is the baseline."""
