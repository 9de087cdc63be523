"""Integer weights: a multiplier for each input."""

from __future__ import annotations

from amaranth import Value, signed

from shiftbook.golden.coding import bits
from shiftbook.synth.units.unit import Ints, Unit


class Int8(Unit):
    """8-bit signed weights, the baseline; Yosys takes the better of two multipliers.

    Members are those of `Unit`.
    """

    title = "int8"
    weight = signed(8)

    @staticmethod
    def addends(x: Value, w: Value) -> list[list[Value]]:
        return [[x * w]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        return (x * bits.signed(w, cls.weight.width)).sum(axis=-1)


class Int4(Int8):
    """4-bit signed weights."""

    title = "int4"
    weight = signed(4)
