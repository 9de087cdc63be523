"""A layer's weights as vectors, and back: the order in which the engine's slots walk them."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftbook.golden.coding.placement import place
from shiftbook.golden.coding.vectors import fits_taps, sources, walk
from shiftbook.golden.model.weights import Along
from shiftbook.golden.spec import Spec


class Layout:
    """Which weight of a layer is which element of which vector.

    Parameters
    ----------
    kernel, channels
        (kh, kw), and input channels I of one group.
    dim
        d: weights of a vector.
    spec
        Its slots W, and what bounds the placement of positions.

    Members
    -------
    along : "taps" where a vector is all taps of one channel (d = kh * kw), else "run"
    shape : (W, V, d)
    exists : bool [W, V, d], false where a vector reaches beyond the layer's weights
    """

    def __init__(self, kernel: tuple[int, int], channels: int, dim: int, spec: Spec) -> None:
        self.kernel, self.channels = kernel, channels
        placement = place(kernel, channels, spec.slots, spec)
        self.along: Along = "taps" if fits_taps(kernel, channels, dim, spec.slots, spec) else "run"
        way = walk(placement, dim, self.along)
        self.shape = (spec.slots, way.vectors, dim)
        source = torch.from_numpy(sources(placement, way)).flatten()
        self.exists = (source >= 0).reshape(self.shape)
        self._source = source.clamp(min=0)
        there = (source >= 0).nonzero().flatten()
        self._place = torch.empty(kernel[0] * kernel[1] * channels, dtype=torch.int64)
        self._place[source[there]] = there

    @staticmethod
    def fits(kernel: tuple[int, int], channels: int, dim: int, spec: Spec) -> bool:
        """Tell whether a slot has as many positions as a vector has weights."""
        return place(kernel, channels, spec.slots, spec).positions >= dim

    @staticmethod
    def fits_taps(kernel: tuple[int, int], channels: int, dim: int, spec: Spec) -> bool:
        """Tell whether a vector has one weight for each tap of a channel."""
        return fits_taps(kernel, channels, dim, spec.slots, spec)

    def gather(self, kernel: Tensor) -> Tensor:
        """Return the vectors [O, W, V, d] of weights [O, I, kh, kw]; 0 where there is no weight."""
        flat = kernel.permute(0, 2, 3, 1).flatten(1)
        vectors = flat[:, self._source].reshape(len(flat), *self.shape)
        return torch.where(self.exists, vectors, torch.zeros_like(vectors))

    def scatter(self, vectors: Tensor) -> Tensor:
        """Return the weights [O, I, kh, kw] of vectors [O, W, V, d]."""
        flat = vectors.flatten(1).index_select(1, self._place)
        return flat.reshape(len(flat), *self.kernel, self.channels).permute(0, 3, 1, 2)
