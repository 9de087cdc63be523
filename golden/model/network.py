"""A compressed network as integers: what a checkpoint holds and what every backend runs.

Activations are unsigned 8-bit with one zero point a tensor (0 after a ReLU, 128 for a symmetric signed
tensor), so that a lane never sees a sign: ``real = scale * (integer - zero_point)``. The zero point's
share of a convolution is a constant of each output channel and sits in its bias.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.nodes.base import Node
from shiftbook.golden.model.nodes.conv import Conv
from shiftbook.golden.model.weights import Codebooks, Requantize


@dataclass(frozen=True)
class Input:
    """Raw uint8 images [H, W, C], normalized to the first tensor by the requantizer's own formula."""

    name: str
    shape: tuple[int, int, int]
    requantize: Requantize  # one entry a channel


@dataclass(frozen=True)
class Network:
    """An input, nodes in an order in which they can run, and facts about where it came from.

    ``outputs`` names the nodes whose tensors are results; where it is empty, the last one's is. Where there
    is one result of one pixel, its channels are the classes. ``scales`` holds the real value of one step of
    each tensor, by node name, for people: nothing is computed from it.
    """

    input: Input
    nodes: tuple[Node, ...]
    slots: int  # weight slots that the streams are coded for
    scales: dict[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)  # source, scheme, bits, seed, float accuracy, ...
    outputs: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the nodes whose tensors are results."""
        return self.outputs or (self.nodes[-1].name,)

    @property
    def codebooks(self) -> tuple[Codebooks, ...]:
        """The sets of codebooks that layers name, each once, in the order of the layers."""
        named = [n.weights.vectors for n in self.nodes if isinstance(n, Conv)]
        return tuple(dict.fromkeys(vectors.codebooks for vectors in named if vectors is not None))

    @property
    def functions(self) -> tuple[FunctionTable, ...]:
        """The tables that requantizers have, each once, in the order of the layers."""
        requantizers = [self.input.requantize, *(node.requantizer for node in self.nodes)]
        named = [each.function for each in requantizers if each is not None]
        return tuple(dict.fromkeys(table for table in named if table is not None))


def zero_points(network: Network) -> dict[str, int]:
    """Zero point of every tensor, by name of the node that makes it."""
    found = {network.input.name: network.input.requantize.output_zero_point}
    for node in network.nodes:
        found[node.name] = node.zero_point([found[name] for name in node.inputs])
    return found
