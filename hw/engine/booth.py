"""A weight as radix-4 digits, recoded once for all lanes, and what a digit adds in a lane."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.coding.booth import digit_count
from shiftbook.golden.spec import ACTIVATION_WIDTH

LOW_DIGIT = data.StructLayout({"plus": 1, "minus": 1, "double": 1})
"""A digit of -1, 0, 1 or 2: at most one of three."""

LAST_DIGIT = data.StructLayout({"negative": 1, "single": 1, "double": 1})
"""A digit of -2 to 2: its sign, and whether its magnitude is 1 or 2; 0 is not negative."""


def digit_row(width: int) -> data.StructLayout:
    """What a slot tells all multiplier lanes in a cycle: the digits of its weight, digit k worth ``4**k``.

    ``width``: bits of the weight.
    """
    low = {f"digit{number}": LOW_DIGIT for number in range(digit_count(width) - 1)}
    return data.StructLayout({**low, "last": LAST_DIGIT})


class Recoder(wiring.Component):
    """The digits of `golden.coding.booth.digits`.

    All lanes multiply by the same weight, so that recoding it costs them nothing.

    Parameters
    ----------
    width
        Bits of a weight, an even number.

    Members
    -------
    weight : In(width)
        Signed.
    digits : Out(StructLayout)
        See `digit_row`; all bits are 0 where the weight is.

    Latency
    -------
    None.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"weight": In(width), "digits": Out(digit_row(width))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        carry: Value = Const(0, 1)
        digits = digit_count(self.width)
        for number in range(digits):
            pair = self.weight[2 * number : 2 * number + 2]
            total = Signal(3, name=f"total{number}")  # 0 to 4
            m.d.comb += total.eq(pair + carry)
            if number < digits - 1:
                digit = self.digits[f"digit{number}"]
                carry = Signal(name=f"carry{number}")
                m.d.comb += [
                    digit.plus.eq(total == 1),
                    digit.minus.eq(total == 3),
                    digit.double.eq(total == 2),
                    carry.eq(total >= 3),
                ]
        last = self.digits.last
        negative = self.weight[-1]
        m.d.comb += [  # with the sign, a total of 2, 3 or 4 is worth -2, -1 or 0
            last.negative.eq(negative & ~total[2]),
            last.single.eq(total[0]),
            last.double.eq(total[1] & ~total[0]),
        ]
        return m


def low_digits(row: data.View) -> int:
    """Digits of a row below its last one."""
    return len(row.shape().members) - 1


def multiples(pixel: Value, row: data.View) -> list[Value]:
    """What each digit of a weight adds in a lane.

    A negative digit adds the complement ``255 - x`` in place of ``-x``: see `owed`. A lower digit takes a
    bit of its pixel, or the complement, through one multiplexer that the bit itself switches, and the bit
    below where it doubles. The last digit can double both and inverts the pixel first.
    """
    added: list[Value] = []
    last = low_digits(row)
    for number in range(last):
        digit = row[f"digit{number}"]
        single = Cat(Mux(bit, digit.plus, digit.minus) for bit in pixel)
        added.append(_placed(number, single, gated(pixel, digit.double)))
    value = pixel ^ row.last.negative.replicate(ACTIVATION_WIDTH)
    added.append(_placed(last, gated(value, row.last.single), gated(value, row.last.double)))
    return added


def owed(row: data.View) -> Value:
    """Sum of the powers of two that negative digits multiply: each left 255 times as much in every lane."""
    bits: list[Value] = []
    for number in range(low_digits(row)):
        bits += [row[f"digit{number}"].minus, Const(0, 1)]
    return Cat(*bits, row.last.negative & row.last.single, row.last.negative & row.last.double)


def _placed(number: int, single: Value, double: Value) -> Value:
    """Digit ``number`` times a pixel; one of the two is 0."""
    return Cat(Const(0, 2 * number), Cat(single, Const(0, 1)) | Cat(Const(0, 1), double))


def gated(value: Value, enable: Value) -> Value:
    """Return ``value``, or 0 where not ``enable``."""
    return value & enable.replicate(len(value))
