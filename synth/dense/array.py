"""The lanes: one for each pixel and output channel, in one chain that drains."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH
from shiftbook.hw.engine.booth import Recoder
from shiftbook.hw.engine.lane import MultiplyLane
from shiftbook.synth.dense.shape import Dense


class LaneArray(wiring.Component):
    """Lanes that share pixels over output channels, and weights over pixels.

    A weight is recoded once for all its lanes. What negative digits owe is known where the weights are, and
    is a part of the bias: see `hw.engine.booth.owed`.

    Parameters
    ----------
    dense
        P, O, I.

    Members
    -------
    pixels : In(ArrayLayout)
        [P][I] activations.
    weights : In(ArrayLayout)
        [O][I] signed weights; 0 adds nothing.
    start : In(1)
        This cycle's pixels and weights are the first of a step.
    maximum : In(1)
        Constant of the layer: each pixel is taken away and added in the next cycle, and lanes keep the
        largest. The weight of output 0 and input 0 says which cycle it is.
    heads : Out(ArrayLayout)
        In cycle 2 + j after ``start`` element q is pixel ``(j * Q + q) % P`` of output channel
        ``(j * Q + q) // P``.

    Latency
    -------
    Two cycles.
    """

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        word = data.ArrayLayout(ACTIVATION_WIDTH, dense.inputs)
        super().__init__(
            {
                "pixels": In(data.ArrayLayout(word, dense.pixels)),
                "weights": In(data.ArrayLayout(word, dense.outputs)),
                "start": In(1),
                "maximum": In(1),
                "heads": Out(data.ArrayLayout(dense.accumulator_width, dense.requantizers)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        dense, spec = self.dense, self.dense.spec
        steering = self.weights[0][0]
        fold, start = Signal(reset_less=True), Signal()  # a cycle behind, as lanes take them
        m.d.sync += [fold.eq(self.maximum & steering[0] & ~steering[-1]), start.eq(self.start)]
        lanes = [MultiplyLane(spec) for _ in range(dense.lanes)]
        for output in range(dense.outputs):
            recoders = [Recoder(spec.weight_width) for _ in range(dense.inputs)]
            for number, recoder in enumerate(recoders):
                m.submodules[f"recoder_{output}_{number}"] = recoder
                m.d.comb += recoder.weight.eq(self.weights[output][number])
            for pixel in range(dense.pixels):
                number = output * dense.pixels + pixel
                m.submodules[f"lane_{output}_{pixel}"] = lane = lanes[number]
                m.d.comb += [
                    lane.pixels.eq(self.pixels[pixel]),
                    lane.rows.eq(Cat(recoder.digits for recoder in recoders)),
                    lane.start.eq(start),
                    lane.fold.eq(fold),
                    lane.above.eq(lanes[(number + dense.requantizers) % dense.lanes].shadow),
                ]
        m.d.comb += [self.heads[q].eq(lanes[q].shadow) for q in range(dense.requantizers)]
        return m
