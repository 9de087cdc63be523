"""From the shadow chains through the requantizers."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import OFFSET_WIDTH, Leaving, Region, Register
from shiftbook.golden.spec import ACTIVATION_WIDTH, PARTIAL_BYTES, PARTIAL_WIDTH, RESIDUAL_WIDTH, Spec
from shiftbook.hw.engine.delay import delayed
from shiftbook.hw.engine.function_table import FunctionTable
from shiftbook.hw.engine.layouts import memory_write, struct
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
        Strobe, ``spec.accumulate_cycles`` cycles after ``commit``: the beats come from the next cycle on.
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
    leaving : In(2)
        A value of `golden.isa.registers.Leaving`, one bit without function tables; constant of the layer.
    write_function : In(Signature)
        Function tables of all requantizers. With ``Spec.function_tables`` only.
    take_residual : Out(1)
        In the next cycle ``residual`` and ``partial`` must be what the next beat takes.
    last_round : Out(1)
        They are not needed again; while ``take_residual``.
    residual : In(ArrayLayout)
        What is added, one for each requantizer; 0 where nothing is.
    gated : In(1)
        The first residual of a channel is its multiplier; constant of the layer.
    multiplied : In(1)
        Each residual is the multiplier of its own accumulator; constant of the layer.
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
    Beat j is there ``LATENCY + j`` cycles after ``begin``, one more where it is looked up in a table.
    """

    LATENCY = 1 + Requantizer.LATENCY

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        members = {
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
            "leaving": In(registers.register_fields(spec)[Register.LEAVING].width),
            "take_residual": Out(1),
            "last_round": Out(1),
            "residual": In(data.ArrayLayout(ACTIVATION_WIDTH, spec.requantizers)),
            "gated": In(1),
            "multiplied": In(1),
            "partial": In(data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers)),
            "valid": Out(1),
            "beat": Out(ACTIVATION_WIDTH * spec.requantizers),
            "idle": Out(1),
        }
        if spec.function_tables:
            members["write_function"] = In(memory_write(spec, Region.FUNCTION))
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        byte = self._beats(m)
        bias, multiplier, shift = self._parameters(m)
        residuals = [
            delayed(m, residual, Requantizer.MULTIPLIES, f"residual_{number}")
            for number, residual in enumerate(self.residual)
        ]
        multiplier = self._gate(m, multiplier, residuals[0])
        results = []
        for number in range(self.spec.requantizers):
            m.submodules[f"requantizer_{number}"] = requantizer = Requantizer(self.spec)
            m.d.comb += [
                requantizer.accumulator.eq(self.heads[number]),
                requantizer.bias.eq(bias),
                requantizer.partial.eq(self.partial[number]),
                requantizer.partial_out.eq(self._leaves(Leaving.PARTIAL_SUMS)),
                requantizer.byte.eq(byte),
                requantizer.multiplier.eq(Mux(self.multiplied, residuals[number], multiplier)),
                requantizer.shift.eq(shift),
                requantizer.residual.eq(residuals[number]),
                requantizer.residual_multiplier.eq(self.residual_multiplier),
                requantizer.offset.eq(self.offset),
                requantizer.low.eq(self.low),
                requantizer.high.eq(self.high),
            ]
            results.append(requantizer.result)
        if self.spec.function_tables:
            results = [self._looked_up(m, number, result) for number, result in enumerate(results)]
        m.d.comb += self.beat.eq(Cat(results))
        return m

    def _leaves(self, what: Leaving) -> Value:
        """Whether this is what leaves: each of them but activations has a bit."""
        return self.leaving[what >> 1]

    def _looked_up(self, m: Module, number: int, activation: Value) -> Value:
        """The function of an activation."""
        m.submodules[f"function_{number}"] = table = FunctionTable(self.spec)
        m.d.comb += [
            table.enable.eq(self._leaves(Leaving.FUNCTION)),
            table.activation.eq(activation),
            table.write.enable.eq(self.write_function.enable),
            table.write.index.eq(self.write_function.index),
            table.write.data.eq(self.write_function.data),
        ]
        return table.result

    def _gate(self, m: Module, multiplier: Value, residual: Value) -> Value:
        """The channel's multiplier, or what the first beat of its residuals begins with."""
        first = Signal(1 + Requantizer.MULTIPLIES)
        held = Signal(ACTIVATION_WIDTH, reset_less=True)
        m.d.sync += first.eq(Cat(self.begin, first))
        with m.If(first[-1]):
            m.d.sync += held.eq(residual)
        return Mux(self.gated, Mux(first[-1], residual, held), multiplier)

    def _beats(self, m: Module) -> Value:
        """Count the beats of the channel that is drained, round after round; the round that is shifted."""
        left = Signal(range(self.spec.drain_cycles + 1))
        rounds = Signal(range(PARTIAL_BYTES))
        more = Signal()  # rounds to come after the running one
        awaited = Signal(self.spec.accumulate_cycles)  # a commit whose ``begin`` is still to come
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
        stages = Signal(Requantizer.LATENCY)  # of the requantizers that have a beat
        m.d.sync += stages.eq(Cat(left != 0, stages) & ~self.clear.replicate(len(stages)))
        made = Signal()
        m.d.comb += made.eq(stages[-1])
        held = self._valid(m, made)
        partial_out = self._leaves(Leaving.PARTIAL_SUMS)
        taken = rounds + (left == 1)  # round of the beat that is taken next
        m.d.comb += [
            more.eq(partial_out & (rounds != PARTIAL_BYTES - 1)),
            self.take_residual.eq(self.begin | (left > 1) | ((left == 1) & more)),
            self.last_round.eq(~partial_out | (~self.begin & (taken == PARTIAL_BYTES - 1))),
            self.idle.eq(~(awaited.any() | (left != 0) | stages.any() | held)),
        ]
        return delayed(m, rounds, Requantizer.SHIFTS, "byte")

    def _valid(self, m: Module, made: Value) -> Value:
        """Whether a beat leaves: as it is made, or a cycle later; whether one is held in the tables."""
        if not self.spec.function_tables:
            m.d.comb += self.valid.eq(made)
            return Const(0, 1)
        held = Signal()
        looks_up = self._leaves(Leaving.FUNCTION)
        m.d.sync += held.eq(made & looks_up & ~self.clear)
        m.d.comb += self.valid.eq(Mux(looks_up, held, made))
        return held

    def _parameters(self, m: Module) -> tuple[Value, Value, Value]:
        """Parameters of the draining channel, each when the requantizers need it.

        ``accumulate_cycles`` pass from a commit to its ``begin``; each of these can bring another commit.
        """
        waiting = delayed(m, self.parameters, self.spec.accumulate_cycles, "waiting")
        current = Signal.like(self.parameters, reset_less=True)
        with m.If(self.begin):
            m.d.sync += [current.eq(waiting), current.bias.eq(waiting.bias + self.correction)]
        multiplier = delayed(m, current.multiplier, Requantizer.MULTIPLIES, "multiplier")
        return current.bias, multiplier, delayed(m, current.shift, Requantizer.SHIFTS, "shift")
