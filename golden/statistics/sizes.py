"""What a checkpoint stores, layer by layer: nothing is estimated, every stored bit is counted."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from shiftbook.golden.coding.streams import stored_statistics
from shiftbook.golden.coding.terms import codeword_terms
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.storage.checkpoint import Contents, coding_of, contents_of, network_of, read
from shiftbook.golden.storage.graph import codebook_names
from shiftbook.golden.storage.nodes.conv import conv_tensors
from shiftbook.golden.storage.packing import StoredLayer, layer_shape, read_layer

FLOAT_BITS = 32
"""Bits of a parameter in the network that a ratio compares with."""


def compression_ratio(parameters: int, stored_bits: int) -> float:
    """How much smaller a file is than the 32-bit floats that it stands for.

    Parameters
    ----------
    parameters
        Weights and biases of the float network.
    stored_bits
        All bits of all tensors of the file.
    """
    return FLOAT_BITS * parameters / stored_bits


@dataclass(frozen=True)
class LayerSize:
    """One convolution or fully connected layer.

    Attributes
    ----------
    weights, nonzero
        Positions, and how many of them are not 0.
    biases
        One for each output channel: what is left of a batch norm folded into a float network.
    terms
        Signed powers of two that all codes stand for, on lanes of the default spec.
    gap_bits, code_bits
        The two kinds of streams, without the padding of their last bytes.
    gap_entropy, code_entropy
        Order-0 empirical entropy of the streams' symbols, in bits: the bound for ``*_bits``.
    table_bits
        The layer's own codebook and the lengths of its Huffman codes.
    side_bits
        Everything else in the layer's tensors: requantizer parameters, bit counts of the streams, slots
        of the channels, padding to whole bytes.
    """

    name: str
    scheme: str
    gapless: bool
    weights: int
    nonzero: int
    biases: int
    terms: int
    gap_bits: int
    code_bits: int
    gap_entropy: float
    code_entropy: float
    table_bits: int
    side_bits: int

    @property
    def density(self) -> float:
        """Share of the weights that are not 0."""
        return self.nonzero / self.weights

    @property
    def terms_per_weight(self) -> float:
        """Terms per weight, pruned ones included."""
        return self.terms / self.weights

    @property
    def stream_bits(self) -> int:
        """Bits of all streams."""
        return self.gap_bits + self.code_bits

    @property
    def entropy_bits(self) -> float:
        """The bound for ``stream_bits``."""
        return self.gap_entropy + self.code_entropy

    @property
    def stored_bits(self) -> int:
        """Bits of the layer's tensors."""
        return self.stream_bits + self.table_bits + self.side_bits

    @property
    def bits_per_weight(self) -> float:
        """All stored bits per weight."""
        return self.stored_bits / self.weights

    def as_json(self) -> dict[str, object]:
        """The figures as JSON values."""
        return {
            "name": self.name,
            "scheme": self.scheme,
            "gapless": self.gapless,
            "weights": self.weights,
            "nonzero": self.nonzero,
            "density": self.density,
            "terms": self.terms,
            "terms_per_weight": self.terms_per_weight,
            "gap_bits": self.gap_bits,
            "code_bits": self.code_bits,
            "stream_bits": self.stream_bits,
            "entropy_bits": self.entropy_bits,
            "table_bits": self.table_bits,
            "side_bits": self.side_bits,
            "stored_bits": self.stored_bits,
        }


@dataclass(frozen=True)
class Sizes:
    """A whole checkpoint.

    Attributes
    ----------
    layers
        In the order in which they run.
    codebook_bits
        Codebooks that layers share, and the lengths of their Huffman codes.
    other_bits
        Tensors that belong to no such layer: normalization of the input, average pooling, gates, function
        tables.
    header_bytes
        The file less its tensors: names, graph, checksums. Reported apart, in no ratio.
    """

    layers: tuple[LayerSize, ...]
    codebook_bits: int
    other_bits: int
    header_bytes: int

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.weights for layer in self.layers)

    @property
    def biases(self) -> int:
        """Biases of all layers."""
        return sum(layer.biases for layer in self.layers)

    @property
    def stream_bits(self) -> int:
        """Stream bits of all layers."""
        return sum(layer.stream_bits for layer in self.layers)

    @property
    def entropy_bits(self) -> float:
        """The bound for ``stream_bits``."""
        return sum(layer.entropy_bits for layer in self.layers)

    @property
    def stored_bits(self) -> int:
        """Bits of all tensors of the file."""
        return sum(layer.stored_bits for layer in self.layers) + self.codebook_bits + self.other_bits

    @property
    def bits_per_weight(self) -> float:
        """All stored tensor bits over the number of weights."""
        return self.stored_bits / max(self.weights, 1)

    @property
    def float_bytes(self) -> int:
        """The weights and biases as 32-bit floats."""
        return FLOAT_BITS // 8 * (self.weights + self.biases)

    @property
    def ratio(self) -> float:
        """Of the weights and biases to all stored tensor bits; see `compression_ratio`."""
        return compression_ratio(self.weights + self.biases, self.stored_bits)


def layer_sizes(source: Network | str | os.PathLike[str], spec: Spec = DEFAULT) -> Sizes:
    """Count what a file stores, or what the file of a network would, coded for ``spec``.

    Raises
    ------
    ShiftbookError
        The file is no valid checkpoint, or the network cannot be coded.
    """
    if isinstance(source, Network):
        return stored_sizes(contents_of(source, spec), source)
    contents = read(source)
    return stored_sizes(contents, network_of(contents, source))


def stored_sizes(contents: Contents, network: Network) -> Sizes:
    """Count what a file stores, as it is stored: other programs may code the same network otherwise.

    Parameters
    ----------
    contents
        Of the file.
    network
        What it holds: ``golden.storage.checkpoint.network_of`` has decoded and checked it.
    """
    spec = coding_of(contents.graph["coding"])
    bits = {name: 8 * len(data) for name, data in contents.tensors.items()}
    total = sum(bits.values())
    layers = []
    for node, described in zip(network.nodes, contents.graph["nodes"], strict=True):
        if isinstance(node, Conv):
            names = conv_tensors(node.name)
            streams, tables = (contents.tensors[name] for name in names[:2])
            shape = layer_shape(node.weights, balanced=described["balanced"])
            layer = read_layer(streams, tables, shape, network.slots, spec)
            layers.append(_layer_size(node, layer, spec, sum(bits.pop(name) for name in names)))
    shared = [codebook_names(number) for number in range(len(network.codebooks))]
    codebook_bits = sum(bits.pop(name) for names in shared for name in names)
    return Sizes(tuple(layers), codebook_bits, sum(bits.values()), contents.file_bytes - total // 8)


def _layer_size(node: Conv, layer: StoredLayer, spec: Spec, stored: int) -> LayerSize:
    weights, streams = node.weights, layer.streams
    books, entries, _ = weights.codewords.shape
    found = stored_statistics(streams, books, entries, spec)
    gap_entropy, code_entropy = found.entropy_bits()
    return LayerSize(
        name=node.name,
        scheme=weights.scheme,
        gapless=weights.gapless,
        weights=weights.integers.size,
        nonzero=int(np.count_nonzero(weights.integers)),
        biases=node.outputs,
        terms=int((found.code_counts * codeword_terms(weights.codewords)).sum()),
        gap_bits=streams.gap_bits,
        code_bits=streams.code_bits,
        gap_entropy=gap_entropy,
        code_entropy=code_entropy,
        table_bits=layer.table_bits,
        side_bits=stored - streams.gap_bits - streams.code_bits - layer.table_bits,
    )
