"""The lane grid and the shadow chains through which it drains."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.booth import Recoder
from shiftbook.hw.engine.correction import Correction
from shiftbook.hw.engine.lane import make_lane
from shiftbook.hw.engine.layouts import plane, row


class Grid(wiring.Component):
    """All lanes; they differ in their pixels only.

    Parameters
    ----------
    spec
        Grid, lane, slots, requantizers.

    Members
    -------
    pixels : In(ArrayLayout)
        One plane of activations from each slot; lane (r, c) is element ``r * cols + c``.
    rows : In(ArrayLayout)
        One codebook row from each slot.
    start : In(1)
        The rows of the cycle before are the first of an output channel.
    maximum : In(1)
        Constant of the layer: slot 0 takes each pixel away and adds it in the next cycle, the other slots add
        nothing, and the lanes keep the largest.
    heads : Out(ArrayLayout)
        In cycle 1 + j after ``start`` element q is lane ``j * requantizers + q`` of the finished channel, and
        after the last lane the first one comes again.
    correction : Out(accumulator_width)
        What to add to every head of the channel that ends; while ``start``.

    Latency
    -------
    Two cycles from rows to accumulators.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "pixels": In(data.ArrayLayout(plane(spec), spec.slots)),
                "rows": In(data.ArrayLayout(row(spec), spec.slots)),
                "start": In(1),
                "maximum": In(1),
                "heads": Out(data.ArrayLayout(spec.accumulator_width, spec.requantizers)),
                "correction": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        fold = Signal(reset_less=True)
        m.d.sync += fold.eq(self.maximum & self._adds_pixel())
        rows = self._lane_rows(m)
        lanes = [make_lane(spec) for _ in range(spec.lanes)]
        for number, lane in enumerate(lanes):
            m.submodules[f"lane_{number // spec.cols}_{number % spec.cols}"] = lane
            m.d.comb += [lane.pixels[slot].eq(self.pixels[slot][number]) for slot in range(spec.slots)]
            m.d.comb += [lane.rows.eq(rows), lane.start.eq(self.start), lane.fold.eq(fold)]
            m.d.comb += lane.above.eq(lanes[(number + spec.requantizers) % spec.lanes].shadow)
        m.d.comb += [self.heads[q].eq(lanes[q].shadow) for q in range(spec.requantizers)]
        m.submodules.correction = correction = Correction(spec)
        m.d.comb += [
            correction.rows.eq(rows),
            correction.start.eq(self.start),
            self.correction.eq(Mux(self.maximum, 0, correction.correction)),
        ]
        return m

    def _lane_rows(self, m: Module) -> Value:
        """The rows as lanes get them: a weight is recoded here, once for all."""
        if self.spec.lane == "shift":
            return self.rows.as_value()
        recoders = [Recoder(self.spec.weight_width) for _ in range(self.spec.slots)]
        for slot, recoder in enumerate(recoders):
            m.submodules[f"recoder_{slot}"] = recoder
            m.d.comb += recoder.weight.eq(self.rows[slot].weight)
        return Cat(recoder.digits for recoder in recoders)

    def _adds_pixel(self) -> Value:
        """Whether slot 0 adds its pixels; all else that it does in such a layer is to take them away."""
        row = self.rows[0]
        if self.spec.lane == "multiply":
            return row.weight[0] & ~row.weight[-1]
        units = [number for number, (low, _) in enumerate(self.spec.terms) if low == 0]
        return row[f"enable{units[0]}"] & ~row[f"negative{units[0]}"] if units else Const(0)
