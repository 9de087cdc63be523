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
    """Rounds to the nearest integer of at most a magnitude, halves to even."""

    def __init__(self, largest: int, step: Tensor, mask: Tensor, name: str) -> None:
        super().__init__(step, mask, name, {})
        self.largest = largest

    def nearest(self, scaled: Tensor) -> Tensor:
        return scaled.round().clamp(-self.largest, self.largest)


class Int8(Scheme):
    """Uniform quantization; the largest magnitude of an output channel becomes the largest integer.

    Parameters
    ----------
    bits
        3..8. Integers are -127..127 with 8 bits: without -128 the grid is symmetric, and a lane may negate
        any weight.
    """

    name = "int8"
    help = "uniform, one step for each output channel"
    lowest_bits = 3
    highest_bits = 8

    def __init__(self, bits: int = 8) -> None:
        super().__init__(bits)

    def fit_all(self, parts: Sequence[Part], progress: Progress = quiet) -> list[Quantizer]:
        return [self._given(part) or self.fit(part.weight, part.mask, part.generator) for part in parts]

    def _given(self, part: Part) -> Quantizer | None:
        """The grid that the user's file has the weights on, where they still are on it."""
        if part.grid is None:
            return None
        highest = (1 << (self.bits - 1)) - 1
        step = part.grid.reshape(-1, 1, 1, 1).expand(len(part.weight), 1, 1, 1)
        scaled = part.weight / step
        on_grid = bool(
            ((scaled - scaled.round()).abs() < ON_GRID).all() and (scaled.abs() < highest + 0.5).all()
        )
        return UniformQuantizer(highest, step, part.mask, f"int{self.bits}") if on_grid else None

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        highest = (1 << (self.bits - 1)) - 1
        kept = torch.where(mask, weight.detach(), torch.zeros_like(weight)).float()
        largest = kept.abs().amax(dim=(1, 2, 3), keepdim=True)
        # A channel without weights has integers 0 at any step.
        step = torch.where(largest > 0, largest / highest, torch.ones_like(largest))
        return UniformQuantizer(highest, step, mask, f"int{self.bits}")
