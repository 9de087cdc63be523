"""What `shiftbook compare` writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from shiftbook.results.base import Amount, Count, Record, Share, Text


class Row(Record):
    """A checkpoint on the engine on which its gates and memories times cycles are least."""

    checkpoint: Text
    """Its file."""
    scheme: Text
    """The scheme that compress was asked for."""
    weights: Count
    """All weights of the network, zeros included."""
    density: Share
    """Share of the weights that is not 0."""
    macs: Count
    """Products per image, zeros included."""
    stored_bits: Count
    """Of the tensors in the file."""
    ratio: Amount | None = None
    """The network in 32-bit floats over all stored bits."""
    epochs: JsonValue = None
    """Of fine-tuning, as the checkpoint notes it."""
    float_accuracy: JsonValue = None
    """Of the network before compression, as the checkpoint notes it."""
    engine: Text
    """Its name."""
    moved_bytes: Count
    """On the memory bus per image: program, streams, tensors."""
    cycles: Count
    """Per image: by the cycle model, or with --rtl counted by the RTL; of a batch its share, rounded up."""
    batch: Count | None = None
    """With --batch the images that the engine takes at once."""
    batch_cycles: Count | None = None
    """With --batch the cycles until all of them are done."""
    ge: Amount
    """Gates of the engine, in NAND2 equivalents, memories apart."""
    whole_ge: Amount | None = None
    """Gates and memories of the engine, where they are known."""
    accelerator_ge: Amount | None = None
    """Gates of the whole accelerator, where they are known, memories apart."""
    accelerator_whole_ge: Amount | None = None
    """Gates and memories of the whole accelerator."""
    whole_area: Amount | None = None
    """Area of the engine's cells and memories, where a cell library was named."""
    delay: Amount | None = None
    """The engine's longest path within a module in that library, in picoseconds."""
    tile_words: Count | None = None
    """Words of an activation bank."""
    memory_bits: Count | None = None
    """Of the engine's memories, where they are known."""
    images: Count | None = None
    """Images that the accuracy was measured on."""
    accuracy: Share | None = None
    """Of the integer network; null where the images have no labels."""
    modelled_cycles: Count | None = None
    """With --rtl what the cycle model says."""
    compared: Count | None = None
    """With --rtl the integers that were compared with the golden model; all were equal."""
    relative: Amount
    """Gates times cycles, relative to the first row, memories apart."""
    whole_relative: Amount | None = None
    """Gates and memories times cycles, relative to the first row."""
    accelerator_relative: Amount | None = None
    """Gates of the whole accelerator times cycles, relative to the first row."""
    accelerator_whole_relative: Amount | None = None
    """The same with its memories."""
    timed_relative: Amount | None = None
    """Total area times cycles times longest path, relative to the first row."""
    gate_cycles: Amount
    """Gates times cycles."""
    ge_per_mac: Amount | None = None
    """Gates over the products of the dense network that are done in a cycle."""


class Comparison(Record):
    """Checkpoints side by side."""

    lanes: Text
    """The grid, such as 8x8."""
    data: Text | None = None
    """The images, as the option named them."""
    rows: Annotated[list[Row], Field(min_length=1)]
    """In the order in which they were given; the first is the baseline."""
