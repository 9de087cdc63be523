"""Lanes: one output pixel, W pixels and W codebook rows a cycle into one accumulator."""

from __future__ import annotations

from abc import ABC, abstractmethod

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
from shiftbook.hw.engine.booth import gated, multiples
from shiftbook.hw.engine.layouts import lane_row

MOST_ADDENDS = 4
"""The most that a lane adds up to one number in a cycle; with more of them two numbers are as fast."""


class Lane(wiring.Component, ABC):
    """Accumulator and shadow register, the same for both kinds of lane.

    What is negative is added as a complement, ``255 - x`` in place of ``-x``. The 255 too much is the same
    for all lanes: the `hw.engine.correction.Correction` takes it off once, so that no lane needs a sign, its
    extension or the one that completes a two's complement.

    Parameters
    ----------
    spec
        Slots, terms, widths.

    Members
    -------
    pixels : In(ArrayLayout)
        One activation from each slot.
    rows : In(ArrayLayout)
        What each slot adds, see `hw.engine.layouts.lane_row`; a term that is not enabled is not negative (see
        `hw.engine.lookup`).
    start : In(1)
        The rows of the cycle before are the first of an output channel.
    fold : In(1)
        The rows of the cycle before add a pixel to what is left of the accumulator, from which the cycle
        before took it away, if that is positive, and else to nothing: the larger of the two stays. Then the
        accumulator is not below 0 and not above 255.
    above : In(accumulator_width)
        Shadow register of the next lane in the drain order.
    shadow : Out(accumulator_width)
        In the cycle after ``start`` the finished accumulator, then what ``above`` was a cycle before.

    Latency
    -------
    A row is in the accumulator two cycles later: one cycle adds up what it adds, of all slots, the next one
    adds that to the accumulator.

    Numeric range
    -------------
    Modulo ``2**accumulator_width``: right whenever the final sum fits, whatever the sums before it.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "pixels": In(data.ArrayLayout(ACTIVATION_WIDTH, spec.slots)),
                "rows": In(data.ArrayLayout(lane_row(spec), spec.slots)),
                "start": In(1),
                "fold": In(1),
                "above": In(spec.accumulator_width),
                "shadow": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        accumulator = Signal(self.spec.accumulator_width, reset_less=True)
        shadow = Signal(self.spec.accumulator_width, reset_less=True)
        m.d.sync += [
            accumulator.eq(sum(self._sums(m), self.kept(accumulator))),
            shadow.eq(Mux(self.start, accumulator, self.above)),
        ]
        m.d.comb += self.shadow.eq(shadow)
        return m

    def _sums(self, m: Module) -> list[Value]:
        """What the rows of the cycle before add: one number, or two where adding up to one takes too long."""
        addends = self.addends()
        half = len(addends) if len(addends) <= MOST_ADDENDS else (len(addends) + 1) // 2
        sums: list[Value] = []
        for number, part in enumerate(filter(len, (addends[:half], addends[half:]))):
            total = add_up(part)
            width = min(len(total), self.spec.accumulator_width)
            added = Signal(width, name=f"added_{number}", reset_less=True)
            m.d.sync += added.eq(total)
            sums.append(added)
        return sums

    @abstractmethod
    def addends(self) -> list[Value]:
        """What this cycle's rows add to the accumulator."""

    def kept(self, accumulator: Value) -> Value:
        """What this cycle leaves of the accumulator.

        Before a fold the accumulator a has become a + 255 - x, which is above 255 if a > x.
        """
        low, high = accumulator[:ACTIVATION_WIDTH], accumulator[ACTIVATION_WIDTH:]
        larger = accumulator[ACTIVATION_WIDTH]
        gone = self.start | (self.fold & ~larger)
        rest = Cat(low & ~gone.replicate(len(low)), high & ~(self.start | self.fold).replicate(len(high)))
        return rest + (self.fold & larger)


class ShiftLane(Lane):
    """A lane that adds shifted activations."""

    def addends(self) -> list[Value]:
        return [
            shifted(self.pixels[slot], self.rows[slot], number, *limits)
            for slot in range(self.spec.slots)
            for number, limits in enumerate(self.spec.terms)
        ]


class MultiplyLane(Lane):
    """A lane that multiplies, by a weight whose digits it gets: the int8 baseline."""

    def addends(self) -> list[Value]:
        return [
            added
            for slot in range(self.spec.slots)
            for added in multiples(self.pixels[slot], self.rows[slot])
        ]


def make_lane(spec: Spec) -> Lane:
    """The lane that ``spec.lane`` asks for."""
    return ShiftLane(spec) if spec.lane == "shift" else MultiplyLane(spec)


def add_up(addends: list[Value]) -> Value:
    """Their sum, added pairwise: cheaper than a chain where they are products."""
    while len(addends) > 1:
        odd = addends[len(addends) & ~1 :]
        addends = [a + b for a, b in zip(addends[::2], addends[1::2], strict=False)] + odd
    return addends[0]


def shifted(pixel: Value, terms: data.View, number: int, low: int, high: int) -> Value:
    """Return what term ``number`` of a row, of exponents ``low`` to ``high``, adds to a shift lane.

    The last level of the shifter takes the value as it is, or moved, or not at all where there is no term:
    that is cheaper than gates before the first.
    """
    enable = terms[f"enable{number}"]
    value = pixel ^ terms[f"negative{number}"].replicate(ACTIVATION_WIDTH)
    if high == low:
        return Cat(Const(0, low), gated(value, enable))
    *bits, last = terms[f"exponent{number}"]
    for level, bit in enumerate(bits):
        value = Mux(bit, value << (1 << level), value)
    moved = Cat(Const(0, 1 << len(bits)), gated(value, enable & last))
    value = gated(value, enable & ~last) | moved
    return Cat(Const(0, low), value[: ACTIVATION_WIDTH + high - low])
