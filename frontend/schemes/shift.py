"""Powers of two: a weight is ``s * 2^e * step`` with s in {-1, 0, 1}."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from shiftbook.frontend.schemes.base import LevelQuantizer, Quantizer, Scheme, best_scale

HIGHEST_EXPONENT = 6
"""Weights are int8 and the grid is symmetric: 2^7 would not fit, so 5 bits leave one exponent unused."""


def shift_levels(exponents: int) -> Tensor:
    """Return 0 and +-2^e for e in 0..exponents-1, ascending, float32 [2 * exponents + 1]."""
    powers = 2.0 ** torch.arange(exponents)
    return torch.cat([-powers.flip(0), torch.zeros(1), powers])


def shift_bias(values: Tensor, bits: int, exponents: int) -> int:
    """Return the bias b of the grid ``2^(e - b)``, e in 0..exponents-1.

    It is the finest grid for which at most ``1 / (2^bits + 1)`` of the values lie beyond the largest
    level ``2^(exponents - 1 - b)``; those clip.

    Parameters
    ----------
    values
        float [N], N >= 1.
    bits
        Bits of a code, which set the share that may overflow.
    exponents
        Levels of each sign.

    Source: arXiv 1903.03046, section 3.
    """
    magnitudes = values.detach().abs().double().flatten().sort().values
    allowed = math.floor(magnitudes.numel() / (2**bits + 1))
    largest = float(magnitudes[magnitudes.numel() - 1 - allowed])
    if largest == 0:
        return 0
    return exponents - 1 - math.ceil(math.log2(largest))


class Shift(Scheme):
    """n-bit shift: sign, zero flag and n-2 bits of exponent.

    Parameters
    ----------
    bits
        3..8. Exponents run over 0..2^(bits-2)-1, and never beyond 6.
    """

    name = "shift"
    help = "powers of two"
    lowest_bits = 3
    highest_bits = 8

    @property
    def exponents(self) -> int:
        """Number of exponents, from 0 up."""
        return min(2 ** (self.bits - 2), HIGHEST_EXPONENT + 1)

    def values(self) -> frozenset[int]:
        return frozenset(int(level) for level in shift_levels(self.exponents))

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        kept = weight.detach()[mask]
        bias = shift_bias(kept, self.bits, self.exponents) if kept.numel() else 0
        quantizer = LevelQuantizer(
            shift_levels(self.exponents), torch.tensor([2.0**-bias]), mask, self.name, {"bias": bias}
        )
        best_scale(weight, quantizer)
        return quantizer
