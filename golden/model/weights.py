"""Weights as integers with the codes that stand for them, and requantizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.model.function_table import FunctionTable

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Requantize:
    """Per output channel, from an accumulator to an 8-bit activation.

    ``y = clamp(zero_point + floor((acc + bias) * multiplier / 2^shift + r + 1/2), low, high)``, in exact
    arithmetic, with ``r = (residual - residual_zero_point) * residual_multiplier / 2^FRACTION`` where a layer
    adds one (`golden.spec.FRACTION`), else 0. Halves therefore round up, towards plus infinity. Where there
    is a ``function``, the activation is ``function(y)`` instead of y.
    """

    bias: Integers  # [O]
    multiplier: Integers  # [O], unsigned
    shift: Integers  # [O]
    zero_point: int = 0
    low: int = 0
    high: int = 255
    residual_multiplier: int | None = None  # one for all channels, unsigned
    function: FunctionTable | None = None

    @property
    def output_zero_point(self) -> int:
        """Zero point of the activations; ``zero_point`` is that of y."""
        return self.zero_point if self.function is None else self.function.zero_point


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
    slot_of_channel: NDArray[np.uint8] | None = None  # [I]; None: see golden.coding.placement
    vectors: Vectors | None = None

    @property
    def codewords(self) -> NDArray[np.int16]:
        """[M, K, d] what the codes stand for; a plain codebook is one of codewords of a single weight."""
        if self.vectors is None:
            return self.codebook[None, :, None]
        return self.vectors.codebooks.codewords
