"""Uniform weights, symmetric, with one step for each output channel; with 8 bits the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from shiftbook.frontend.schemes.base import Part, Quantizer, Scheme
from shiftbook.golden.progress import Progress, quiet

ON_GRID = 1e-3
"""Steps that float32 may have moved a weight by."""


class UniformQuantizer(Quantizer):
    """Rounds to the nearest integer between two ends, halves to even."""

    def __init__(self, ends: tuple[int, int], step: Tensor, mask: Tensor, name: str) -> None:
        super().__init__(step, mask, name, {})
        self.ends = ends

    def nearest(self, scaled: Tensor) -> Tensor:
        return scaled.round().clamp(*self.ends)


class Int8(Scheme):
    """Uniform quantization; the largest magnitude of an output channel becomes the largest integer.

    Parameters
    ----------
    bits
        3..8. Integers are -127..127 with 8 bits: without -128 the grid is symmetric, and a lane may negate
        any weight. Weights that the user's file has quantized keep their own grid.
    """

    name = "int8"
    help = "uniform, one step for each output channel"
    lowest_bits = 3
    highest_bits = 8

    def __init__(self, bits: int = 8) -> None:
        super().__init__(bits)

    def values(self) -> frozenset[int]:
        highest = (1 << (self.bits - 1)) - 1
        return frozenset(range(-highest, highest + 1))

    def fit_all(self, parts: Sequence[Part], progress: Progress = quiet) -> list[Quantizer]:
        return [self._given(part) or self.fit(part.weight, part.mask, part.generator) for part in parts]

    def _given(self, part: Part) -> Quantizer | None:
        """The grid that the user's file has the weights on, where they still are on it.

        The file may have -128 in it, which stays where no batch norm turns the sign.
        """
        if part.grid is None:
            return None
        highest = (1 << (self.bits - 1)) - 1
        step = part.grid.reshape(-1, 1, 1, 1).expand(len(part.weight), 1, 1, 1)
        scaled = part.weight / step
        near, inside = (scaled - scaled.round()).abs() < ON_GRID, (scaled + 0.5).abs() < highest + 1
        if not bool((near & inside).all()):
            return None
        turned = part.sign is not None and bool((part.sign < 0).any())
        ends = (-highest - (not turned), highest)
        return UniformQuantizer(ends, step, part.mask, f"int{self.bits}")

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        highest = (1 << (self.bits - 1)) - 1
        kept = torch.where(mask, weight.detach(), torch.zeros_like(weight)).float()
        largest = kept.abs().amax(dim=(1, 2, 3), keepdim=True)
        # A channel without weights has integers 0 at any step.
        step = torch.where(largest > 0, largest / highest, torch.ones_like(largest))
        return UniformQuantizer((-highest, highest), step, mask, f"int{self.bits}")
