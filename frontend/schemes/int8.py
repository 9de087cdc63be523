"""Uniform 8-bit weights, symmetric, with one step for each output channel: the baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from frontend.schemes.base import Quantizer, Scheme

LARGEST = 127
"""The grid is -127..127: without -128 it is symmetric, and a lane may negate any weight."""


class Int8Quantizer(Quantizer):
    """Rounds to the nearest integer in -127..127, halves to even."""

    def nearest(self, scaled: Tensor) -> Tensor:
        return scaled.round().clamp(-LARGEST, LARGEST)


class Int8(Scheme):
    """Uniform quantization; the largest magnitude of an output channel becomes 127.

    Parameters
    ----------
    bits
        Accepted so that every scheme is made alike; the grid has 8 bits whatever it says.
    """

    name = "int8"
    lowest_bits = 1
    highest_bits = 8

    def __init__(self, bits: int = 8) -> None:
        super().__init__(bits)
        self.bits = 8

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        kept = torch.where(mask, weight.detach(), torch.zeros_like(weight)).float()
        largest = kept.abs().amax(dim=(1, 2, 3), keepdim=True)
        # A channel without weights has integers 0 at any step.
        step = torch.where(largest > 0, largest / LARGEST, torch.ones_like(largest))
        return Int8Quantizer(step, mask, self.name, {})
