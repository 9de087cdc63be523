"""What the negative terms and digits of all slots owe, once for all lanes."""

from __future__ import annotations

from amaranth import Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
from shiftbook.hw.engine.booth import owed
from shiftbook.hw.engine.lane import add_up
from shiftbook.hw.engine.layouts import lane_row


class Correction(wiring.Component):
    """Sums ``1 << e`` over what is negative, each of which left ``255 << e`` too much in every lane.

    Parameters
    ----------
    spec
        Slots, lane, terms, widths.

    Members
    -------
    rows : In(ArrayLayout)
        What each slot adds, as the lanes get it.
    start : In(1)
        The rows of the cycle before are the first of an output channel.
    correction : Out(accumulator_width)
        To be added to every lane's accumulator; while ``start``, for the channel that ends.

    Latency
    -------
    As that of a lane.

    Numeric range
    -------------
    Modulo ``2**accumulator_width``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "rows": In(data.ArrayLayout(lane_row(spec), spec.slots)),
                "start": In(1),
                "correction": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        total = Signal(self.spec.accumulator_width, reset_less=True)
        powers = [power for slot in range(self.spec.slots) for power in self._powers(self.rows[slot])]
        added = add_up(powers)
        now = Signal(len(added), reset_less=True)
        m.d.sync += [now.eq(added), total.eq(now + Mux(self.start, 0, total))]
        m.d.comb += self.correction.eq(total - (total << ACTIVATION_WIDTH))
        return m

    def _powers(self, row: data.View) -> list[Value]:
        """What one slot's negative terms or digits owe."""
        if self.spec.lane == "multiply":
            return [owed(row)]
        return [_power(row, number, *limits) for number, limits in enumerate(self.spec.terms)]


def _power(terms: data.View, number: int, low: int, high: int) -> Value:
    power: Value = terms[f"negative{number}"]
    if high > low:
        # Level by level: to a simulator, 0 << unknown is unknown, as exponents are before the first row.
        for level, bit in enumerate(terms[f"exponent{number}"]):
            power = Mux(bit, power << (1 << level), power)
        power = power[: high - low + 1]
    return power << Const(low)
