"""Which weights a vector holds, and what its codes add up to.

A slot's part of an output channel is cut into V vectors of d local positions, one after another:

- along a run: vector v holds positions v d .. v d + d - 1. The last one may reach beyond the positions.
- along taps: d is the number of taps, and vector v holds all taps of local channel v.

A position that belongs to no weight (see `golden.coding.placement`) adds nothing, whatever the codewords say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.placement import Placement, place
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Along, Vectors, Weights
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]


class Walk(NamedTuple):
    """Where the vectors of one output channel lie in a slot.

    Attributes
    ----------
    vectors
        V: vectors.
    dim
        d: weights of a vector.
    step
        Local positions from the first weight of a vector to that of the next.
    shift
        Weight j of a vector lies ``j << shift`` positions after its first.
    """

    vectors: int
    dim: int
    step: int
    shift: int

    @property
    def span(self) -> int:
        """Positions over which the vectors of an output channel are numbered."""
        return self.vectors * self.step

    @property
    def positions(self) -> Ints:
        """[V, d] the local position of every weight."""
        first = np.arange(self.vectors)[:, None] * self.step
        return first + (np.arange(self.dim) << self.shift)


def fits_taps(kernel: tuple[int, int], channels: int, dim: int, slots: int, spec: Spec) -> bool:
    """Whether vectors of ``dim`` weights can lie along the taps of a layer."""
    return kernel[0] * kernel[1] == dim and place(kernel, channels, slots, spec).mode == "channel"


def walk(placement: Placement, dim: int, along: Along) -> Walk:
    """Cut the local positions of a layer into vectors.

    Raises
    ------
    ShiftbookError
        Vectors along taps do not have one weight for each tap, or the layer is scattered over the slots.
    """
    if along == "run":
        return Walk(-(-placement.positions // dim), dim, dim, 0)
    if placement.mode != "channel" or placement.entries != dim:
        raise ShiftbookError(
            f"vectors of {dim} weights cannot lie along {placement.entries} taps ({placement.mode} placement)"
        )
    most = max(len(held) for held in placement.channels)
    return Walk(most, dim, 1, placement.channel_bits)


def sources(placement: Placement, way: Walk) -> Ints:
    """[W, V, d] the flat position ``(ky * kw + kx) * I + c`` of every weight; -1 where there is none."""
    positions = way.positions
    inside = positions < placement.positions
    found = placement.source[:, np.where(inside, positions, 0)]
    return np.where(inside, found, -1)


def integers_of(
    vectors: Vectors, shape: tuple[int, int, int, int], placement: Placement
) -> NDArray[np.int16]:
    """The weights [O, kh, kw, I] = ``shape`` that the codes add up to."""
    codewords = vectors.codebooks.codewords
    total = np.zeros((*vectors.present.shape, codewords.shape[2]), np.int16)
    for codebook, codes in zip(codewords, np.moveaxis(vectors.codes, 3, 0), strict=True):
        total += codebook[codes]
    total *= vectors.present[..., None]
    source = sources(placement, walk(placement, codewords.shape[2], vectors.along))
    flat = np.zeros((shape[0], shape[1] * shape[2] * shape[3]), np.int16)
    exists = source >= 0
    flat[:, source[exists]] = total[:, exists]
    return flat.reshape(shape)


def vector_weights(
    vectors: Vectors, shape: tuple[int, int, int, int], scheme: str, slots: int, spec: Spec
) -> Weights:
    """A layer's weights from the codes of its vectors."""
    placement = place(shape[1:3], shape[3], slots, spec)
    return Weights(
        integers=integers_of(vectors, shape, placement),
        codebook=np.zeros(0, np.int16),
        scheme=scheme,
        gapless=bool(vectors.present.all()),
        vectors=vectors,
    )
