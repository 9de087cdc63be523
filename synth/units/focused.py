"""Focused weights: a shift term around a mean of +-2^4. Source: arXiv 1903.03046."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth import Cat, Value
from amaranth.lib import data

from shiftbook.synth.units.shift import Shift4, power, signed_term
from shiftbook.synth.units.unit import Ints, Unit, fields

MEAN = 4
"""Exponent of the components' means, as in the project's 5-bit focused scheme."""


class Focused(Unit):
    """``c * (2^4 + s * 2^e)``, c and s in -1, 1, e in 0..3; the shift part, or all of it, may be 0.

    The mean is a second term of the same sum. ``kept`` is 0 where a weight was pruned and comes on top of
    the 5 bits.
    """

    title = "focused, 5 bit: mean as a second term"
    weight = data.StructLayout({"nonzero": 1, "negative": 1, "exponent": 2, "component": 1, "kept": 1})
    offset = (1 << 11) + (1 << 8 + MEAN)

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        kept = x & w.kept.replicate(8)
        mean = Cat(kept ^ w.component.replicate(8), ~w.component) << MEAN
        part = signed_term(kept & w.nonzero.replicate(8), w.component ^ w.negative, w.exponent)
        return [[mean, w.component << MEAN, *part]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        code = fields(w, cls.weight)
        sign = 1 - 2 * code["component"]
        return (x * code["kept"] * sign * ((1 << MEAN) + power(code))).sum(axis=-1)


class FocusedSums(Unit):
    """``c * 2^4 + s * 2^e`` in three sums: of shift terms, and of the inputs where c is 1 and where it is -1.

    The means come in at the end. Fields are those of `Focused`, but ``negative`` is the sign of the shift
    part itself.
    """

    title = "focused, 5 bit: mean as two masked sums"
    weight = Focused.weight
    offset = Shift4.offset
    sums = 3
    late = True

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        part = signed_term(x & (w.kept & w.nonzero).replicate(8), w.negative, w.exponent)
        below = x & (w.kept & w.component).replicate(8)
        above = x & (w.kept & ~w.component).replicate(8)
        return [part, [above], [below]]

    def combined(self, sums: Sequence[Value]) -> Value:
        part, above, below = sums
        return part + ((above - below) << MEAN)

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        code = fields(w, cls.weight)
        mean = (1 - 2 * code["component"]) << MEAN
        return (x * code["kept"] * (mean + power(code))).sum(axis=-1)
