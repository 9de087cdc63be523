"""The file map.json that `shiftbook build` writes beside the memory image."""

from __future__ import annotations

from shiftbook.results.base import Count, Record, Text
from shiftbook.results.gates import Grid


class Place(Record):
    """Where the tensor of one image of a batch lies."""

    offset: Count
    """Bytes from the beginning of the memory image."""
    first_pixel: list[Count]
    """Its first row and column in the whole that it is a part of."""


class Tensor(Record):
    """Where a tensor lies."""

    offset: Count
    """Bytes from the beginning of the image, or of the tensor buffer."""
    height: Count
    """Its rows of pixels."""
    width: Count
    """Its columns of pixels."""
    width_in_memory: Count
    """Columns of the whole that it is a part of."""
    pixel_step: Count
    """1; or 2 where it is every second row and column of that."""
    first_pixel: list[Count]
    """Its first row and column in that."""
    channels_in_memory: Count
    """Of the whole that it is a part of."""
    first_channel: Count
    """Its first channel in that."""
    channels: Count
    """Its channels."""
    images: list[Place] | None = None
    """Where it lies for each image of a batch; all else is of the first."""
    on_chip_after: Count | None = None
    """In the tensor buffer: the number of the layer, from 0, after which it is complete."""


class Stay(Record):
    """A tensor, with all that is a part of it, that the tensor buffer keeps."""

    word: Count
    """Its first word there."""
    size: Count
    """Words of all images of the batch."""
    first: Count
    """Number of the layer, from 0, from which on it is there."""
    last: Count
    """Number of the layer up to which it is there."""
    beats: Count
    """That are not moved on the bus because of it."""


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
    outputs: list[Text]
    """The tensors with the network's results."""
    batch: Count = 1
    """Images that the program takes at once."""
    layers: list[Text]
    """Of each layer that the accelerator runs, the node that it is for."""
    spec: Grid
    """Of the accelerator."""
    tensors: dict[Text, Tensor]
    """By name."""
    tensor_buffer: dict[Text, Stay]
    """What stays on the chip, by name; the layers are those of ``layers``."""
