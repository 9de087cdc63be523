"""Every channel, or every pixel, times a number that is computed from the image: squeeze-and-excite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.checks import check_requantize
from shiftbook.golden.model.integer import requantize
from shiftbook.golden.model.nodes.base import Activations, Node, Shape, shape_text
from shiftbook.golden.model.weights import Requantize


@dataclass(frozen=True)
class Gate(Node):
    """``requantize(source)`` whose multipliers are a tensor ``gate``: [1, 1, C], or of the source's shape.

    Zero points of gates are 0: a multiplier is unsigned.
    """

    source: str
    gate: str
    requantize: Requantize  # one channel, shared; its multiplier is 1, in whose place the gates are

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.source, self.gate

    def role(self, number: int) -> str:
        return ("source", "gate")[number]

    @property
    def requantizer(self) -> Requantize:
        return self.requantize

    def zero_point(self, inputs: Sequence[int]) -> int:
        return self.requantize.output_zero_point

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        check_requantize(self.name, self.requantize, 1, residual=False)
        if self.requantize.multiplier[0] != 1:
            raise ShiftbookError(
                f"layer {self.name}: the multiplier of a gate's requantizer must be 1, not "
                f"{self.requantize.multiplier[0]}"
            )
        if zero_points[1] != 0:
            raise ShiftbookError(
                f"layer {self.name}: the zero point of its gate {self.gate} must be 0, not {zero_points[1]}"
            )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        source, gate = inputs
        if gate not in ((1, 1, source[2]), source):
            raise ShiftbookError(
                f"layer {self.name}: its gate {self.gate} must be 1x1x{source[2]}, for the channels of its "
                f"source, or {shape_text(source)}, for its pixels, not {shape_text(gate)}"
            )
        return source

    def spend(self, budget: Budget, inputs: Sequence[Shape], output: Shape) -> None:
        super().spend(budget, inputs, output)
        budget.operations(self.name, prod(output))

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        """Image by image, because each has gates of its own; pixels with gates are as many channels."""
        source, gates = inputs
        result = np.empty_like(source)
        for number, (image, gate) in enumerate(zip(source, gates, strict=True)):
            own = gated(self.requantize, gate.reshape(-1))
            result[number] = requantize(image.reshape(-1, gate.size), own).reshape(image.shape)
        return result


def gated(shared: Requantize, multiplier: Activations) -> Requantize:
    """The requantizer with a multiplier [C] for each channel."""
    bias, shift = (np.repeat(values, len(multiplier)) for values in (shared.bias, shared.shift))
    return replace(shared, bias=bias, multiplier=multiplier.astype(np.int64), shift=shift)
