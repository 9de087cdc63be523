"""Powers of two: a shifter for each input."""

from __future__ import annotations

from amaranth import Cat, Value
from amaranth.lib import data

from shiftbook.synth.units.unit import Ints, Unit, fields


class Shift(Unit):
    """``+-2^e`` or 0, e in 0..7: 5-bit weights.

    A negative term adds ``~(x << e)`` and a 1; its sign bit is added inverted, which makes it positive.
    """

    title = "shift, 5 bit: sign, zero, e 0..7"
    weight = data.StructLayout({"nonzero": 1, "negative": 1, "exponent": 3})
    offset = 1 << 15

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        return [signed_term(x & w.nonzero.replicate(8), w.negative, w.exponent)]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        return (x * power(fields(w, cls.weight))).sum(axis=-1)


class Shift4(Shift):
    """``+-2^e`` or 0, e in 0..3: the shift part of a 5-bit focused weight, alone."""

    title = "shift, 4 bit: sign, zero, e 0..3"
    weight = data.StructLayout({"nonzero": 1, "negative": 1, "exponent": 2})
    offset = 1 << 11


class Shift3(Unit):
    """``2^e`` or 0, e in 0..3, without sign: the 3 bits of a focused weight that the shifter gets."""

    title = "shift, 3 bit unsigned: zero, e 0..3"
    weight = data.StructLayout({"nonzero": 1, "exponent": 2})

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        return [[(x & w.nonzero.replicate(8)) << w.exponent]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        return (x * power(fields(w, cls.weight))).sum(axis=-1)


def signed_term(x: Value, negative: Value, exponent: Value) -> list[Value]:
    """Two addends: ``+-(x << exponent)``, too large by ``2**(8 + 2**len(exponent) - 1)``, as in `Shift`."""
    shifted = x << exponent
    return [Cat(shifted ^ negative.replicate(len(shifted)), ~negative), negative]


def power(code: dict[str, Ints]) -> Ints:
    """The weights that fields ``nonzero``, ``exponent`` and, where there is one, ``negative`` say."""
    return code["nonzero"] * (1 - 2 * code.get("negative", 0)) << code["exponent"]
