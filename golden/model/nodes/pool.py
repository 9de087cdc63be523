"""Maximum and average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.checks import check_requantize
from shiftbook.golden.model.integer import (
    LARGEST_ACTIVATION,
    MAX_ACCUMULATOR_WIDTH,
    output_size,
    pad,
    requantize,
)
from shiftbook.golden.model.nodes.base import Activations, Node, Shape
from shiftbook.golden.model.nodes.window import spend_padding, window_positions
from shiftbook.golden.model.weights import Requantize

MAX_WINDOW = (1 << MAX_ACCUMULATOR_WIDTH - 1) // (LARGEST_ACTIVATION + 1)
"""Pixels of an average's window: their sum fits the accumulator."""


@dataclass(frozen=True)
class Pool(Node):
    """Max or average pooling. The average is requantized like an accumulator, over the whole window.

    A maximum never comes from the padding; an average counts padded pixels as zero points.
    """

    source: str
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    requantize: Requantize | None = None  # average only; one channel, shared

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    @property
    def requantizer(self) -> Requantize | None:
        return self.requantize

    def zero_point(self, inputs: Sequence[int]) -> int:
        return inputs[0] if self.requantize is None else self.requantize.output_zero_point

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        if (self.requantize is not None) != (self.kind == "average"):
            raise ShiftbookError(f"layer {self.name}: average pooling, and only it, needs a requantizer")
        if self.requantize is None:
            return
        check_requantize(self.name, self.requantize, 1, residual=False)
        if prod(self.kernel) > MAX_WINDOW:
            raise ShiftbookError(
                f"layer {self.name}: an average over {prod(self.kernel)} pixels can exceed "
                f"{MAX_ACCUMULATOR_WIDTH} accumulator bits: the window must have at most {MAX_WINDOW}"
            )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        rows, cols = self.kernel
        most = max(self.padding[:2]), max(self.padding[2:])
        if min(self.kernel) < 1 or (self.kind == "max" and (most[0] >= rows or most[1] >= cols)):
            raise ShiftbookError(
                f"layer {self.name}: window {self.kernel} must exceed its padding {self.padding}"
            )
        positions = window_positions(self.name, inputs[0], self.kernel, self.stride, self.padding)
        return *positions, inputs[0][2]

    def spend(self, budget: Budget, inputs: Sequence[Shape], output: Shape) -> None:
        super().spend(budget, inputs, output)
        spend_padding(self.name, budget, inputs[0], self.padding)
        budget.operations(self.name, prod(output) * prod(self.kernel))

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        average = self.requantize is not None
        images = inputs[0]
        padded = pad(images, self.padding, zero_points[0] if average else 0, np.uint8)
        rows, cols = output_size(images.shape[1], images.shape[2], self.kernel, self.stride, self.padding)
        result = np.zeros((len(images), rows, cols, images.shape[3]), np.int32 if average else np.uint8)
        combine = np.add if average else np.maximum
        if rows * cols < prod(self.kernel):  # few large windows: pixel by pixel
            for y, x in np.ndindex(rows, cols):
                top, left = y * self.stride[0], x * self.stride[1]
                window = padded[:, top : top + self.kernel[0], left : left + self.kernel[1]]
                combine.reduce(window, axis=(1, 2), dtype=result.dtype, out=result[:, y, x])
        else:  # many small ones: tap by tap
            for ky, kx in np.ndindex(self.kernel):
                last = ky + (rows - 1) * self.stride[0] + 1, kx + (cols - 1) * self.stride[1] + 1
                shifted = padded[:, ky : last[0] : self.stride[0], kx : last[1] : self.stride[1]]
                combine(result, shifted, out=result)
        if self.requantize is None:
            return result.astype(np.uint8, copy=False)
        return requantize(result, self.requantize)
