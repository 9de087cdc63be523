"""Sums of binary bases: weights and activations are planes of bits, every pair of planes has a count.

Sources: arXiv 1807.10029 (LQ-Net), arXiv 1711.11294 (ABC-Net).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth import Value, unsigned

from shiftbook.hw.engine.lane import add_up
from shiftbook.synth.units.unit import Ints, Unit


class LqNet(Unit):
    """2-bit weights times 2-bit activations: four counts of ANDs, each times a learned coefficient.

    ``scales[2 i + j]`` is the product of the weights' basis i and the activations' basis j. Digits are 0 and
    1. The digits -1 and 1 of the paper's weights are these, twice, and a multiple of the sum of the pixel's
    activations taken away, which all output channels share; that sum is not counted.
    """

    title = "LQ-Net, 2 x 2 bit"
    activation = unsigned(2)
    weight = unsigned(2)
    sums = 4
    coefficients = 4
    group = 30

    @staticmethod
    def addends(x: Value, w: Value) -> list[list[Value]]:
        return [[weight & plane] for weight in w for plane in x]

    def combined(self, sums: Sequence[Value]) -> Value:
        return add_up([count * scale for count, scale in zip(sums, self.scales, strict=True)])

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        weights, planes = bits_of(w, cls.weight.width), bits_of(x, cls.activation.width)
        return np.einsum("k...n,j...n,kj->...", weights, planes, scales.reshape(len(weights), len(planes)))


class AbcNet(Unit):
    """Five binary bases of the weights times five of the activations: 25 counts of XNORs, each scaled.

    A bit says 1, or -1 where it is 0. ``scales[5 i + j]`` is the product of the coefficients of the weights'
    basis i and the activations' basis j.
    """

    title = "ABC-Net, 5 x 5 bases"
    activation = unsigned(5)
    weight = unsigned(5)
    sums = 25
    coefficients = 25
    group = 30

    @staticmethod
    def addends(x: Value, w: Value) -> list[list[Value]]:
        return [[~(weight ^ plane)] for weight in w for plane in x]

    def combined(self, sums: Sequence[Value]) -> Value:
        """A count of k among N is a sum of 2 k - N."""
        return add_up(
            [((count << 1) - self.inputs) * scale for count, scale in zip(sums, self.scales, strict=True)]
        )

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        weights, planes = 2 * bits_of(w, cls.weight.width) - 1, 2 * bits_of(x, cls.activation.width) - 1
        return np.einsum("k...n,j...n,kj->...", weights, planes, scales.reshape(len(weights), len(planes)))


def bits_of(words: Ints, width: int) -> Ints:
    """The bits [width, ...] of words [...], the lowest first."""
    return np.stack([words >> bit & 1 for bit in range(width)])
