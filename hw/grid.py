"""The lane grid and the shadow chains through which it drains."""

from __future__ import annotations

from amaranth import Elaboratable, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.spec import Spec
from hw.correction import Correction
from hw.lane import make_lane
from hw.layouts import plane, row


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
        This cycle's rows are the first of an output channel.
    heads : Out(ArrayLayout)
        In cycle 1 + j after ``start`` element q is lane ``q * drain_cycles + j`` of the finished channel.
    correction : Out(accumulator_width)
        What to add to every head of the channel that ends; while ``start``.

    Latency
    -------
    One cycle from rows to accumulators.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "pixels": In(data.ArrayLayout(plane(spec), spec.slots)),
                "rows": In(data.ArrayLayout(row(spec), spec.slots)),
                "start": In(1),
                "heads": Out(data.ArrayLayout(spec.accumulator_width, spec.requantizers)),
                "correction": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        lanes = [make_lane(spec) for _ in range(spec.lanes)]
        for number, lane in enumerate(lanes):
            m.submodules[f"lane_{number // spec.cols}_{number % spec.cols}"] = lane
            m.d.comb += [lane.pixels[slot].eq(self.pixels[slot][number]) for slot in range(spec.slots)]
            m.d.comb += [lane.rows.eq(self.rows), lane.start.eq(self.start)]
            if (number + 1) % spec.drain_cycles:
                m.d.comb += lane.above.eq(lanes[number + 1].shadow)
        m.d.comb += [self.heads[q].eq(lanes[q * spec.drain_cycles].shadow) for q in range(spec.requantizers)]
        if spec.lane == "shift":
            m.submodules.correction = correction = Correction(spec)
            m.d.comb += [
                correction.rows.eq(self.rows),
                correction.start.eq(self.start),
                self.correction.eq(correction.correction),
            ]
        return m
