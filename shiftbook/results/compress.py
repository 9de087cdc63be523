"""What `shiftbook compress` writes."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, OpenRecord, Share, Text


class Compression(OpenRecord):
    """How a checkpoint was made: its options and its results."""

    checkpoint: Text
    """Its file."""
    source: Text
    """The network, as the argument named it."""
    scheme: Text
    """Of the weights."""
    bits: Count | None = None
    """Of a weight, where the scheme has them."""
    engine: Text | None = None
    """That the network fits, where one was named."""
    density: Share
    """Share of the weights that was kept."""
    epochs: Count
    """Of fine-tuning."""
    seed: int
    """Of all that is random."""
    images: Count
    """That were held out."""
    float_accuracy: Share | None
    """Of the network as it came, on these; null without labels."""
    accuracy: Share | None
    """Of the integer network, on these."""
    ratio: Amount
    """The network in 32-bit floats over all stored bits."""
    bits_per_weight: Amount
    """All stored bits over the weights."""
    weights: Count
    """Of all layers, zeros included."""
    stored_bits: Count
    """Of all tensors."""
    seconds: Amount | None = None
    """How long it took."""
