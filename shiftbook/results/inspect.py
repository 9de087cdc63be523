"""What `shiftbook inspect` writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, ValidationError, model_validator

from shiftbook.results.base import Amount, Count, OpenRecord, Real, Record, Share, Text, Weight


class Component(Record):
    """The weights of a focused layer on one side of 0, in integer steps."""

    share: Share
    """Of the weights that are not 0."""
    mean: Real
    """Of these weights."""
    sigma: Amount
    """Their standard deviation."""


class Mixture(OpenRecord):
    """What compress fitted to a layer's float weights: two Gaussians, in real values."""

    separation: Amount
    """How far apart they are."""

    @classmethod
    def told(cls, fact: object) -> object:
        """What a checkpoint notes, if it is one; its facts may be anything."""
        try:
            cls.model_validate(fact)
        except ValidationError:
            return None
        return fact


class Layer(Record):
    """A convolution or fully connected layer."""

    name: Text
    """Of the layer."""
    scheme: Text
    """Of its weights."""
    gapless: bool
    """Whether zeros have codes, too."""
    weights: Count
    """Positions, zeros included."""
    nonzero: Count | None = None
    """Weights that are not 0."""
    density: Share
    """Share of the weights that is not 0."""
    terms: Count | None = None
    """Signed powers of two that all codes stand for, on lanes of the default spec."""
    terms_per_weight: Amount | None = None
    """The same over the weights, zeros included."""
    gap_bits: Count | None = None
    """Of the gap streams."""
    code_bits: Count | None = None
    """Of the code streams."""
    stream_bits: Count | None = None
    """Of both."""
    entropy_bits: Amount | None = None
    """The least that any such code could take."""
    table_bits: Count | None = None
    """Of the layer's codebook and the lengths of its Huffman codes."""
    side_bits: Count | None = None
    """Of requantizer parameters, slots, bit counts and padding."""
    stored_bits: Count
    """Of all the layer's tensors."""
    integers: Annotated[list[Weight], Field(min_length=1)]
    """The weights that occur, ascending."""
    counts: list[Annotated[int, Field(ge=1, le=10**15)]]
    """How often each of them occurs."""
    levels: list[Weight]
    """What a weight of a codeword can be, ascending."""
    components: Annotated[list[Component], Field(min_length=2, max_length=2)] | None
    """Of a focused layer: its weights below and above 0."""
    mixture: Mixture | None
    """Of a focused layer, where the checkpoint says it."""

    @model_validator(mode="after")
    def _fits(self) -> Layer:
        if len(self.counts) != len(self.integers):
            raise ValueError(f"has {len(self.integers)} integers and {len(self.counts)} counts")
        if self.integers != sorted(set(self.integers)):
            raise ValueError("must have ascending integers")
        return self


class Chain(Record):
    """A layer that was decomposed, and the chain in its place."""

    name: Text
    """Of the layer as it was."""
    modes: list[Count]
    """Of the tensor train."""
    ranks: list[Count]
    """Of the tensor train."""
    dense_weights: Count
    """Of the layer as it was."""
    weights: Count
    """Of the chain."""
    dense_macs: Count
    """Products per image of the layer as it was."""
    macs: Count
    """Products per image of the chain."""
    stored_bits: Count
    """Of the chain."""
    inner_biases: Count
    """Within the chain; the layer did not have them."""


class Saved(Record):
    """Ratios of the network before decomposition to the network after it."""

    weights: Amount
    """Their numbers of weights."""
    macs: Amount
    """Their products per image."""
    ratio: Amount
    """The network as it was in 32-bit floats over all stored bits."""


class Inspection(Record):
    """What a checkpoint stores."""

    checkpoint: Text
    """Its file."""
    facts: dict[str, JsonValue] | None = None
    """What compress noted."""
    ratio: Amount
    """The network in 32-bit floats over all stored bits."""
    bits_per_weight: Amount
    """All stored bits over the weights."""
    weights: Count
    """Of all layers, zeros included."""
    biases: Count | None = None
    """One for each output channel."""
    stored_bits: Count
    """Of all tensors."""
    stream_bits: Count | None = None
    """Of the weight streams."""
    entropy_bits: Amount | None = None
    """The least that such streams could take."""
    codebook_bits: Count | None = None
    """Of codebooks that layers share."""
    other_bits: Count | None = None
    """Of tensors that belong to no layer with weights."""
    header_bytes: Count | None = None
    """Of the file's header, which the ratio does not count."""
    layers: list[Layer]
    """Those with weights, in their order."""
    decomposed: list[Chain] | None = None
    """Layers that were decomposed."""
    saved: Saved | None = None
    """What decomposing saved, where layers were."""
