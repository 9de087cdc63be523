"""Interleaving: four tensors as the pixels of one of twice the height and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes.base import Activations, Node, Shape, shape_text

PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(dy, dx) of each source."""


@dataclass(frozen=True)
class Interleave(Node):
    """Pixel (2 y + dy, 2 x + dx) is pixel (y, x) of source ``2 dy + dx``.

    It is what up-sampling by 2 ends with. Nearest: all four sources are one tensor. A transposed
    convolution of stride 2: each is a convolution with every second row and column of the kernel. Pixel
    shuffle: each is a quarter of the channels. Sources share a scale and a zero point. Where the height is
    odd the lower two have a row less, and where the width is odd the right two a column less.
    """

    sources: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.sources

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        if len(set(zero_points)) > 1:
            raise ShiftbookError(
                f"layer {self.name}: interleaves tensors of zero points {list(zero_points)}: they must agree"
            )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs) != len(PHASES):
            raise ShiftbookError(
                f"layer {self.name}: interleaves {len(inputs)} tensors: there must be {len(PHASES)}"
            )
        (rows, cols, channels), (lower, right, _) = inputs[0], inputs[3]
        wanted = [((rows, lower)[dy], (cols, right)[dx], channels) for dy, dx in PHASES]
        if list(inputs) != wanted or not (0 <= rows - lower <= 1 and 0 <= cols - right <= 1):
            raise ShiftbookError(
                f"layer {self.name}: interleaves tensors of {', '.join(map(shape_text, inputs))}: they must "
                "agree, but for a row less in the lower two and a column less in the right two"
            )
        return rows + lower, cols + right, channels

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        result = np.empty((len(inputs[0]), *self.shape([each.shape[1:] for each in inputs])), np.uint8)
        for (dy, dx), source in zip(PHASES, inputs, strict=True):
            result[:, dy::2, dx::2] = source
        return result
