"""What decomposing layers into chains saved, layer by layer of the network as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import cast

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.statistics.sizes import Sizes, compression_ratio
from shiftbook.golden.storage.fields import JSON, Fields

Numbers = tuple[int, ...]

FACT = "decomposed"
"""The fact of a network that holds, by name of the layer that was: nodes, shape [O, I, kh, kw], modes,
ranks."""


@dataclass(frozen=True)
class DecomposedLayer:
    """A layer of the network as it was, and the chain in its place.

    Attributes
    ----------
    modes, ranks
        Of the tensor train.
    dense_weights, weights
        Of the layer and of the chain.
    dense_macs, macs
        Products per image, zeros included.
    stored_bits
        Of the chain's tensors in the checkpoint.
    inner_biases
        Biases within the chain, which the layer did not have.
    """

    name: str
    modes: tuple[int, ...]
    ranks: tuple[int, ...]
    dense_weights: int
    weights: int
    dense_macs: int
    macs: int
    stored_bits: int
    inner_biases: int

    @property
    def ratio(self) -> float:
        """Of the layer's weights, without biases, to the chain's stored bits."""
        return compression_ratio(self.dense_weights, self.stored_bits)


def macs_of(network: Network) -> dict[str, int]:
    """Products per image of every convolution, by name."""
    found = shapes(network)
    return {
        node.name: prod(found[node.name]) * prod(node.weights.integers.shape[1:])
        for node in network.nodes
        if isinstance(node, Conv)
    }


def decomposed_layers(network: Network, sizes: Sizes) -> list[DecomposedLayer]:
    """The layers that were decomposed, in order; none where the network's facts name none.

    Raises
    ------
    ShiftbookError
        The fact does not fit the network.
    """
    fact = network.facts.get(FACT, {})
    if not isinstance(fact, Mapping):
        raise ShiftbookError(f"the checkpoint's fact {FACT!r} must be an object, not {fact!r:.40}")
    macs, found = macs_of(network), shapes(network)
    by_name = {layer.name: layer for layer in sizes.layers}
    layers = []
    for name, entry in fact.items():
        what = f"the checkpoint's fact {FACT!r} at {name!r}"
        nodes, shape, modes, ranks = _entry(what, entry)
        if not set(nodes) <= set(by_name):
            raise ShiftbookError(f"{what}: nodes must be layers with weights, not {nodes!r:.80}")
        links = [by_name[node] for node in nodes]
        height, width, _ = found[nodes[-1]]
        layers.append(
            DecomposedLayer(
                name=name,
                modes=modes,
                ranks=ranks,
                dense_weights=prod(shape),
                weights=sum(link.weights for link in links),
                dense_macs=prod(shape) * height * width,
                macs=sum(macs[node] for node in nodes),
                stored_bits=sum(link.stored_bits for link in links),
                inner_biases=sum(link.biases for link in links[:-1]),
            )
        )
    return layers


def _entry(what: str, entry: object) -> tuple[tuple[str, ...], Numbers, Numbers, Numbers]:
    """Nodes, shape, modes and ranks of one layer, of the types that they must have."""
    fields = Fields(cast(JSON, entry), what)
    nodes = fields.texts("nodes")
    if not nodes or len(set(nodes)) < len(nodes):
        raise ShiftbookError(f"{what}: nodes must be one or more different layers, not {nodes!r:.80}")
    numbers = []
    for name in ("shape", "modes", "ranks"):
        values = fields.integers(name, 4 if name == "shape" else len(fields.take(name, list)))
        if 0 in values or not values:
            raise ShiftbookError(f"{what}: {name} must hold integers from 1, not {values!r:.80}")
        numbers.append(values)
    shape, modes, ranks = numbers
    return nodes, shape, modes, ranks


@dataclass(frozen=True)
class Savings:
    """The whole network against what it was before layers were decomposed.

    Attributes
    ----------
    weights, macs
        Of the network as it was, over those of the network as it is.
    ratio
        Of the weights and biases of the network as it was to all bits of stored tensors; `Sizes.ratio` is of
        the network as it is.
    """

    weights: float
    macs: float
    ratio: float


def savings(network: Network, sizes: Sizes, layers: Sequence[DecomposedLayer]) -> Savings:
    """Count what was saved."""
    dense = sizes.weights + sum(layer.dense_weights - layer.weights for layer in layers)
    biases = sizes.biases - sum(layer.inner_biases for layer in layers)
    macs = sum(macs_of(network).values())
    dense_macs = macs + sum(layer.dense_macs - layer.macs for layer in layers)
    return Savings(
        weights=dense / sizes.weights,
        macs=dense_macs / macs,
        ratio=compression_ratio(dense + biases, sizes.stored_bits),
    )
