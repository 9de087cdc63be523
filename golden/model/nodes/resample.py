"""Resampling: every line of the output is a weighted sum of lines of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.integer import MAX_ACCUMULATOR_WIDTH, MAX_SHIFT, requantize
from shiftbook.golden.model.nodes.base import Activations, Node, Shape
from shiftbook.golden.model.weights import Requantize

Axis = Literal["rows", "columns"]

AXES: tuple[Axis, Axis] = ("rows", "columns")

MAX_TAPS = (1 << MAX_ACCUMULATOR_WIDTH - 16) - 1
"""Lines of the input in a sum: 255 times -128 times as many fit the accumulator."""


@dataclass(frozen=True, eq=False)
class Resample(Node):
    """Line y is the sum of ``weights[y, k] / 2^shift`` times line ``first[y] + k`` of the source.

    Lines are rows, or columns. All channels have the same weights, which depend on the place: so
    interpolation to any size, pixels that are repeated or left out, zeros between pixels, and averages over
    windows of several sizes are this node along one axis after the other. Scale and zero point are the
    source's.
    """

    source: str
    axis: Axis
    first: NDArray[np.int64]  # [L]
    weights: NDArray[np.int16]  # [L, K], -128..127
    shift: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        if self.axis not in AXES:
            raise ShiftbookError(f"layer {self.name}: axis must be rows or columns, not {self.axis!r}")
        lines, taps = self.weights.shape
        if len(self.first) != lines or not lines or not 0 < taps <= MAX_TAPS:
            raise ShiftbookError(
                f"layer {self.name}: {lines} x {taps} weights do not fit {len(self.first)} lines, or are "
                f"more than {MAX_TAPS} a line"
            )
        if self.weights.min() < -128 or self.weights.max() > 127:
            raise ShiftbookError(f"layer {self.name}: weights must be in -128..127")
        if not 0 <= self.shift <= MAX_SHIFT:
            raise ShiftbookError(f"layer {self.name}: shift must be in 0..{MAX_SHIFT}, not {self.shift}")

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width, channels = inputs[0]
        length = height if self.axis == "rows" else width
        last = int(self.first.max(initial=0)) + self.weights.shape[1]
        if self.first.min(initial=0) < 0 or last > length:
            raise ShiftbookError(
                f"layer {self.name}: takes {self.axis} {int(self.first.min(initial=0))}..{last - 1} of its "
                f"source, which has {length}"
            )
        lines = len(self.first)
        return (lines, width, channels) if self.axis == "rows" else (height, lines, channels)

    def spend(self, budget: Budget, inputs: Sequence[Shape], output: Shape) -> None:
        super().spend(budget, inputs, output)
        budget.weights(self.name, self.weights.size)
        budget.operations(self.name, prod(output) * self.weights.shape[1])

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        """Tap by tap, with the lines as the last axis."""
        place = 1 if self.axis == "rows" else 2
        source = np.moveaxis(inputs[0], place, 3)
        sums = np.zeros((*source.shape[:3], len(self.first)), np.int32)
        for tap, weight in enumerate(self.weights.T.astype(np.int32)):
            sums += source[..., self.first + tap] * weight
        return np.ascontiguousarray(np.moveaxis(requantize(sums, self.requantize(zero_points[0])), 3, place))

    def requantize(self, zero_point: int) -> Requantize:
        """What makes activations of the sums, an entry for each line."""
        lines = len(self.first)
        return Requantize(
            bias=-zero_point * self.weights.sum(axis=1, dtype=np.int64),
            multiplier=np.ones(lines, np.int64),
            shift=np.full(lines, self.shift),
            zero_point=zero_point,
        )

    def matrix(self, length: int) -> NDArray[np.int16]:
        """[L, length] all weights, for a source of so many lines."""
        result = np.zeros((len(self.first), length), np.int16)
        places = self.first[:, None] + np.arange(self.weights.shape[1])
        np.put_along_axis(result, places, self.weights, axis=1)
        return result
