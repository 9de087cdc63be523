"""Concatenation of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes.base import Activations, Node, Shape, shape_text


@dataclass(frozen=True)
class Concat(Node):
    """The channels of several tensors one after another; they share a scale and a zero point."""

    sources: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.sources

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        if len(set(zero_points)) > 1:
            raise ShiftbookError(
                f"layer {self.name}: joins tensors of zero points {list(zero_points)}: they must agree"
            )

    def shape(self, inputs: Sequence[Shape]) -> Shape:
        if not inputs:
            raise ShiftbookError(f"layer {self.name}: joins no tensor: sources must be earlier layers")
        sizes = {shape[:2] for shape in inputs}
        if len(sizes) > 1:
            raise ShiftbookError(
                f"layer {self.name}: joins tensors of {' and '.join(map(shape_text, inputs))}: "
                "their heights and widths must agree"
            )
        return *sizes.pop(), sum(shape[2] for shape in inputs)

    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        return np.concatenate(inputs, axis=3)
