"""Integer weights: a multiplier for each input, told the digits of its weight."""

from __future__ import annotations

import numpy as np
from amaranth import Cat, Const, Value
from amaranth.lib import data

from shiftbook.golden.spec import ACTIVATION_WIDTH
from shiftbook.hw.engine.booth import digit_row, multiples, owed
from shiftbook.synth.units.unit import Ints, Unit


def owing(width: int) -> int:
    """Bits of what negative digits of a weight of so many bits owe that are not always 0."""
    return sum(1 << place for place in range(0, width, 2)) | 1 << (width - 1)


class Int8(Unit):
    """8-bit signed weights, the baseline.

    A weight goes to the multipliers of all pixels and is recoded once for them (`hw.engine.booth.Recoder`).
    A negative digit adds ``255 - x`` in place of ``-x`` and owes 255 of its powers of two: the power itself
    is added, and 256 times it taken away, which its inverted bits do, less a constant.

    Members are those of `Unit`.
    """

    title = "int8"
    weight = digit_row(8)
    offset = owing(8) << ACTIVATION_WIDTH

    @classmethod
    def addends(cls, x: Value, w: data.View) -> list[list[Value]]:
        debt = owed(w)
        taken = Cat(~bit if owing(len(debt)) >> place & 1 else bit for place, bit in enumerate(debt))
        return [[*multiples(x, w), Cat(debt, Const(0, ACTIVATION_WIDTH - len(debt)), taken)]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        total = np.zeros_like(x)
        places = len(cls.weight.members)
        for place, (_, field) in enumerate(cls.weight):
            first, second, double = (w >> field.offset + bit & 1 for bit in range(3))
            if place < places - 1:  # plus, minus, double
                pixel, single = x, np.where(first == 1, x, 0) | np.where(second == 1, 255 - x, 0)
                debt = second
            else:  # negative, single, double
                pixel = np.where(first == 1, 255 - x, x)
                single, debt = second * pixel, first * (second + 2 * double)
            total += ((single | (double * pixel) << 1) - 255 * debt) << 2 * place
        return total.sum(axis=-1)


class Int4(Int8):
    """4-bit signed weights."""

    title = "int4"
    weight = digit_row(4)
    offset = owing(4) << ACTIVATION_WIDTH
