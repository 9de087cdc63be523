"""The shortcut without parameters of the CIFAR ResNets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes.base import Activations, Node, Shape


@dataclass(frozen=True)
class Subsample(Node):
    """Every ``stride``-th pixel, with zero channels on both sides."""

    source: str
    stride: int
    before: int  # channels of zero (the tensor's zero point) before
    after: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width, channels = inputs[0]
        if self.stride < 1 or min(self.before, self.after) < 0:
            raise ShiftbookError(
                f"layer {self.name}: stride must be at least 1 and added channels at least 0, not "
                f"{(self.stride, self.before, self.after)}"
            )
        return -(-height // self.stride), -(-width // self.stride), self.before + channels + self.after

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        kept = inputs[0][:, :: self.stride, :: self.stride]
        widths = ((0, 0), (0, 0), (0, 0), (self.before, self.after))
        return np.pad(kept, widths, constant_values=zero_points[0])
