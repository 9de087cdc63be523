"""From the shadow chains through the requantizers into the output buffer."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.spec import ACTIVATION_WIDTH, Spec
from hw import registers
from hw.layouts import struct
from hw.output_buffer import OutputBuffer
from hw.requantizer import Requantizer


class Drain(wiring.Component):
    """Requantizes the beats of a finished output channel and hands them out.

    Room for the beats is reserved when their channel is committed, so that a drain never stalls.

    Parameters
    ----------
    spec
        Grid, requantizers, widths.

    Members
    -------
    clear : In(1)
        Forget everything.
    reserve : In(1)
        Strobe: a channel that will be drained is committed. Only while ``room``.
    parameters : In(StructLayout)
        {bias, multiplier, shift} of the channel; while ``reserve``.
    begin : In(1)
        Strobe, ``spec.lookup_cycles`` cycles after ``reserve``: the beats come from the next cycle on.
    correction : In(accumulator_width)
        To be added to the bias; while ``begin``.
    heads : In(ArrayLayout)
        A beat of accumulators, one for each requantizer.
    zero_point : In(8)
        Constant of the layer.
    low : In(8)
        Constant of the layer.
    high : In(8)
        Constant of the layer.
    room : Out(1)
        Another channel can be reserved.
    empty : Out(1)
        All reserved beats were taken.
    output : Out(stream)
        Beats of ``requantizers`` bytes.

    Latency
    -------
    Beat j is in the buffer ``LATENCY + j`` cycles after ``begin``.
    """

    LATENCY = 3

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "reserve": In(1),
                "parameters": In(struct(registers.channel_parameters(spec))),
                "begin": In(1),
                "correction": In(spec.accumulator_width),
                "heads": In(data.ArrayLayout(spec.accumulator_width, spec.requantizers)),
                "zero_point": In(ACTIVATION_WIDTH),
                "low": In(ACTIVATION_WIDTH),
                "high": In(ACTIVATION_WIDTH),
                "room": Out(1),
                "empty": Out(1),
                "output": Out(stream.Signature(ACTIVATION_WIDTH * spec.requantizers)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(self.spec)
        wiring.connect(m, wiring.flipped(self.output), buffer.output)
        m.d.comb += [
            buffer.clear.eq(self.clear),
            buffer.reserve.eq(self.reserve),
            self.room.eq(buffer.room),
            self.empty.eq(buffer.empty),
            buffer.write.eq(self._beats(m)),
        ]

        bias, multiplier, shift = self._parameters(m)
        results = []
        for number in range(self.spec.requantizers):
            m.submodules[f"requantizer_{number}"] = requantizer = Requantizer(self.spec)
            m.d.comb += [
                requantizer.accumulator.eq(self.heads[number]),
                requantizer.bias.eq(bias),
                requantizer.multiplier.eq(multiplier),
                requantizer.shift.eq(shift),
                requantizer.zero_point.eq(self.zero_point),
                requantizer.low.eq(self.low),
                requantizer.high.eq(self.high),
            ]
            results.append(requantizer.result)
        m.d.comb += buffer.data.eq(Cat(results))
        return m

    def _beats(self, m: Module) -> Signal:
        """High while the requantizers' results are beats."""
        left = Signal(range(self.spec.drain_cycles + 1))
        valid = Signal()
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        with m.Elif(self.begin):
            m.d.sync += left.eq(self.spec.drain_cycles)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += valid.eq(~self.clear & (left != 0))
        return valid

    def _parameters(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Parameters of the draining channel, each when the requantizers need it.

        ``lookup_cycles`` pass from a commit to its ``begin``; each of these can bring another commit.
        """
        shape = self.parameters.shape()
        waiting = self.parameters
        for cycle in range(self.spec.lookup_cycles):
            later = Signal(shape, name=f"waiting_{cycle}", reset_less=True)
            m.d.sync += later.eq(waiting)
            waiting = later
        current = Signal(shape, reset_less=True)
        shift = Signal(self.spec.shift_width, reset_less=True)
        m.d.sync += shift.eq(current.shift)
        with m.If(self.begin):
            m.d.sync += [current.eq(waiting), current.bias.eq(waiting.bias + self.correction)]
        return current.bias, current.multiplier, shift
