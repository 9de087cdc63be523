"""A compressed network as integers: what a checkpoint holds and what every backend runs.

Activations are unsigned 8-bit with one zero point a tensor (0 after a ReLU, 128 for a symmetric signed
tensor), so that a lane never sees a sign: ``real = scale * (integer - zero_point)``. The zero point's
share of a convolution is a constant of each output channel and sits in its bias.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Requantize:
    """Per output channel, from an accumulator to an 8-bit activation.

    ``y = clamp(zero_point + floor((acc + bias) * multiplier / 2^shift + r + 1/2), low, high)``, in exact
    arithmetic, with ``r = (residual - residual_zero_point) * residual_multiplier / 2^FRACTION`` where a layer
    adds one (`golden.spec.FRACTION`), else 0. Halves therefore round up, towards plus infinity.
    """

    bias: Integers  # [O]
    multiplier: Integers  # [O], unsigned
    shift: Integers  # [O]
    zero_point: int = 0
    low: int = 0
    high: int = 255
    residual_multiplier: int | None = None  # one for all channels, unsigned


@dataclass(frozen=True, eq=False)
class Codebooks:
    """M codebooks of K codewords of d weights, which any number of layers may share.

    ``lengths`` are the code lengths of one Huffman code, which serves the codes of all M codebooks.
    """

    codewords: NDArray[np.int16]  # [M, K, d], -128..127
    lengths: NDArray[np.uint8]  # [K]


Along = Literal["run", "taps"]
"""How a vector lies in its slot: over consecutive positions, or over the taps of one channel."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """The codes of a layer whose weights are sums of codewords.

    Vector v of output channel o in slot w is the sum of one codeword of each codebook, or all zeros where
    it is not ``present``. `golden.coding.vectors` says which weights it holds.
    """

    codebooks: Codebooks
    codes: NDArray[np.uint8]  # [O, W, V, M]
    present: NDArray[np.bool_]  # [O, W, V]
    along: Along


@dataclass(frozen=True)
class Weights:
    """Integer weights of one layer and how they are coded.

    ``integers`` is [O, kh, kw, I] with I the input channels of one group; its position order is
    (ky, kx, channel), channel fastest. Where ``gapless`` is false a zero is a pruned weight and has no
    code; where it is true every position has a code and 0 may be in the codebook. With ``vectors`` the same
    holds for whole vectors, the integers are what they add up to, and ``codebook`` is empty.
    """

    integers: NDArray[np.int16]  # [O, kh, kw, I]
    codebook: NDArray[np.int16]  # [K], ascending, distinct
    scheme: str  # "focused", "shift", "int8", "additive", ...
    gapless: bool
    slot_of_channel: NDArray[np.uint8] | None = None  # [I]; None: see golden.placement
    vectors: Vectors | None = None

    @property
    def codewords(self) -> NDArray[np.int16]:
        """[M, K, d] what the codes stand for; a plain codebook is one of codewords of a single weight."""
        if self.vectors is None:
            return self.codebook[None, :, None]
        return self.vectors.codebooks.codewords


@dataclass(frozen=True)
class Conv:
    """Convolution; a fully connected layer is one whose kernel covers its whole input.

    With ``copies`` above 1 it is a 1x1 convolution whose weights [O / copies, 1, 1, I / copies] meet each
    of ``copies`` consecutive runs of input channels, which makes as many runs of output channels. The
    requantizer has an entry for each of all O output channels.
    """

    name: str
    source: str
    weights: Weights
    requantize: Requantize
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, bottom, left, right
    groups: int = 1
    residual: str | None = None
    copies: int = 1

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.copies * len(self.weights.integers)


@dataclass(frozen=True)
class Pool:
    """Max or average pooling. The average is requantized like an accumulator, over the whole window."""

    name: str
    source: str
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    requantize: Requantize | None = None  # average only; one channel, shared


@dataclass(frozen=True)
class Subsample:
    """The parameter-free shortcut of the CIFAR ResNets: every second pixel, zero channels on both sides."""

    name: str
    source: str
    stride: int
    before: int  # channels of zero (the tensor's zero point) before
    after: int


@dataclass(frozen=True)
class Concat:
    """The channels of several tensors one after another; they share a scale and a zero point."""

    name: str
    sources: tuple[str, ...]


Node = Conv | Pool | Subsample | Concat


def sources_of(node: Node) -> tuple[str, ...]:
    """Names of the tensors that a node reads."""
    if isinstance(node, Concat):
        return node.sources
    residual = node.residual if isinstance(node, Conv) else None
    return (node.source,) if residual is None else (node.source, residual)


@dataclass(frozen=True)
class Input:
    """Raw uint8 images [H, W, C], normalized to the first tensor by the requantizer's own formula."""

    name: str
    shape: tuple[int, int, int]
    requantize: Requantize  # one entry a channel


@dataclass(frozen=True)
class Network:
    """An input, nodes in an order in which they can run, and facts about where it came from.

    The last node's output is the result; its channels are the classes. ``scales`` holds the real value
    of one step of each tensor, by node name, for people: nothing is computed from it.
    """

    input: Input
    nodes: tuple[Node, ...]
    slots: int  # weight slots that the streams are coded for
    scales: dict[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    facts: dict[str, object] = field(default_factory=dict)  # source, scheme, bits, seed, float accuracy, ...

    @property
    def codebooks(self) -> tuple[Codebooks, ...]:
        """The sets of codebooks that layers name, each once, in the order of the layers."""
        named = [n.weights.vectors for n in self.nodes if isinstance(n, Conv)]
        return tuple(dict.fromkeys(vectors.codebooks for vectors in named if vectors is not None))


def zero_points(network: Network) -> dict[str, int]:
    """Zero point of every tensor, by name of the node that makes it."""
    found = {network.input.name: network.input.requantize.zero_point}
    for node in network.nodes:
        parameters = getattr(node, "requantize", None)
        found[node.name] = found[sources_of(node)[0]] if parameters is None else parameters.zero_point
    return found
