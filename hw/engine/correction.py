"""What the negative terms of all slots owe, once for all lanes."""

from __future__ import annotations

from amaranth import Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
from shiftbook.hw.engine.layouts import row


class Correction(wiring.Component):
    """Sums ``1 << e`` over the negative terms; each of them left ``255 << e`` too much in every lane.

    Parameters
    ----------
    spec
        Slots, terms, widths.

    Members
    -------
    rows : In(ArrayLayout)
        One codebook row from each slot, as the lanes get them.
    start : In(1)
        This cycle's rows are the first of an output channel.
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
                "rows": In(data.ArrayLayout(row(spec), spec.slots)),
                "start": In(1),
                "correction": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        total = Signal(self.spec.accumulator_width, reset_less=True)
        powers: list[Value] = [
            _power(self.rows[slot], number, *limits)
            for slot in range(self.spec.slots)
            for number, limits in enumerate(self.spec.terms)
        ]
        m.d.sync += total.eq(sum(powers, Mux(self.start, 0, total)))
        m.d.comb += self.correction.eq(total - (total << ACTIVATION_WIDTH))
        return m


def _power(terms: data.View, number: int, low: int, high: int) -> Value:
    power: Value = terms[f"negative{number}"]
    if high > low:
        # Level by level: to a simulator, 0 << unknown is unknown, as exponents are before the first row.
        for level, bit in enumerate(terms[f"exponent{number}"]):
            power = Mux(bit, power << (1 << level), power)
        power = power[: high - low + 1]
    return power << Const(low)
