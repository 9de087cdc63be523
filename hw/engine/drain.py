"""From the shadow chains through the requantizers."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import OFFSET_WIDTH
from shiftbook.golden.spec import ACTIVATION_WIDTH, PARTIAL_BYTES, PARTIAL_WIDTH, RESIDUAL_WIDTH, Spec
from shiftbook.hw.engine.layouts import struct
from shiftbook.hw.engine.requantizer import Requantizer


class Drain(wiring.Component):
    """Requantizes the beats of a finished output channel.

    Partial sums leave in `golden.spec.PARTIAL_BYTES` rounds over the lanes, a byte of each in every round.

    Whoever takes the beats has room for them when their channel is committed, so that a drain never stalls.

    Parameters
    ----------
    spec
        Grid, requantizers, widths.

    Members
    -------
    clear : In(1)
        Forget everything.
    commit : In(1)
        Strobe: a channel that will be drained is committed.
    parameters : In(StructLayout)
        {bias, multiplier, shift} of the channel; while ``commit``.
    begin : In(1)
        Strobe, ``spec.lookup_cycles`` cycles after ``commit``: the beats come from the next cycle on.
    correction : In(accumulator_width)
        To be added to the bias; while ``begin``.
    heads : In(ArrayLayout)
        A beat of accumulators, one for each requantizer.
    offset : In(20)
        Signed; constant of the layer.
    low : In(8)
        Constant of the layer.
    high : In(8)
        Constant of the layer.
    residual_multiplier : In(10)
        Constant of the layer.
    partial_out : In(1)
        Partial sums leave; constant of the layer.
    take_residual : Out(1)
        In the next cycle ``residual`` and ``partial`` must be what the next beat takes.
    last_round : Out(1)
        They are not needed again; while ``take_residual``.
    residual : In(ArrayLayout)
        What is added, one for each requantizer; 0 where nothing is.
    partial : In(ArrayLayout)
        What is added to the accumulators, one for each requantizer; 0 where nothing is.
    valid : Out(1)
        ``beat`` is one.
    beat : Out(8 * requantizers)
        Requantized outputs, or bytes.
    idle : Out(1)
        No channel is being drained or about to be.

    Latency
    -------
    Beat j is there ``LATENCY + j`` cycles after ``begin``.
    """

    LATENCY = 2

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "commit": In(1),
                "parameters": In(struct(registers.channel_parameters(spec))),
                "begin": In(1),
                "correction": In(spec.accumulator_width),
                "heads": In(data.ArrayLayout(spec.accumulator_width, spec.requantizers)),
                "offset": In(signed(OFFSET_WIDTH)),
                "low": In(ACTIVATION_WIDTH),
                "high": In(ACTIVATION_WIDTH),
                "residual_multiplier": In(RESIDUAL_WIDTH),
                "partial_out": In(1),
                "take_residual": Out(1),
                "last_round": Out(1),
                "residual": In(data.ArrayLayout(ACTIVATION_WIDTH, spec.requantizers)),
                "partial": In(data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers)),
                "valid": Out(1),
                "beat": Out(ACTIVATION_WIDTH * spec.requantizers),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        byte = self._beats(m)
        bias, multiplier, shift = self._parameters(m)
        results = []
        for number in range(self.spec.requantizers):
            m.submodules[f"requantizer_{number}"] = requantizer = Requantizer(self.spec)
            m.d.comb += [
                requantizer.accumulator.eq(self.heads[number]),
                requantizer.bias.eq(bias),
                requantizer.partial.eq(self.partial[number]),
                requantizer.partial_out.eq(self.partial_out),
                requantizer.byte.eq(byte),
                requantizer.multiplier.eq(multiplier),
                requantizer.shift.eq(shift),
                requantizer.residual.eq(self.residual[number]),
                requantizer.residual_multiplier.eq(self.residual_multiplier),
                requantizer.offset.eq(self.offset),
                requantizer.low.eq(self.low),
                requantizer.high.eq(self.high),
            ]
            results.append(requantizer.result)
        m.d.comb += self.beat.eq(Cat(results))
        return m

    def _beats(self, m: Module) -> Signal:
        """Count the beats of the channel that is drained, round after round; the round of ``beat``."""
        left = Signal(range(self.spec.drain_cycles + 1))
        rounds, byte = Signal(range(PARTIAL_BYTES)), Signal(range(PARTIAL_BYTES))
        more = Signal()  # rounds to come after the running one
        awaited = Signal(self.spec.lookup_cycles)  # a commit whose ``begin`` is still to come
        m.d.sync += awaited.eq(
            Cat(self.commit, awaited)[: len(awaited)] & ~self.clear.replicate(len(awaited))
        )
        with m.If(self.clear):
            m.d.sync += left.eq(0)
        with m.Elif(self.begin):
            m.d.sync += [left.eq(self.spec.drain_cycles), rounds.eq(0)]
        with m.Elif((left == 1) & more):
            m.d.sync += [left.eq(self.spec.drain_cycles), rounds.eq(rounds + 1)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += [self.valid.eq(~self.clear & (left != 0)), byte.eq(rounds)]
        taken = rounds + (left == 1)  # round of the beat that is taken next
        m.d.comb += [
            more.eq(self.partial_out & (rounds != PARTIAL_BYTES - 1)),
            self.take_residual.eq(self.begin | (left > 1) | ((left == 1) & more)),
            self.last_round.eq(~self.partial_out | (~self.begin & (taken == PARTIAL_BYTES - 1))),
            self.idle.eq(~(awaited.any() | (left != 0) | self.valid)),
        ]
        return byte

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
