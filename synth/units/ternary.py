"""Trained ternary weights: two masked sums, each with a learned scale. Source: arXiv 1612.01064 (TTQ)."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Value
from amaranth.lib import data

from shiftbook.synth.units.unit import Ints, Unit, fields


class Ternary(Unit):
    """``+W_p``, ``-W_n`` or 0: the inputs of either sign are added apart and scaled at the end.

    ``scales`` are W_p and -W_n.
    """

    title = "ternary (TTQ), 2 bit"
    weight = data.StructLayout({"nonzero": 1, "negative": 1})
    sums = 2
    coefficients = 2
    late = True

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        above = x & (w.nonzero & ~w.negative).replicate(8)
        below = x & (w.nonzero & w.negative).replicate(8)
        return [[above], [below]]

    def combined(self, sums: Sequence[Value]) -> Value:
        return sums[0] * self.scales[0] + sums[1] * self.scales[1]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        code = fields(w, cls.weight)
        return (x * code["nonzero"] * scales[code["negative"]]).sum(axis=-1)
