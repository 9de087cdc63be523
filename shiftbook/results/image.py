"""The file map.json that `shiftbook build` writes beside the memory image."""

from __future__ import annotations

from shiftbook.results.base import Count, Record, Text
from shiftbook.results.gates import Grid


class Tensor(Record):
    """Where a tensor lies."""

    offset: Count
    """Bytes from the beginning of the image."""
    height: Count
    """Rows of pixels."""
    width: Count
    """Columns of pixels."""
    channels_in_memory: Count
    """Of the whole that it is a part of."""
    first_channel: Count
    """Its first channel in that."""
    channels: Count
    """Its channels."""


class AddressMap(Record):
    """Everything that a host must know to use the image."""

    image_bytes: Count
    """From the beginning of the image to the end of the program."""
    constant_bytes: Count
    """Of the header and the streams, at its beginning."""
    program_offset: Count
    """Bytes from the beginning of the image to the program."""
    input: Text
    """The tensor that takes the raw pixels."""
    output: Text
    """The tensor with the result."""
    layers: list[Text]
    """Of each layer that the accelerator runs, the node that it is for."""
    spec: Grid
    """Of the accelerator."""
    tensors: dict[Text, Tensor]
    """By name."""
