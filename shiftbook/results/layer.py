"""What `shiftbook gates --unrolled` and `shiftbook gates --paper-layer` write."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, OpenRecord, Real, Record, Share, Text


class UnrolledLayer(Record):
    """A layer of a checkpoint with its weights fixed in gates, for one output pixel."""

    checkpoint: Text
    """Its file."""
    layer: Text
    """Name of the layer."""
    scheme: Text
    """Of its weights."""
    channels: Count
    """Output channels that were measured."""
    of_channels: Count
    """Output channels that it has."""
    slice: Count
    """Output channels that share sub-expressions."""
    macs: Count
    """Multiplications that were measured, zeros included."""
    density: Share
    """Share of the weights that is not 0."""
    ge: Amount
    """Gates."""
    ge_per_mac: Amount
    """Gates over the multiplications."""
    adders: Count
    """In all."""
    shared: Count
    """Of these, shared between sums."""
    depth: Count
    """Adders on the longest path."""
    verilog_sha256: list[Text]
    """Of each slice."""
    versions: dict[Text, Text]
    """Of the tools that the figures depend on."""
    weights: Text
    """File with the gates of each kind of cell."""


class Published(Record):
    """What the paper prints."""

    gates: Amount
    """Of the layer."""
    per_mac: Amount
    """Of one multiplication."""
    ratio: Amount
    """Over the base method."""


class Part(Record):
    """A unit of the layer."""

    count: Count
    """How often it is there."""
    component: Text
    """Its module."""
    ge: Amount
    """Gates of one."""
    memory_bits: Count
    """Of one."""
    verilog_sha256: Text
    """Of its Verilog."""


class Programmable(Record):
    """The layer with units that take weights from outside."""

    layer_ge: Count
    """Gates of the layer."""
    ge_per_mac: Amount
    """Gates over its multiplications."""
    memory_bits: Count
    """Of the layer."""
    parts: dict[Text, Part]
    """By name."""
    ratio: Amount
    """Over the base method."""


class Fixed(Record):
    """The layer with its weights fixed in gates."""

    layer_ge: Count
    """Gates of the layer."""
    ge_per_mac: Amount
    """Gates over its multiplications."""
    slice_ge: Amount
    """Gates of one slice."""
    adders: Count
    """Of a slice."""
    shared: Count
    """Of these, shared between sums."""
    depth: Count
    """Adders on the longest path."""
    nonzero: Share
    """Share of the weights that is not 0."""
    verilog_sha256: Text
    """Of the slice's Verilog."""
    ratio: Amount
    """Over the base method."""


class Method(Record):
    """A published method on the layer."""

    title: Text
    """As tables have it."""
    paper: Published | None
    """Null where the paper has no such row."""
    programmable: Programmable
    """With units that take weights from outside."""
    unrolled: dict[Text, Fixed]
    """With fixed weights, by density."""


class LayerSize(Record):
    """The layer that is measured."""

    pixels: Count
    """Of its output."""
    channels: Count
    """Output channels."""
    inputs: Count
    """Weights of an output channel."""
    macs: Count
    """Multiplications per image."""
    slice: Count
    """Output channels that share sub-expressions."""


class MeanCost(OpenRecord):
    """What a mean costs more than plain shifts, in percent; with a field for each density, too."""

    mean: Text
    """The method with a mean."""
    plain: Text
    """The method without."""
    paper: Real | None
    """In the paper."""
    programmable: Real | None
    """With units that take weights from outside."""


class HuffmanCost(Record):
    """What Huffman decoders cost."""

    decoder_ge: Amount
    """Gates of one."""
    paper_gates: Count
    """Gates that the paper adds for decoding."""
    macs_per_decoder: Count
    """Multiplications that would have to share a decoder at the paper's cost."""


class PaperLayer(Record):
    """A published layer under published methods."""

    layer: LayerSize
    """What is measured."""
    methods: dict[Text, Method]
    """By name."""
    mean: list[MeanCost]
    """What a mean costs."""
    huffman: HuffmanCost
    """What decoders cost."""
    seed: int
    """Of the weights."""
    versions: dict[Text, Text]
    """Of the tools that the figures depend on."""
    weights: Text
    """File with the gates of each kind of cell."""
